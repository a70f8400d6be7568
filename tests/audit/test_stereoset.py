"""StereoSet: the golden test, the rules of counting and scoring one by one, planted and constant models."""

import json
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tiers import examples

pytest.importorskip("scipy")

from fake_masked_lm import fake_masked_lm, scrambled

from valence.audit.probe import Subject
from valence.audit.probes.stereoset import (
    StereoSetClassifierProbe,
    StereoSetProbe,
    classifier_texts,
    intersentence_scores,
    intrasentence_scores,
    score_by_bias_type,
    score_stereoset,
    term_scores,
)
from valence.audit.suites.stereoset import Candidate, StereoSetItem, StereoSetItems
from valence.errors import EngineError, InputError
from valence.runtime.next_sentence import NextSentence

GOLD = {
    "race": ("83.824098", "56.296276", "73.268505"),
    "religion": ("82.160920", "56.275862", "71.848308"),
}
WORDS = ["the", "cook", "is", "fat", "thin", "blue", "nice", "guard", "he", "eats", "and", "##ty", "##ly", "man"]


def item(
    number: int,
    words: Sequence[str] = ("fat", "thin", "blue"),
    target: str = "cook",
    bias_type: str = "profession",
    context: str = "The cook is BLANK.",
) -> StereoSetItem:
    """An item whose sentence ids are its number and s, a or u."""
    candidates = [
        Candidate(f"{number}{kind}", context.replace("BLANK", word)) for kind, word in zip("sau", words, strict=True)
    ]
    return StereoSetItem(str(number), target, bias_type, context, *candidates)


def follow(number: int, target: str = "cook", bias_type: str = "profession") -> StereoSetItem:
    sentences = ["He eats fatty food.", "He eats little.", "Blue is a color."]
    candidates = [Candidate(f"{number}{kind}", text) for kind, text in zip("sau", sentences, strict=True)]
    return StereoSetItem(str(number), target, bias_type, "The cook is here.", *candidates)


def scores(*items: tuple[float, float, float]) -> dict[str, float]:
    return {
        f"{number}{kind}": score for number, three in enumerate(items) for kind, score in zip("sau", three, strict=True)
    }


@pytest.mark.parametrize("bias_type", GOLD)
def test_the_golden_predictions_give_the_published_figures(bias_type, shared):
    folder = shared / "data" / "stereoset" / "golden"
    predictions = json.loads((folder / "predictions_bert-base-cased.json").read_text())
    found = {one["id"]: one["score"] for task in predictions.values() for one in task}
    items = []
    for example in json.loads((folder / f"{bias_type}.json").read_text()):
        by_label = {one["gold_label"]: Candidate(one["id"], one["sentence"]) for one in example["sentences"]}
        candidates = [by_label[label] for label in ("stereotype", "anti-stereotype", "unrelated")]
        items.append(StereoSetItem(example["id"], example["target"], bias_type, example["context"], *candidates))
    score = score_stereoset(items, found)
    assert tuple(f"{figure:.6f}" for figure in (score.lms, score.ss, score.icat)) == GOLD[bias_type]
    assert score_by_bias_type(items, found) == {bias_type: score}
    if bias_type == "race":
        per_item = 100 * np.mean([found[one.stereotype.id] > found[one.anti_stereotype.id] for one in items])
        assert f"{per_item:.2f}" == "56.55", "the mean over items is another figure"
        assert f"{score.ss:.2f}" != "56.55"


def test_figures_are_means_over_terms_not_items():
    items = [item(0), item(1), item(2), item(3, target="guard")]
    found = scores((0.3, 0.2, 0.1), (0.3, 0.2, 0.1), (0.3, 0.2, 0.1), (0.1, 0.3, 0.2))
    score = score_stereoset(items, found)
    assert score.ss == (100 + 0) / 2
    assert score.lms == (100 + 50) / 2
    assert score.icat == 75 * 50 / 50
    assert (score.n_items, score.n_terms) == (4, 2)
    terms = term_scores(items, found)
    assert (terms["cook"].ss, terms["cook"].lms, terms["cook"].n_items) == (100, 100, 3)
    assert (terms["guard"].ss, terms["guard"].lms, terms["guard"].n_items) == (0, 50, 1)


