"""Words, leave-one-out and the page, with classifiers whose reasons are known."""

import itertools
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fake_engine import FakeEngine
from tiers import examples
from valence.errors import InputError, ModelError
from valence.explain.attribution import Attribution, WordAttribution, find_target
from valence.explain.inputs import inputs_of
from valence.explain.leave_one_out import leave_one_out
from valence.explain.page import render_page
from valence.explain.wording import sentences
from valence.explain.words import words_of
from valence.folder import ModelFolder
from valence.runtime.classifier import Classifier
from valence.text.tokenizer import TokenizedText, Tokenizer
from words import WORDS


class PlantedEngine:
    """Has a weight for some words in each class and ignores all others."""

    name = "planted"
    files = ()
    sessions = 1

    def __init__(self, *weights: dict[str, float]) -> None:
        self.n_classes = len(weights)
        self._table = np.zeros((len(WORDS), len(weights)), dtype=np.float32)
        for number, words in enumerate(weights):
            for word, weight in words.items():
                self._table[WORDS.index(word), number] = weight

    def logits(self, batch, side_by_side=False):
        return (self._table[batch.input_ids] * batch.attention_mask[:, :, None]).sum(axis=1)


@pytest.fixture(scope="module")
def tokenizer(vocabulary, tmp_path_factory) -> Tokenizer:
    path = tmp_path_factory.mktemp("tokenizer")
    path.joinpath("config.json").write_text(json.dumps({"max_position_embeddings": 64, "vocab_size": len(WORDS)}))
    path.joinpath("vocab.txt").write_bytes(vocabulary.read_bytes())
    return Tokenizer.from_folder(ModelFolder(path, "test"), threads=1)


@pytest.fixture(scope="module")
def sentiment(tokenizer) -> Classifier:
    """The word "awful" counts three times as much as "good", and nothing else counts."""
    return Classifier(tokenizer, PlantedEngine({"awful": 3.0}, {"good": 1.0}), ("NEGATIVE", "POSITIVE"))


def by_word(attribution: Attribution) -> list[tuple[str, float]]:
    return [(word.text, word.attribution) for word in attribution.words]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The film was good", ["The", "film", "was", "good"]),
        ("Don't! It's well-made...", ["Don't", "!", "It's", "well-made", "..."]),
        ("do n't 'good' (bad)", ["do", "n't", "'", "good", "'", "(", "bad", ")"]),
        ("3.5 of 1,000; a, b", ["3.5", "of", "1,000", ";", "a", ",", "b"]),
        ("good,bad  good\n\tbad", ["good", ",", "bad", "good", "bad"]),
        ("acting unseenword", ["acting", "unseenword"]),  # several tokens each
        ("cafe\u0301 NAI\u0308VE go\u200bod", ["cafe\u0301", "NAI\u0308VE", "go\u200bod"]),
        ("a -- b - '' -", ["a", "--", "b", "-", "''", "-"]),
        ("\u96fb\u5f71 \U0001f600!", ["\u96fb", "\u5f71", "\U0001f600", "!"]),
        ("[MASK] and [SEP]", ["[MASK]", "and", "[SEP]"]),
        ("", []),
        (" \n\t ", []),
        ("\0\u200b", []),
    ],
)
def test_words(tokenizer, text, expected):
    assert [word.text for word in words_of(tokenizer, text)] == expected


@settings(max_examples=examples(100), deadline=None)
@given(
    text=st.text(
        st.sampled_from("ab1.,'-!\u2019 \u0301\u0130\u00df\u96fb\u200d\U0001f600\n") | st.characters(codec="utf-8")
    )
)
def test_every_token_belongs_to_one_word_that_stands_in_the_text(tokenizer, text):
    words = words_of(tokenizer, text)
    tokens = [token for word in words for token in word.tokens]
    assert tokens == list(range(len(tokenizer.contents([text])[0])))
    assert all(word.text == text[word.start : word.end] for word in words)
    assert all(one.end <= other.start for one, other in itertools.pairwise(words))


def test_words_of_a_pair(tokenizer):
    words = words_of(tokenizer, ("good film", "a film"))
    assert [(word.part, word.text, word.start, list(word.tokens)) for word in words] == [
        (0, "good", 0, [0]),
        (0, "film", 5, [1]),
        (1, "a", 0, [0]),
        (1, "film", 2, [1]),
    ]


