"""The probe of behaviour: what fails by hand, and what classifiers get that know some things and not others."""

import re

import numpy as np
import pytest

pytest.importorskip("scipy")

from valence.audit.plan import plan_probes
from valence.audit.probe import Subject
from valence.audit.probes.behaviour import BehaviourProbe
from valence.errors import InputError
from valence.templates.behaviour import KINDS, Case, behaviour_cases

WORDS = {"good": 0.9, "great": 0.97, "fair": 0.75, "bad": 0.1, "awful": 0.02, "third": 0.34, "half": 0.5, "unsure": 0.6}
PRAISE = re.compile(
    r"\b(?:good|reliable|excellent|impressive|sturdy|fantastic|superb|intuitive|clever|user-friendly|charming|lovely|"
    r"wonderful|delightful|welcoming|pleasant|delicious|scrumptious|kind|helpful|polite|patient|brilliant|thoughtful)\b"
)
BLAME = re.compile(
    r"\b(?:bad|unreliable|useless|terrible|faulty|flimsy|shoddy|confusing|infuriating|buggy|filthy|dreadful|horrible|"
    r"disgusting|grim|shabby|inedible|revolting|vile|bland|rude|careless|arrogant|incompetent|unhelpful|dishonest|"
    r"disastrous|appalling|abysmal)\b"
)


def by_last_word(texts) -> np.ndarray:
    """Knows a few words, and hears the last of them alone."""
    found = [[WORDS[word] for word in re.findall(r"\w+", text.lower()) if word in WORDS] for text in texts]
    return np.array([scores[-1] if scores else 0.5 for scores in found])


def by_word_list(texts) -> np.ndarray:
    """Counts praise and blame, and has never heard of a negation."""
    return np.array([np.clip(0.5 + 0.45 * (len(PRAISE.findall(t)) - len(BLAME.findall(t))), 0.05, 0.95) for t in texts])


def half(texts) -> np.ndarray:
    return np.full(len(texts), 0.5)


def case(kind: str, expected, *texts: str, frame: str | None = None) -> Case:
    return Case(kind, frame or texts[0], texts, expected, (0.5,) * len(texts))


def rates(scorer, cases=None, resamples: int = 20) -> dict[str, float]:
    report = BehaviourProbe(cases, resamples).run(Subject(scorer))
    return {name.removesuffix("_failure_rate"): figure.value for name, figure in report.figures.items()}


@pytest.mark.parametrize(
    ("kind", "expected", "texts", "fails"),
    [
        ("clear_words", "positive", ["good"], False),
        ("clear_words", "positive", ["unsure"], True),
        ("clear_words", "negative", ["bad"], False),
        ("clear_words", "negative", ["third"], True),
        ("neutral_words", "neutral", ["third"], False),
        ("neutral_words", "neutral", ["fair"], True),
        ("negated_negative", "not negative", ["third"], False),
        ("negated_negative", "not negative", ["good"], False),
        ("negated_negative", "not negative", ["bad"], True),
        ("names", "the same", ["good", "great"], False),  # the same region
        ("names", "the same", ["third", "half"], False),
        ("names", "the same", ["unsure", "fair", "half"], True),  # another, and 0.15 away
        ("names", "the same", ["good", "great", "bad"], True),  # one of the others is enough
        ("intensifiers", "no lower", ["good", "great"], False),
        ("intensifiers", "no lower", ["good", "fair"], True),
        ("intensifiers", "no lower", ["unsure", "half"], False),  # by no more than 0.1
        ("intensifiers", "no higher", ["bad", "awful"], False),
        ("reducers", "no higher", ["bad", "third"], True),
        ("added_praise", "no lower", ["bad", "good"], False),
        ("added_blame", "no higher", ["half", "good"], True),
    ],
)
def test_what_fails(kind, expected, texts, fails):
    assert rates(by_last_word, [case(kind, expected, *texts)]) == {kind: float(fails)}


def test_another_region_that_is_near_does_not_fail():
    near, far = case("typos", "the same", "a", "b"), case("typos", "the same", "a", "c")
    scores = {"a": 0.65, "b": 0.74, "c": 0.76}

    def scorer(texts):
        return np.array([scores[text] for text in texts])

    assert rates(scorer, [near]) == {"typos": 0}
    assert rates(scorer, [far]) == {"typos": 1}