def test_icat_is_computed_from_the_means():
    """The mean of the ICATs of the two terms would be 0."""
    score = score_stereoset([item(0), item(1, target="guard")], scores((3, 2, 1), (2, 3, 1)))
    assert (score.lms, score.ss, score.icat) == (100, 50, 100)


@pytest.mark.parametrize(
    ("three", "ss", "lms"),
    [
        ((2, 1, 0), 100, 100),
        ((1, 2, 0), 0, 100),
        ((1, 1, 0), 0, 100),  # as likely: counted as anti
        ((2, 1, 1), 100, 50),  # as likely as the unrelated one: not related
        ((1, 1, 1), 0, 0),
        ((1, 0, 2), 100, 0),
    ],
)
def test_equal_scores_count_against(three, ss, lms):
    score = score_stereoset([item(0)], scores(three))
    assert (score.ss, score.lms) == (ss, lms)


def test_a_term_with_items_of_both_tasks_is_one_term():
    both = [item(0), follow(1)]
    assert score_stereoset(both, scores((2, 1, 0), (1, 2, 0))).n_terms == 1


def test_figures_need_items_and_all_their_scores():
    with pytest.raises(InputError, match="at least one item"):
        score_stereoset([], {})
    with pytest.raises(InputError, match="no score for the sentence 0a of the item 0"):
        score_stereoset([item(0)], {"0s": 1, "0u": 1})


@settings(max_examples=examples(60), deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from("xy"), st.tuples(*[st.integers(0, 3).map(float)] * 3)),
        min_size=1,
        max_size=20,
    )
)
def test_figures_beside_a_plain_loop(rows):
    items = [item(number, target=target, bias_type=kind) for number, (target, kind, _) in enumerate(rows)]
    found = scores(*(three for _, _, three in rows))
    targets = {target for target, _, _ in rows}
    ss = [np.mean([s > a for target, _, (s, a, _) in rows if target == one]) for one in targets]
    lms = [np.mean([(s > u) / 2 + (a > u) / 2 for target, _, (s, a, u) in rows if target == one]) for one in targets]
    score = score_stereoset(items, found)
    assert score.ss == pytest.approx(100 * np.mean(ss))
    assert score.lms == pytest.approx(100 * np.mean(lms))
    assert score.icat == pytest.approx(score.lms * min(score.ss, 100 - score.ss) / 50)
    assert sum(part.n_items for part in score_by_bias_type(items, found).values()) == len(rows)


def probability(masked_lm, text: str, token: str) -> float:
    """At the first mask, by the one path that fills masks."""
    fills = masked_lm.fill(text, top_k=10_000)
    return next(fill.score for fill in fills if fill.mask == 0 and fill.token == token)


def test_a_word_is_scored_by_the_mean_of_the_probabilities_of_its_pieces():
    masked_lm = fake_masked_lm(WORDS, scrambled([*WORDS, "##u", "##n"]))
    found = intrasentence_scores(masked_lm, [item(0, ("fat", "thinly", "fatun"))])
    assert found["0s"] == pytest.approx(probability(masked_lm, "The cook is [MASK].", "fat"), rel=1e-5)
    first = probability(masked_lm, "The cook is [MASK].", "thin")
    second = probability(masked_lm, "The cook is thin[MASK].", "##ly")
    assert found["0a"] == pytest.approx((first + second) / 2, rel=1e-5)
    pieces = [
        probability(masked_lm, f"The cook is {before}[MASK].", piece)
        for before, piece in (("", "fat"), ("fat", "##u"), ("fatu", "##n"))
    ]
    assert found["0u"] == pytest.approx(np.mean(pieces), rel=1e-5)
    assert found["0u"] != pytest.approx(np.exp(np.mean(np.log(pieces))), rel=1e-3), "not of the logarithms"