@pytest.mark.slow
def test_too_much_to_explain(tokenizer):
    with pytest.raises(InputError, match=r"1,000,001 characters, and at most 1,000,000 .*: explain a part"):
        words_of(tokenizer, "a" * 1_000_001)
    with pytest.raises(InputError, match=r"10,001 words, and at most 10,000 can be explained: explain a part"):
        words_of(tokenizer, "a " * 10_001)
    assert len(words_of(tokenizer, "a" * 1_000_000)) == 1


def test_a_planted_word_is_caught(sentiment):
    found = leave_one_out(sentiment, "the plot was awful and very good .")
    assert (found.label, found.target, found.unit) == ("NEGATIVE", "NEGATIVE", "probability")
    score, without_awful, without_good = (1 / (1 + np.exp(-logit)) for logit in (2.0, -1.0, 3.0))
    expected = {"awful": score - without_awful, "good": score - without_good}
    assert found.score == found.target_score == pytest.approx(score)
    for word, attribution in by_word(found):
        assert attribution == pytest.approx(expected.get(word, 0.0), abs=1e-6)
    assert [found.text[word.start : word.end] for word in found.words] == [word.text for word in found.words]
    assert found.total == pytest.approx(sum(expected.values()), abs=1e-5)
    assert found.baseline_score is found.expected_difference is found.completeness_error is found.is_complete is None


def test_the_other_class_sees_the_opposite(sentiment):
    text = "awful but good"
    negative = leave_one_out(sentiment, text, "NEGATIVE")
    positive = leave_one_out(sentiment, text, "positive")
    assert positive.target == "POSITIVE"
    assert positive.label == "NEGATIVE"
    assert [word.attribution for word in positive.words] == pytest.approx(
        [-word.attribution for word in negative.words]
    )


def test_a_constant_classifier_gives_zero_everywhere(tokenizer):
    constant = Classifier(tokenizer, PlantedEngine({}, {}), ("A", "B"))
    found = leave_one_out(constant, "the film was awful, good and very bad")
    assert {word.attribution for word in found.words} == {0.0}
    assert found.strongest == 0.0
    assert "0.00" in render_page(found)


def test_a_word_left_out_does_not_join_its_neighbours(tokenizer):
    classifier = Classifier(tokenizer, PlantedEngine({"good": 2.0}, {",": 1.0}), ("A", "B"))
    found = dict(by_word(leave_one_out(classifier, "good,bad", "B")))
    assert found["bad"] == pytest.approx(0.0, abs=1e-7)
    assert found[","] == pytest.approx(1 / (1 + np.exp(1.0)) - 1 / (1 + np.exp(2.0)))


@pytest.mark.parametrize("text", ["the plot , it was awful ... don't", ("good film", "unseenword's awful")])
def test_a_short_text_is_classified_without_the_word(tokenizer, text):
    classifier = Classifier(tokenizer, FakeEngine(), ("A", "B"))
    found = leave_one_out(classifier, text, "A")
    for word in found.words:
        parts = [text] if isinstance(text, str) else list(text)
        parts[word.part] = f"{parts[word.part][: word.start]} {parts[word.part][word.end :]}"
        rest = classifier(parts[0] if isinstance(text, str) else tuple(parts)).scores["A"]
        assert word.attribution == pytest.approx(found.score - rest)


def test_a_pair(sentiment):
    found = leave_one_out(sentiment, ("the film", "was awful"))
    strongest = max(found.words, key=lambda word: abs(word.attribution))
    assert (strongest.text, strongest.part, strongest.start) == ("awful", 1, 4)
    assert [word.part for word in found.words] == [0, 0, 1, 1]


def test_multi_label_classes_are_explained_each_on_its_own(tokenizer):
    engine = PlantedEngine({"dog": 2.0}, {"film": 2.0, "dog": -1.0}, {})
    classifier = Classifier(tokenizer, engine, ("ANIMALS", "CINEMA", "REST"), "multi_label_classification")
    animals = dict(by_word(leave_one_out(classifier, "dog film", "ANIMALS")))
    cinema = dict(by_word(leave_one_out(classifier, "dog film", "CINEMA")))
    rest = dict(by_word(leave_one_out(classifier, "dog film", "REST")))
    assert animals["dog"] > 0.3
    assert animals["film"] == pytest.approx(0.0)
    assert cinema["film"] > 0.3
    assert cinema["dog"] < -0.1
    assert set(rest.values()) == {0.0}


