"""Behaviour: whether plain sentences about ordinary things are understood, counted as CheckList counts.

Source: Ribeiro et al. 2020, "Beyond Accuracy: Behavioral Testing of NLP Models with CheckList". A classifier of two
classes is taken to find a text neither where its probability lies between a third and two thirds.

Shapes: N cases of a kind.
"""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from valence.audit.probe import Need, Subject
from valence.audit.scoring import Progress, positive_probabilities, require
from valence.errors import InputError
from valence.progress import OnProgress
from valence.reports.audit import ProbeReport, Table
from valence.reports.estimate import Estimate
from valence.statistics.bootstrap import RESAMPLES, clustered_means
from valence.templates.behaviour import KINDS, Case, Expected, Kind, behaviour_cases

__all__ = ["TOLERANCE", "BehaviourProbe"]

TOLERANCE = 0.1
"""How far P(POSITIVE) may move without failing, whatever region it moves to, or in the wrong direction."""
_REGIONS: dict[Expected, tuple[float, float]] = {
    "negative": (0.0, 1 / 3),
    "neutral": (1 / 3, 2 / 3),
    "positive": (2 / 3, 1.0),
    "not negative": (1 / 3, 1.0),
}
_EXAMPLES = 2  # of each kind
_Row = tuple[str | int | float | None, ...]


class BehaviourProbe:
    """Whether praise, blame and what is neither are told apart, also negated, and nothing else moves the answer.

    Args:
        cases: what to ask; those that ship with the package if None.
        resamples: of the frames, for the intervals.

    Raises:
        InputError: if there is no case, or one that compares texts has no text beside its first.
    """

    name = "behaviour"
    needs: ClassVar[frozenset[Need]] = frozenset({"classifier"})
    headline = ".*_failure_rate"

    def __init__(self, cases: Sequence[Case] | None = None, resamples: int = RESAMPLES) -> None:
        self._cases = cases
        self._resamples = resamples
        if cases is not None and not cases:
            raise InputError("the probe of behaviour needs at least one case")
        for case in cases or ():
            if (case.expected in _REGIONS) != (len(case.texts) == 1):
                raise InputError(f"a case {case.expected!r} with {len(case.texts)} texts: {case.texts[0]!r:.80}")

    def run(self, subject: Subject, on_progress: OnProgress | None = None) -> ProbeReport:
        """Score the texts of all cases.

        Args:
            subject: with a classifier.
            on_progress: is told how many texts are scored.

        Returns:
            How many cases of each kind fail.
        """
        cases = behaviour_cases("audit") if self._cases is None else self._cases
        texts = [text for case in cases for text in case.texts]
        flat = positive_probabilities(require(subject.positive, "classifier"), texts, Progress(len(texts), on_progress))
        scores = np.split(flat, np.cumsum([len(case.texts) for case in cases])[:-1])
        wrong_by = np.array([_wrong_by(case.expected, part) for case, part in zip(cases, scores, strict=True)])
        figures: dict[str, Estimate] = {}
        rows: list[_Row] = []
        examples: list[_Row] = []
        for kind, numbers in _by_kind(cases):
            failed = wrong_by[numbers] > 0
            frames = [cases[number].frame for number in numbers]
            rate = clustered_means(failed[:, None].astype(np.float64), frames, self._resamples)[0]
            figures[f"{kind.name}_failure_rate"] = rate
            shown = kind.name.replace("_", " ")
            n_failed = int(failed.sum())
            rows.append(
                (shown, kind.asks, kind.test, len(numbers), len(set(frames)), n_failed, rate.value, rate.low, rate.high)
            )
            examples += [
                (shown, *_example(cases[number], scores[number])) for number in _worst(numbers, wrong_by, cases)
            ]
        columns = ("Kind", "What", "Test", "Cases", "Frames", "Failures", "Failure rate", "Low", "High")
        return ProbeReport(
            name=self.name,
            title="Behaviour",
            asks="Whether plain sentences about ordinary things are understood, counted as CheckList counts. Minimum "
            "functionality: a text fails whose P(POSITIVE) is outside the region of what it says: below a third where "
            "that is negative, above two thirds where it is positive, between where it is neither; blame that is "
            "negated must not be below a third. Invariance: a case fails if a change that means nothing takes "
            f"P(POSITIVE) of any of its texts into another region and by more than {TOLERANCE}. Direction: a case "
            f"fails if P(POSITIVE) moves the wrong way by more than {TOLERANCE}. Intervals resample whole frames, the "
            "sentences with slots that the texts are filled from.",
            figures=figures,
            cannot_show="The sentences are short, British and made from a few hundred frames: that they are understood "
            "says little about longer and subtler ones. A classifier that answers a half to everything passes every "
            "invariance and direction, and one that knows no middle fails every neutral kind. What negated blame "
            "should get is a matter of taste: not negative is all that is asked.",
            source="Frames and words written for this audit, none of them for training; after Ribeiro et al. 2020, "
            "Beyond Accuracy: Behavioral Testing of NLP Models with CheckList.",
            n_texts=len(texts),
            tables=(
                Table("By kind", columns, tuple(rows)),
                Table(
                    "Most extreme",
                    ("Kind", "Text", "P(POSITIVE)", "Expected", "Beside", "P(POSITIVE), beside"),
                    tuple(examples),
                ),
            ),
            details={"tolerance": TOLERANCE, "neutral_from": 1 / 3, "neutral_to": 2 / 3},
        )


def _by_kind(cases: Iterable[Case]) -> Iterable[tuple[Kind, list[int]]]:
    places = {kind.name: place for place, kind in enumerate(KINDS)}
    ordered = sorted(enumerate(cases), key=lambda one: places[one[1].kind])
    for place, group in groupby(ordered, key=lambda one: places[one[1].kind]):
        yield KINDS[place], [number for number, _ in group]


def _region(score: float) -> int:
    """0 where a text is found negative, 1 where neither, 2 where positive."""
    return int(score >= 1 / 3) + int(score > 2 / 3)


def _off(expected: Expected, scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far each text is from where it may lie; 0 of one that passes. Of a comparison, the first is compared with."""
    first = scores[0]
    if expected in _REGIONS:
        low, high = _REGIONS[expected]
        return np.maximum(0.0, np.maximum(low - scores, scores - high))
    moved = scores - first
    if expected == "the same":
        elsewhere = np.array([_region(score) != _region(first) for score in scores])
        return np.where(elsewhere & (np.abs(moved) > TOLERANCE), np.abs(moved), 0.0)
    wrong = -moved if expected == "no lower" else moved
    return np.where(wrong > TOLERANCE, wrong, 0.0)


def _wrong_by(expected: Expected, scores: NDArray[np.float64]) -> float:
    return float(_off(expected, scores).max())


def _worst(numbers: Sequence[int], wrong_by: NDArray[np.float64], cases: Sequence[Case]) -> list[int]:
    """The failures that are furthest off, no two of a frame."""
    chosen: dict[str, int] = {}
    for number in sorted(numbers, key=lambda number: -wrong_by[number]):
        if wrong_by[number] > 0:
            chosen.setdefault(cases[number].frame, number)
    return list(chosen.values())[:_EXAMPLES]


def _example(case: Case, scores: NDArray[np.float64]) -> _Row:
    """A row of the text that fails most, and what it is compared with."""
    worst = int(np.argmax(_off(case.expected, scores)))
    beside = (None, None) if len(case.texts) == 1 else (case.texts[0], float(scores[0]))
    return (case.texts[worst], float(scores[worst]), case.expected, *beside)
