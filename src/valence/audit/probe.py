"""What a probe is: it asks a model something and says what came out, with what that cannot show."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from valence.progress import OnProgress
from valence.reports.audit import ProbeReport
from valence.runtime.mask_filler import MaskFiller
from valence.runtime.next_sentence import NextSentencePredictor

__all__ = ["Need", "Probe", "Scorer", "Subject"]

Scorer = Callable[[Sequence[str]], NDArray[np.float64]]
"""Texts to the probability of the positive class, [N]."""
Need = Literal["classifier", "masked-lm", "next-sentence"]


@dataclass(frozen=True)
class Subject:
    """What is audited: a classifier, a raw model, or both."""

    positive: Scorer | None = None
    """The classifier's probability of its positive class."""
    masked_lm: MaskFiller | None = None
    next_sentence: NextSentencePredictor | None = None
    uncased: bool = True
    """Whether the raw model reads lower case."""


class Probe(Protocol):
    """Asks a model something; it has its data from the start."""

    name: str
    needs: ClassVar[frozenset[Need]]
    headline: str
    """Which of its figures are shown where there is no room for all: a regular expression of their names."""

    def run(self, subject: Subject, on_progress: OnProgress | None = None) -> ProbeReport:
        """Ask.

        Args:
            subject: has what the probe needs.
            on_progress: is told how it goes.

        Returns:
            What came out.
        """
        ...