def test_a_regression_is_explained_in_its_own_unit(tokenizer):
    classifier = Classifier(tokenizer, PlantedEngine({"good": 2.0, "bad": -1.5}), ("stars",), "regression")
    found = leave_one_out(classifier, "good and bad")
    assert found.unit == "value"
    assert found.score == pytest.approx(0.5)
    assert dict(by_word(found)) == pytest.approx({"good": 2.0, "and": 0.0, "bad": -1.5})


def test_a_long_text_in_windows(sentiment):
    text = "the film was very " * 40 + "awful"
    found = leave_one_out(sentiment, text)
    assert found.n_windows == 3
    assert not found.truncated
    strongest = max(found.words, key=lambda word: word.attribution)
    assert (strongest.text, strongest.end) == ("awful", len(text))
    assert found.score == sentiment(text).scores["NEGATIVE"]


@pytest.mark.parametrize("aggregation", ["mean", "max"])
@pytest.mark.parametrize("stride", [0, 8])
def test_windows_stay_where_they_are(tokenizer, stride, aggregation):
    engine = PlantedEngine({"awful": 3.0}, {"good": 1.0})
    classifier = Classifier(tokenizer, engine, ("N", "P"), stride=stride, aggregation=aggregation)
    text = "good " + "film " * 100 + "awful " + "film " * 60
    found = leave_one_out(classifier, text, "N")
    planted = {word.text: word.attribution for word in found.words if word.text != "film"}
    assert planted["awful"] > 0 > planted["good"]
    assert {word.attribution for word in found.words if word.text == "film"} == {0.0}


def test_each_window_is_read_again_for_its_own_words_alone(tokenizer):
    engine = FakeEngine()
    classifier = Classifier(tokenizer, engine, ("A", "B"))
    assert leave_one_out(classifier, "film " * 300).n_windows == 5
    assert sum(n_texts for n_texts, _ in engine.batches) == 5 + 5 + 300


def test_what_was_not_read_does_not_come_in_for_a_word(tokenizer):
    engine = PlantedEngine({"awful": 3.0}, {})
    classifier = Classifier(tokenizer, engine, ("NEGATIVE", "POSITIVE"), long_text="truncate")
    found = leave_one_out(classifier, "film " * 62 + "awful")
    assert found.truncated
    assert {word.attribution for word in found.words} == {0.0}


def test_words_that_are_not_read_count_for_nothing(tokenizer):
    classifier = Classifier(
        tokenizer, PlantedEngine({"awful": 3.0}, {}), ("NEGATIVE", "POSITIVE"), long_text="truncate"
    )
    found = leave_one_out(classifier, "film " * 70 + "awful")
    assert found.truncated
    assert {word.attribution for word in found.words} == {0.0}
    assert any("was not read" in line for line in sentences(found))
    strict = Classifier(tokenizer, PlantedEngine({}, {}), ("A", "B"), long_text="error")
    with pytest.raises(InputError, match="text 1 has 72 tokens, the limit is 64"):
        leave_one_out(strict, "film " * 70)


def test_an_empty_text_has_no_words(sentiment):
    found = leave_one_out(sentiment, "")
    assert found.words == ()
    assert found.total == 0
    assert found.score == pytest.approx(0.5)
    assert "no words" in render_page(found)


@pytest.mark.parametrize("text", [None, 5, b"good", ["good"], ("good",), "caf\udce9"])
def test_what_is_no_text(sentiment, text):
    with pytest.raises(InputError, match=r"text 1 (must be a string|is not valid Unicode)"):
        leave_one_out(sentiment, text)