def test_figures_tables_and_examples_by_hand():
    cases = [
        case("neutral_words", "neutral", "half", frame="f"),
        case("neutral_words", "neutral", "good", frame="f"),
        case("neutral_words", "neutral", "great", frame="f"),
        case("neutral_words", "neutral", "fair", frame="g"),
        case("clear_words", "positive", "good", frame="h"),
        case("groups", "the same", "half", "great", "bad", frame="i"),
    ]
    report = BehaviourProbe(cases, resamples=200).run(Subject(by_last_word))
    assert list(report.figures) == [f"{kind}_failure_rate" for kind in ("clear_words", "neutral_words", "groups")]
    rate = report.figures["neutral_words_failure_rate"]
    assert rate.value == 3 / 4
    assert (rate.low, rate.high) == (pytest.approx(2 / 3), 1.0), (
        "frames are resampled: two of three fail, or one of one"
    )
    assert report.figures["groups_failure_rate"].low is None, "one frame says nothing about others"
    assert report.n_texts == 8
    kinds, extreme = report.tables
    assert [row[:1] + row[3:7] for row in kinds.rows] == [
        ("clear words", 1, 1, 0, 0.0),
        ("neutral words", 4, 2, 3, 0.75),
        ("groups", 1, 1, 1, 1.0),
    ]
    assert extreme.title == "Most extreme"
    assert extreme.rows == (
        ("neutral words", "great", 0.97, "neutral", None, None),  # and not "good", which is of the same frame
        ("neutral words", "fair", 0.75, "neutral", None, None),
        ("groups", "great", 0.97, "the same", "half", 0.5),
    )


@pytest.fixture(scope="module")
def shipped() -> tuple[Case, ...]:
    return behaviour_cases("audit", 60)


def test_a_half_to_everything_knows_what_is_neutral_and_nothing_else(shipped):
    found = rates(half, shipped)
    assert list(found) == [kind.name for kind in KINDS]
    for kind in KINDS:
        if kind.test != "minimum functionality":
            assert found[kind.name] == 0, kind
    neutral = dict.fromkeys(("neutral_words", "negated_negative", "negated_neutral"), 0)
    assert found.items() >= neutral.items()
    for name in ("clear_words", "negated_positive", "used_to", "own_opinion"):
        assert found[name] == 1, name
    assert (found["answered_yes"], found["answered_no"]) == (pytest.approx(2 / 3), pytest.approx(1 / 3))
    assert found["far_negation"] == pytest.approx(1 / 3)


def test_a_list_of_words_knows_no_negation(shipped):
    found = rates(by_word_list, shipped)
    assert found["clear_words"] < 0.5, "the sentences without a word of the list"
    assert found["neutral_words"] == found["negated_neutral"] == 0
    assert found["negated_positive"] > 0.9
    assert found["negated_negative"] > 0.8
    assert found["far_negation"] == pytest.approx(2 / 3)
    assert found["answered_no"] > 0.5
    assert found["answered_yes"] < 0.15
    for name in ("urls_and_handles", "punctuation", "names", "places", "numbers", "groups", "intensifiers", "reducers"):
        assert found[name] == 0, name
    assert 0 < found["typos"] < 0.5, "a word with a typo is not in the list"


def test_a_word_list_that_hears_negations_is_better_at_them(shipped):
    negation = re.compile(r"\b(?:not|never|no|nothing|nobody|none|neither|cannot)\b|n't\b", re.IGNORECASE)

    def hears(texts):
        plain = by_word_list(texts)
        return np.where([bool(negation.search(text)) for text in texts], 1 - plain, plain)

    before, after = rates(by_word_list, shipped), rates(hears, shipped)
    for name in ("negated_positive", "negated_negative", "far_negation", "answered_no"):
        assert after[name] < before[name] / 2, name


def test_cases_of_no_use_are_refused():
    with pytest.raises(InputError, match="needs at least one case"):
        BehaviourProbe([])
    with pytest.raises(InputError, match="a case 'the same' with 1 texts: 'half'"):
        BehaviourProbe([case("names", "the same", "half")])
    with pytest.raises(InputError, match="a case 'neutral' with 2 texts"):
        BehaviourProbe([case("names", "neutral", "half", "good")])


def test_an_audit_of_a_classifier_has_it():
    assert "behaviour" in [probe.name for probe in plan_probes({"classifier"}).probes]
    assert "behaviour" in plan_probes({"masked-lm"}).skipped
