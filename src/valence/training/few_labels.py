"""What to expect of few labels: warnings before training, with the accuracy that was measured at such sizes."""

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from valence.data.examples import Examples

__all__ = ["ENOUGH", "EXPECTED", "warn_of_few_labels"]

EXPECTED: dict[int, dict[str, tuple[float, float, float]]] = {
    8: {"AG News": (0.83, 0.81, 0.85), "SST-2": (0.62, 0.57, 0.69)},
    16: {"AG News": (0.83, 0.82, 0.85), "SST-2": (0.69, 0.62, 0.76)},
    64: {"AG News": (0.86, 0.86, 0.87), "SST-2": (0.76, 0.74, 0.8)},
}
"""Rows per class -> data set -> accuracy of the `small` recipe from all-MiniLM-L6-v2: mean, lowest and highest of
several draws. As benchmarks/few_labels.py measured it; a test compares the two."""
ENOUGH = 32
"""Rows per class below which there is a warning."""
_FAR_FEWER = 10  # a class has so many times fewer rows than the middle one
_NAMED = 6


def warn_of_few_labels(data: Examples) -> None:
    """Warn where there are too few rows to expect much: of all classes, or of some.

    Args:
        data: what a classifier is to be trained on from a base that is none for these classes yet.
    """
    counts = np.bincount(data.labels, minlength=len(data.names))
    middle = float(np.median(counts))
    absent, single = (_named(data.names, counts == number) for number in (0, 1))
    rare = (counts > 1) & (counts < ENOUGH) & (counts * _FAR_FEWER <= middle)
    said = []
    if middle < ENOUGH:
        said.append(_expectation(len(data), len(data.names), middle))
    if rare.any():
        named = _named([f"{name} ({count})" for name, count in zip(data.names, counts, strict=True)], rare)
        said.append(f"far fewer rows than the middle class ({middle:,.0f}) have {named}: they will be missed often")
    if single:
        said.append(f"one row is too few to learn a class from: {single}")
    if absent:
        said.append(f"no row at all has the label {absent}, so it will not be predicted")
    for text in said:
        warnings.warn(f"few labels: {text}", stacklevel=3)


def _expectation(n_rows: int, n_classes: int, middle: float) -> str:
    """Say what was measured at such a size."""
    size = max((size for size in EXPECTED if size <= middle), default=min(EXPECTED))
    most = max(EXPECTED)
    measured = " and ".join(
        f"{mean:.2f} on {name} ({low:.2f} to {high:.2f} by draw, and {EXPECTED[most][name][0]:.2f} with {most})"
        for name, (mean, low, high) in EXPECTED[size].items()
    )
    return (
        f"{n_rows:,} rows for {n_classes} classes, {middle:g} for the middle one. With {size} per class the accuracy "
        f"was {measured}: expect {'no more' if middle < size else 'the like'}. More labels help most; --epochs trains "
        "longer"
    )


def _named(names: Sequence[str], chosen: NDArray[np.bool_]) -> str:
    found = [name for name, is_chosen in zip(names, chosen, strict=True) if is_chosen]
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return ", ".join(found[:_NAMED]) + more