def test_progress(sentiment):
    seen: list[tuple[int, int]] = []
    leave_one_out(sentiment, "the film was good", on_progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_targets():
    labels = ("Good", "bad", "BAD")
    assert find_target(labels, "good") == "Good"
    assert find_target(labels, "BAD") == "BAD"
    for unknown in ("Bad", "", "excellent"):
        with pytest.raises(InputError, match="the target must be one of Good, bad, BAD"):
            find_target(labels, unknown)
    with pytest.raises(InputError, match=r"LABEL_19, …$"):
        find_target(tuple(f"LABEL_{number}" for number in range(100)), "x")


def integrated(words: list[float], score: float, baseline: float) -> Attribution:
    given = tuple(WordAttribution("x", 2 * n, 2 * n + 1, value) for n, value in enumerate(words))
    return Attribution(
        text=" ".join("x" * len(words)), method="integrated-gradients", engine="torch fp32", label="A", target="A",
        target_score=0.9, unit="log-odds", score=score, words=given, truncated=False, n_windows=1,
        baseline_score=baseline, n_steps=64,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("words", "score", "baseline", "complete"),
    [
        ([2.0, 1.0], 2.0, -1.0, True),
        ([2.0, 1.02], 2.0, -1.0, True),
        ([2.0, 1.04], 2.0, -1.0, False),
        ([-2.0, -1.04], -2.0, 1.0, False),
        ([5.0, -5.04], 1.0, 1.0, True),  # words that cancel out
        ([5.0, -5.06], 1.0, 1.0, False),
        ([0.0, 0.000001], 1.0, 1.0, True),
        ([0.0, 0.001], 1.0, 1.0, False),
    ],
)
def test_the_sum_is_checked(words, score, baseline, complete):
    found = integrated(words, score, baseline)
    assert found.total == pytest.approx(sum(words))
    assert found.expected_difference == pytest.approx(score - baseline)
    assert found.completeness_error == pytest.approx(abs(sum(words) - (score - baseline)))
    assert found.is_complete is complete
    assert ("rough" in sentences(found)[-1]) is not complete
    assert found.as_json()["complete"] is complete


def test_json_has_everything(sentiment):
    found = leave_one_out(sentiment, "awful film")
    content = json.loads(json.dumps(found.as_json(), allow_nan=False))
    assert content["text"] == "awful film"
    assert content["sum"] == found.total
    assert content["words"][0] == {"text": "awful", "start": 0, "end": 5, "attribution": found.words[0].attribution}
    pair = leave_one_out(sentiment, ("awful", "film")).as_json()
    assert pair["text"] == ["awful", "film"]
    assert [word["part"] for word in pair["words"]] == [0, 1]


@pytest.mark.parametrize("types", [[0] * 6, [0, 0, 0, 0, 0, 1], [1] * 6])
def test_a_tokenizer_that_joins_pairs_otherwise_is_refused(types):
    tokens = TokenizedText(np.arange(6, dtype=np.int32), np.array(types, dtype=np.int32), 6)
    with pytest.raises(ModelError, match="joins texts in an unknown way"):
        inputs_of(tokens, (1, 2), 0)


class Page(HTMLParser):
    """What a reader of the page gets: the texts without the marks, the tags, and every mark."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.marks: list[tuple[str, str]] = []
        self._open: list[tuple[str, str]] = []
        self.feed(content)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag in ("meta", "br"):
            return
        self._open.append((tag, dict(attrs).get("class", "")))
        if self._open[-1] == ("p", "text"):
            self.texts.append("")

    def handle_endtag(self, tag):
        assert self._open.pop()[0] == tag

    def handle_data(self, data):
        if self._open[-1:] == [("sup", "")]:
            self.marks.append((self._open[-2][1], data))
        elif ("p", "text") in self._open:
            self.texts[-1] += data


HOSTILE = "<script>alert('good')</script> & \"awful\"\n&lt; <!-- </p></main> good"


def test_the_page_shows_the_text_as_it_is(sentiment):
    content = render_page(leave_one_out(sentiment, HOSTILE))
    page = Page(content)
    assert page.texts == [HOSTILE]
    assert "script" not in page.tags
    assert "<!--" not in content
    assert "://" not in content, "it needs nothing from elsewhere"


def test_the_page_shows_signs_without_colour(sentiment):
    page = Page(render_page(leave_one_out(sentiment, ("awful film", "good"))))
    assert page.texts == ["awful film", "good"]
    assert page.marks == [("up", "+"), ("down", "−")]
    content = render_page(leave_one_out(sentiment, "awful film"))
    assert re.search(r'<td class="word" dir="auto">awful</td><td class="number">\+0\.\d+</td>', content)


def test_labels_and_controls_cannot_break_the_page(tokenizer):
    classifier = Classifier(tokenizer, PlantedEngine({"good": 1.0}, {}), ("<i>&", "B"))
    content = render_page(leave_one_out(classifier, "good\0\x1b[31m\x85 film"))
    assert "<i>" not in content
    assert "&lt;i&gt;&amp;" in content
    assert Page(content).texts == ["good\ufffd\ufffd[31m\ufffd film"]
