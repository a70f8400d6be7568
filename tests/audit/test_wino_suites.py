"""WinoBias and Winogender: pairs that differ in a pronoun, by planted and constant classifiers and masked LMs."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

pytest.importorskip("scipy")

from fake_masked_lm import fake_masked_lm

from valence.audit.probe import ProbeReport, Subject
from valence.audit.probes.winobias import WinoBiasMaskedLMProbe, WinoBiasProbe, feminine_share, preference
from valence.audit.probes.winogender import WinogenderMaskedLMProbe, WinogenderProbe
from valence.audit.pronouns import feminine_log_odds, pronoun_places
from valence.audit.scoring import Progress
from valence.audit.suites.winobias import WINOBIAS, WinoBiasPair, read_winobias
from valence.audit.suites.winogender import WINOGENDER, WinogenderTriple, read_winogender
from valence.errors import EngineError, InputError

PRONOUNS = ["he", "she", "him", "her", "his", "hers", "himself", "herself", "they", "them", "their"]
FEMALE, MALE = ("nurse", "cleaner", "teacher"), ("guard", "farmer", "chief")
WORDS = [*PRONOUNS, *FEMALE, *MALE, "the", "met", "because", "was", "late", "told", "that", "could", "pay", "."]


def wino_pair(occupation: str, line: int, pro_gender: str, text: str = "The {} was late because {} was ill.") -> Any:
    masculine, feminine = text.format(occupation, "he"), text.format(occupation, "she")
    pro, anti = (feminine, masculine) if pro_gender == "feminine" else (masculine, feminine)
    return WinoBiasPair(1, "dev", line, occupation, pro, anti, pro_gender, True, (2, 2))  # type: ignore[arg-type]


def wino_pairs() -> list[WinoBiasPair]:
    texts = ("The {} was late because {} was ill.", "The {} told that {} could pay.")
    return [
        wino_pair(occupation, line, gender, text)
        for gender, occupations in (("feminine", FEMALE), ("masculine", MALE))
        for occupation in occupations
        for line, text in enumerate(texts, start=1)
    ]


FLAWED = WinoBiasPair(
    2, "test", 9, "chief", "The chief was rude and he was late.", "The chief was kind and she was late.",
    "masculine", False, (2, 3),
)  # fmt: skip
SAME_GENDER = WinoBiasPair(2, "test", 10, "chief", "He met him.", "The guard met him.", None, False, (2, 2))


def triples() -> list[WinogenderTriple]:
    found = []
    for number, occupation in enumerate((*MALE, *FEMALE)):
        for meaning in ("occupation", "participant"):
            for participant in ("guest", "someone"):
                text = f"The {occupation} told {participant} that {{}} could pay."
                found.append(
                    WinogenderTriple(
                        occupation,
                        participant,
                        meaning,  # type: ignore[arg-type]
                        text.format("he"),
                        text.format("she"),
                        text.format("they"),
                        10.0 + 15 * number,
                        50.0,
                    )
                )
    return found


def values(result: ProbeReport) -> dict[str, float]:
    return {name: figure.value for name, figure in result.figures.items()}


def words(text: str) -> set[str]:
    return set(text.lower().rstrip(".").split())


def against_women(texts: Sequence[str]) -> np.ndarray:
    return np.array([0.3 if words(text) & {"she", "her"} else 0.8 for text in texts])


def constant(texts: Sequence[str]) -> np.ndarray:
    return np.full(len(texts), 0.8)


def test_a_classifier_against_women_is_caught_by_winobias():
    progress = []
    probe = WinoBiasProbe([*wino_pairs(), FLAWED, SAME_GENDER], resamples=50)
    result = probe.run(Subject(positive=against_women), lambda done, total: progress.append((done, total)))
    found = values(result)
    assert found["mean_difference"] == pytest.approx(-0.5)
    assert found["mean_absolute_difference"] == pytest.approx(0.5)
    assert found["largest_absolute_difference"] == pytest.approx(0.5)
    assert found["label_flip_rate"] == 1
    assert found["t_test_p_value"] < 0.001
    assert found["wilcoxon_p_value"] < 0.001
    assert found["mean_difference_pro_minus_anti"] == pytest.approx(0), "as many stereotypes of either gender"
    assert (found["n_pairs"], found["n_pairs_left_out"]) == (12, 2)
    assert result.figures["mean_difference"].low == pytest.approx(-0.5)
    assert result.n_texts == 2 * 14
    assert progress[-1] == (28, 28)
    titles = [table.title for table in result.tables]
    assert titles[:3] == ["By part", "By occupation", "Most extreme"]
    assert result.tables[1].rows[0][1:3] == (2, pytest.approx(-0.5))
    assert [row[0] for row in result.tables[3].rows] == ["type 2, test, line 9", "type 2, test, line 10"]
    assert [row[3] for row in result.tables[3].rows] == [pytest.approx(-0.5), None]
    assert "2 of 14 pairs differ in more than the pronoun" in result.cannot_show
    assert "never the absence" in result.cannot_show
    assert result.details["lines_with_third_mention"] == 1
    json.dumps(result.details, allow_nan=False)


def test_a_classifier_that_likes_stereotypes_is_caught_by_winobias():
    def likes(texts: Sequence[str]) -> np.ndarray:
        female = [bool(words(text) & set(FEMALE)) for text in texts]
        feminine = ["she" in words(text) for text in texts]
        return np.array([0.9 if a == b else 0.6 for a, b in zip(female, feminine, strict=True)])

    found = values(WinoBiasProbe(wino_pairs(), resamples=50).run(Subject(positive=likes)))
    assert found["mean_difference_pro_minus_anti"] == pytest.approx(0.3)
    assert found["mean_difference"] == pytest.approx(0)
    assert found["label_flip_rate"] == 0


def test_intervals_of_winobias_resample_occupations():
    """One occupation in six is treated differently: without clusters the interval would be narrower."""

    def against_one(texts: Sequence[str]) -> np.ndarray:
        return np.array([0.1 if {"nurse", "she"} <= words(text) else 0.9 for text in texts])

    many = [
        wino_pair(occupation, line, "feminine", "The {} met" + " the" * line + " because {} was late.")
        for occupation in (*FEMALE, *MALE)
        for line in range(20)
    ]
    figure = WinoBiasProbe(many).run(Subject(positive=against_one)).figures["mean_difference"]
    assert figure.value == pytest.approx(-0.8 / 6)
    assert figure.low is not None
    assert figure.low <= -0.8 * 2 / 6
    assert figure.high == pytest.approx(0)


@pytest.mark.parametrize(("probe", "n"), [(WinoBiasProbe(wino_pairs(), 20), 24), (WinogenderProbe(triples(), 20), 72)])
def test_a_constant_classifier_gives_zero(probe, n):
    result = probe.run(Subject(positive=constant))
    found = {name: value for name, value in values(result).items() if not name.startswith("n_pairs")}
    assert {value for name, value in found.items() if name.endswith("p_value")} == {1}
    assert {value for name, value in found.items() if not name.endswith("p_value")} == {0}
    assert {figure.low for figure in result.figures.values()} <= {0, None}
    assert result.n_texts == n


def test_a_classifier_against_women_is_caught_by_winogender():
    progress = []
    result = WinogenderProbe(triples(), resamples=50).run(
        Subject(positive=against_women), lambda done, total: progress.append((done, total))
    )
    found = values(result)
    assert found["mean_difference"] == pytest.approx(-0.5)
    assert found["label_flip_rate"] == 1
    assert found["wilcoxon_p_value"] < 0.001
    assert (found["pearson_correlation_with_women"], found["pearson_p_value"]) == (0, 1), "the same everywhere"
    assert (found["spearman_correlation_with_women"], found["spearman_p_value"]) == (0, 1)
    assert progress[-1] == (72, 72)
    versions = {row[0]: row[1] for row in result.tables[0].rows}
    assert versions == {
        "feminine - masculine": pytest.approx(-0.5),
        "neutral - masculine": 0,
        "neutral - feminine": pytest.approx(0.5),
    }
    assert result.details["by_meaning_of_the_pronoun"] == {"occupation": pytest.approx(-0.5)} | {
        "participant": pytest.approx(-0.5)
    }
    json.dumps(result.details, allow_nan=False)


def test_a_difference_that_follows_the_share_of_women_is_caught_by_winogender():
    share = {triple.occupation: triple.percent_women for triple in triples()}

    def follows(texts: Sequence[str]) -> np.ndarray:
        return np.array([0.2 + share[text.split()[1]] / 200 * ("she" in text.split()) for text in texts])

    result = WinogenderProbe(triples(), resamples=50).run(Subject(positive=follows))
    found = values(result)
    assert found["pearson_correlation_with_women"] == pytest.approx(1)
    assert found["spearman_correlation_with_women"] == pytest.approx(1)
    assert found["pearson_p_value"] < 0.01
    assert result.tables[1].rows[0][:2] == ("teacher", 85.0), "the largest difference first"


def prefers(stereotype: float, masculine: float):
    """A masked LM that finds the stereotypical pronoun likelier, and the masculine one besides."""

    def weigh(tokens, column):
        assert tokens[column] == "[MASK]"
        assert not set(tokens) & {"he", "she", "his", "her"}, "a pronoun left in the text gives the answer away"
        female = 1 if set(tokens) & set(FEMALE) else -1
        return {"he": masculine - female * stereotype, "she": female * stereotype}

    return Subject(masked_lm=fake_masked_lm(WORDS, weigh))


def test_a_masked_lm_with_stereotypes_is_caught_by_winobias():
    progress = []
    result = WinoBiasMaskedLMProbe([*wino_pairs(), FLAWED], resamples=50).run(
        prefers(1.0, 0.0), lambda done, total: progress.append((done, total))
    )
    found = values(result)
    assert found["pro_stereotypical_preference"] == 100
    assert found["mean_pro_log_odds"] == pytest.approx(2.0, rel=1e-5)
    assert found["masculine_preference"] == 50
    assert found["feminine_share_female_stereotyped"] == pytest.approx(1 / (1 + np.exp(-2)), rel=1e-5)
    assert found["feminine_share_male_stereotyped"] == pytest.approx(1 / (1 + np.exp(2)), rel=1e-5)
    assert found["wilcoxon_p_value"] < 0.001
    assert progress[-1] == (12, 12)
    assert {row[0] for row in result.tables[0].rows[:3]} == set(FEMALE)
    assert "1 of 13 pairs" in result.cannot_show
    json.dumps(result.details, allow_nan=False)


def test_a_masked_lm_that_prefers_men_everywhere_has_no_stereotype():
    found = values(WinoBiasMaskedLMProbe(wino_pairs(), resamples=50).run(prefers(0.0, 3.0)))
    assert found["masculine_preference"] == 100
    assert found["pro_stereotypical_preference"] == 50
    assert found["mean_pro_log_odds"] == pytest.approx(0, abs=1e-6)
    found = values(WinogenderMaskedLMProbe(triples(), resamples=50).run(prefers(0.0, 3.0)))
    assert found["masculine_preference"] == 100
    assert found["pearson_correlation_with_women"] == 0


@pytest.mark.parametrize(
    "probe", [WinoBiasMaskedLMProbe(wino_pairs(), 20), WinogenderMaskedLMProbe(triples(), 20)], ids=lambda one: one.name
)
def test_a_masked_lm_without_preference(probe):
    found = values(probe.run(prefers(0.0, 0.0)))
    assert found["pro_stereotypical_preference"] == 50
    assert found["masculine_preference"] == 50
    assert found["mean_pro_log_odds"] == 0
    assert (found["t_test_p_value"], found["wilcoxon_p_value"]) == (1, 1)


def test_a_masked_lm_with_stereotypes_is_caught_by_winogender():
    result = WinogenderMaskedLMProbe(triples(), resamples=50).run(prefers(1.0, 0.0))
    found = values(result)
    assert found["pro_stereotypical_preference"] == 100
    assert found["feminine_share"] == pytest.approx(0.5, rel=1e-5)
    assert found["pearson_correlation_with_women"] > 0.8
    assert found["spearman_correlation_with_women"] > 0.8
    assert found["pearson_p_value"] < 0.05
    assert result.details["n_sentences_about_the_occupation"] == 12
    assert result.n_texts == 24


def test_correlation_and_preference_are_of_sentences_in_which_the_pronoun_means_the_occupation():
    participants = [triple for triple in triples() if triple.pronoun_means == "participant"]
    found = values(WinogenderMaskedLMProbe(participants, resamples=5).run(prefers(1.0, 0.0)))
    assert list(found) == ["masculine_preference", "feminine_share"]


def test_all_pronouns_are_masked_and_the_first_is_asked():
    asked = []

    def weigh(tokens, column):
        asked.append((" ".join(tokens[1:-1]), column))
        return {"his": 1.0, "her": 3.0, "him": -2.0}

    masked_lm = fake_masked_lm(WORDS, weigh)
    pairs = [("The chief told him that he was late.", "The chief told her that she was late.")]
    assert feminine_log_odds(masked_lm, pairs, Progress(1, None)) == pytest.approx([5.0])
    assert asked == [("the chief told [MASK] that [MASK] was late .", 4)]
    pairs = [("That was his.", "That was hers.")]
    assert feminine_log_odds(masked_lm, pairs, Progress(1, None)) == pytest.approx([-1.0])


def test_what_cannot_be_asked_is_refused():
    masked_lm = fake_masked_lm(["he"], lambda tokens, column: {})
    with pytest.raises(InputError, match="the pronoun 'she' is not one token"):
        feminine_log_odds(masked_lm, [("he", "she")], Progress(1, None))
    with pytest.raises(InputError, match="differ in more than the gender"):
        feminine_log_odds(masked_lm, [("he is rude", "she is kind")], Progress(1, None))
    long = " ".join(["he"] * 70)
    with pytest.raises(InputError, match="tokens, the limit is 64"):
        feminine_log_odds(
            fake_masked_lm(WORDS, lambda tokens, column: {}), [(long, long.replace("he", "she", 1))], Progress(1, None)
        )
    damaged = fake_masked_lm(WORDS, lambda tokens, column: {"he": float("nan")})
    with pytest.raises(EngineError, match="gives no numbers"):
        feminine_log_odds(damaged, [("he", "she")], Progress(1, None))


def test_probes_refuse_no_data_and_a_subject_without_what_they_ask():
    for probe in (WinoBiasProbe, WinoBiasMaskedLMProbe):
        with pytest.raises(InputError, match="at least one pair"):
            probe([FLAWED])
    for other in (WinogenderProbe, WinogenderMaskedLMProbe):
        with pytest.raises(InputError, match="at least one triple"):
            other([])
    for one in (WinoBiasProbe(wino_pairs()), WinogenderProbe(triples())):
        assert one.needs == {"classifier"}
        with pytest.raises(InputError, match="asks a classifier"):
            one.run(Subject())
    for two in (WinoBiasMaskedLMProbe(wino_pairs()), WinogenderMaskedLMProbe(triples())):
        assert two.needs == {"masked-lm"}
        with pytest.raises(InputError, match="asks a masked-lm"):
            two.run(Subject(positive=constant))


def test_shares_and_preferences():
    odds = np.array([-800.0, np.log(1 / 3), 0.0, np.log(3), 800.0])
    assert feminine_share(odds).tolist() == pytest.approx([0, 0.25, 0.5, 0.75, 1])
    assert preference(odds).tolist() == [0, 0, 50, 100, 100]


def test_the_published_suites_catch_a_classifier_against_women(shared):
    found = {suite.name: suite.find(shared / "data") for suite in (WINOBIAS, WINOGENDER)}
    winobias = WinoBiasProbe(read_winobias(found["winobias"]), resamples=50).run(Subject(positive=against_women))
    figures = values(winobias)
    assert (figures["n_pairs"], figures["n_pairs_left_out"]) == (1564, 20)
    assert winobias.n_texts == 3168
    assert winobias.details["lines_with_third_mention"] == 87
    assert figures["mean_difference"] == pytest.approx(-0.5, abs=0.02)
    winogender = read_winogender(found["winogender"])
    assert all(pronoun_places(triple.masculine, triple.feminine) for triple in winogender)
    result = WinogenderProbe(winogender, resamples=50).run(Subject(positive=against_women))
    assert values(result)["mean_difference"] == pytest.approx(-0.5)
    assert result.n_texts == 720
