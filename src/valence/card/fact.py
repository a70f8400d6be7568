"""A fact: something that a card can state, with where it comes from and how it can be checked."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["Fact", "Kind"]

Kind = Literal[
    "stated",  # a hyper-parameter, a time, a shape: equal to its report
    "exact",  # a size, a count: measured again, and the same
    "share",
    "auc",
    "loss",
    "labels",
    "score",
    "bias",
    "probability",
    "count",
    "p-value",
    "speed",  # measured as a ratio to the reference in the same run
]


@dataclass(frozen=True)
class Fact:
    """Something that a card can state.

    Args:
        name: unlike all others; letters, digits and ".-_".
        value: as it stands in the file.
        text: as a card prints it.
        file: where it comes from, seen from the model folder.
        key: where in the file.
        kind: how it can be checked.
        unit: of the value; empty for a plain number or text.
        n_texts: how many texts are behind it, if texts are.
        n_smallest: the texts of the smallest class, true or predicted.
        is_bound: whether it is one end of an interval.
    """

    name: str
    value: float | int | str | bool | None
    text: str
    file: str
    key: str
    kind: Kind = "stated"
    unit: str = ""
    n_texts: int | None = None
    n_smallest: int | None = None
    is_bound: bool = False