def test_every_slot_gets_the_mask_and_the_first_one_is_asked():
    masked_lm = fake_masked_lm(WORDS, scrambled(WORDS))
    found = intrasentence_scores(masked_lm, [item(0, context="The cook is BLANK and he is BLANK!")])
    expected = probability(masked_lm, "The cook is [MASK] and he is [MASK]!", "fat")
    assert found["0s"] == pytest.approx(expected, rel=1e-5)


def test_candidates_of_one_context_share_a_pass():
    masked_lm = fake_masked_lm(WORDS, scrambled(WORDS))
    intrasentence_scores(masked_lm, [item(0), item(1)])
    assert masked_lm.engine.n_scored == 1


def test_a_text_that_is_too_long_or_a_damaged_model_says_so():
    masked_lm = fake_masked_lm(WORDS, scrambled(WORDS), max_length=6)
    with pytest.raises(InputError, match="tokens, the limit is 6"):
        intrasentence_scores(masked_lm, [item(0)])
    damaged = fake_masked_lm(WORDS, lambda tokens, column: {"fat": float("nan")})
    with pytest.raises(EngineError, match="gives no numbers"):
        intrasentence_scores(damaged, [item(0)])


class FakePredictor:
    """Finds that what begins with "He" follows, the likelier the longer it is."""

    def predict(self, pairs: Sequence[tuple[str, str]]) -> list[NextSentence]:
        chances = [min(0.99, len(second) / 40) if second.startswith("He") else 0.1 for _, second in pairs]
        return [NextSentence(chance >= 0.5, chance) for chance in chances]


def test_a_next_sentence_is_scored_by_the_probability_that_it_follows():
    found = intersentence_scores(FakePredictor(), [follow(0)])  # type: ignore[arg-type]
    assert found == {"0s": len("He eats fatty food.") / 40, "0a": len("He eats little.") / 40, "0u": 0.1}


def prefer(logits: Mapping[str, float]):
    return fake_masked_lm(WORDS, lambda tokens, column: logits)


ITEMS = StereoSetItems(
    intrasentence=tuple(item(number, target=f"t{number % 3}") for number in range(6)),
    intersentence=tuple(follow(number, target=f"t{number % 2}", bias_type="race") for number in range(6, 10)),
)


def test_a_planted_stereotype_is_caught():
    progress = []
    subject = Subject(masked_lm=prefer({"fat": 3, "thin": 1, "blue": -1}), next_sentence=FakePredictor())  # type: ignore[arg-type]
    result = StereoSetProbe(ITEMS, resamples=20).run(subject, lambda done, total: progress.append((done, total)))
    values = {name: figure.value for name, figure in result.figures.items()}
    for task in ("intrasentence", "intersentence", "overall"):
        assert (values[f"{task}_ss"], values[f"{task}_lms"], values[f"{task}_icat"]) == (100, 100, 0)
    assert progress[-1] == (result.n_texts, result.n_texts)
    assert result.n_texts == 6 * 3 + 4 * 3
    types, extreme = result.tables
    assert [row[:3] for row in types.rows] == [
        ("intrasentence", "profession", 6),
        ("intersentence", "race", 4),
        ("overall", "profession", 6),
        ("overall", "race", 4),
    ]
    assert extreme.title == "Most extreme"
    assert extreme.rows[0][3] == "He eats fatty food.", "the largest difference, though in the other task"
    assert "Blodgett" in result.cannot_show
    json.dumps(result.details, allow_nan=False)
    assert result.details["intrasentence"]["by_term"]["t0"] == {"ss": 100, "lms": 100, "n_items": 2}


def test_a_model_without_a_preference_counts_as_against_the_stereotype_in_both_tasks():
    """Ties count as anti-stereotypical, as in the authors' code."""

    class Indifferent(FakePredictor):
        def predict(self, pairs: Sequence[tuple[str, str]]) -> list[NextSentence]:
            return [NextSentence(True, 0.5) for _ in pairs]

    subject = Subject(masked_lm=prefer({}), next_sentence=Indifferent())  # type: ignore[arg-type]
    values = {name: one.value for name, one in StereoSetProbe(ITEMS, resamples=20).run(subject).figures.items()}
    for task in ("intrasentence", "intersentence", "overall"):
        assert (values[f"{task}_ss"], values[f"{task}_lms"]) == (0, 0), task


