"""What a probe is: it asks a model something and says what came out, with what that cannot show."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from valence.reports.estimate import Estimate
from valence.runtime.mask_filler import MaskFiller
from valence.runtime.next_sentence import NextSentencePredictor

__all__ = ["Need", "OnProgress", "Probe", "ProbeResult", "Scorer", "Subject", "Table"]

Scorer = Callable[[Sequence[str]], NDArray[np.float64]]
"""Texts to the probability of the positive class, [N]."""
Need = Literal["classifier", "masked-lm", "next-sentence"]
OnProgress = Callable[[int, int], None]
"""Is told how many texts are scored, and of how many."""


@dataclass(frozen=True)
class Subject:
    """What is audited: a classifier, a raw model, or both."""

    positive: Scorer | None = None
    """The classifier's probability of its positive class."""
    masked_lm: MaskFiller | None = None
    next_sentence: NextSentencePredictor | None = None
    uncased: bool = True
    """Whether the raw model reads lower case."""


@dataclass(frozen=True)
class Table:
    """Details to read."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | int | float | None, ...], ...]


@dataclass(frozen=True)
class ProbeResult:
    """What a probe found."""

    name: str
    title: str
    asks: str
    """What it asks, in a sentence or two."""
    figures: dict[str, Estimate]
    """In the order to show."""
    cannot_show: str
    source: str
    n_texts: int
    """How many texts were scored."""
    tables: tuple[Table, ...] = ()
    details: dict[str, Any] = field(default_factory=dict)
    """Everything else, as JSON keeps it."""


class Probe(Protocol):
    """Asks a model something; it has its data from the start."""

    name: str
    needs: frozenset[Need]

    def run(self, subject: Subject, on_progress: OnProgress | None = None) -> ProbeResult:
        """Ask.

        Args:
            subject: has what the probe needs.
            on_progress: is told how it goes.

        Returns:
            What came out.
        """
        ...
