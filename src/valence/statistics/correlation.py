"""How two measures of the same things go together: Pearson's and Spearman's correlation.

Shapes: N things.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Correlation", "pearson", "spearman"]

_DIGITS = 12  # of the largest value, that ranks are told apart by
_CONSTANT = 1e-13  # values that vary by less than this share of their mean are rounded copies of one


@dataclass(frozen=True)
class Correlation:
    """How two measures of the same things go together."""

    coefficient: float
    """-1 to 1; 0 where one of them does not vary."""
    p_value: float
    """Two-sided; 1 where it cannot be told."""
    n: int


def pearson(first: ArrayLike, second: ArrayLike) -> Correlation:
    """Measure how linearly two measures go together.

    Args:
        first: [N].
        second: [N].

    Returns:
        The coefficient and its p-value (exact for normally distributed values).
    """
    from scipy import stats

    one, two = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    n = len(one)
    first_unit, second_unit = _unit(one), _unit(two)
    if n < 2 or first_unit is None or second_unit is None:
        return Correlation(0.0, 1.0, n)
    r = float(np.clip(first_unit @ second_unit, -1, 1))
    if n == 2:
        return Correlation(r, 1.0, n)
    unexplained = (1 - r) * (1 + r)
    p_value = 2 * stats.t.sf(abs(r) * math.sqrt((n - 2) / unexplained), n - 2) if unexplained > 0 else 0.0
    return Correlation(r, float(p_value), n)


def spearman(first: ArrayLike, second: ArrayLike) -> Correlation:
    """Measure how two measures go together by rank.

    Values that are equal, or differ only by rounding, share the mean of their ranks.

    Args:
        first: [N].
        second: [N].

    Returns:
        The coefficient and its p-value.
    """
    from scipy import stats

    return pearson(stats.rankdata(_rounded(first)), stats.rankdata(_rounded(second)))


def _rounded(values: ArrayLike) -> NDArray[np.float64]:
    exact = np.asarray(values, dtype=np.float64)
    largest = float(np.abs(exact).max(initial=0.0))
    return np.round(exact / largest, _DIGITS) if largest > 0 else exact


def _unit(values: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Centre values and bring them to length 1; None if they do not vary."""
    largest = float(np.abs(values).max(initial=0.0))
    if largest == 0:
        return None
    values = values / largest
    centred = values - values.mean()
    length = float(np.linalg.norm(centred))
    return None if length <= _CONSTANT * math.sqrt(len(values)) else centred / length