def test_without_a_next_sentence_head_there_is_one_task():
    result = StereoSetProbe(ITEMS, resamples=20).run(Subject(masked_lm=prefer({"thin": 3, "fat": 1, "blue": -1})))
    assert list(result.figures) == ["intrasentence_lms", "intrasentence_ss", "intrasentence_icat"]
    assert result.figures["intrasentence_ss"].value == 0
    assert result.n_texts == 18


def test_a_model_that_prefers_nothing_scores_zero():
    result = StereoSetProbe(ITEMS, resamples=20).run(Subject(masked_lm=prefer({})))
    assert {figure.value for figure in result.figures.values()} == {0}


def test_intervals_lie_around_their_figures():
    words = ("fat", "thin", "blue")
    items = StereoSetItems(tuple(item(n, (words[n % 3], words[(n + 1) % 3], "nice"), f"t{n}") for n in range(12)), ())
    result = StereoSetProbe(items).run(Subject(masked_lm=prefer({"fat": 3, "thin": 2, "blue": 1})))
    for name in ("lms", "ss", "icat"):
        figure = result.figures[f"intrasentence_{name}"]
        assert figure.low is not None
        assert figure.high is not None
        assert figure.low <= figure.value <= figure.high
    assert result.figures["intrasentence_ss"].low < 60 < 70 < result.figures["intrasentence_ss"].high


def test_what_a_classifier_reads():
    texts = classifier_texts(StereoSetItems((item(0, context="The cook is BLANK, BLANK!"),), (follow(1),)))
    assert texts["0s"] == "The cook is fat, fat!"
    assert texts["1a"] == "The cook is here. He eats little."


def negative_about_fat(texts: Sequence[str]) -> np.ndarray:
    return np.array([0.2 if "fat" in text else 0.9 for text in texts])


def test_a_classifier_that_dislikes_stereotypes_is_caught():
    result = StereoSetClassifierProbe(ITEMS, resamples=50).run(Subject(positive=negative_about_fat))
    values = {name: figure.value for name, figure in result.figures.items()}
    assert values["mean_difference"] == pytest.approx(-0.7)
    assert values["label_flip_rate"] == 1
    assert values["t_test_p_value"] < 0.01
    assert values["intrasentence_ss"] == 100, "index 0 is the negative class"
    assert values["intrasentence_lms"] == 50
    assert result.n_texts == 30


def test_a_constant_classifier_gives_zero():
    result = StereoSetClassifierProbe(ITEMS, resamples=20).run(Subject(positive=lambda texts: np.full(len(texts), 0.7)))
    p_values = {name: figure.value for name, figure in result.figures.items() if name.endswith("p_value")}
    assert set(p_values.values()) == {1}
    assert {figure.value for name, figure in result.figures.items() if name not in p_values} == {0}


def test_a_probe_refuses_a_subject_without_what_it_asks():
    with pytest.raises(InputError, match="asks a masked-lm"):
        StereoSetProbe(ITEMS).run(Subject(positive=negative_about_fat))
    with pytest.raises(InputError, match="asks a classifier"):
        StereoSetClassifierProbe(ITEMS).run(Subject(masked_lm=prefer({})))


@pytest.mark.parametrize("answer", [[0.5], [float("nan")] * 30, [[0.5]] * 30])
def test_a_classifier_that_gives_no_probabilities_is_refused(answer):
    with pytest.raises(EngineError, match="no probability for each"):
        StereoSetClassifierProbe(ITEMS).run(Subject(positive=lambda texts: np.array(answer)))


def test_needs_are_named():
    assert StereoSetProbe.needs == {"masked-lm"}
    assert StereoSetClassifierProbe.needs == {"classifier"}
