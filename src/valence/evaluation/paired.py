"""Whether two classifiers differ on the same texts by more than chance.

Source: McNemar 1947; the exact test as in Edwards 1948. Paired bootstrap: Efron & Tibshirani 1993.

Shapes: N texts, R resamples.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from valence.evaluation.metrics import Figure, draws

__all__ = ["McNemar", "bootstrap_difference", "mcnemar"]


@dataclass(frozen=True)
class McNemar:
    """McNemar's exact test: are the texts on which exactly one is right shared out evenly?"""

    only_first: int
    """Texts on which the first alone is right."""
    only_second: int
    """Texts on which the second alone is right."""
    p_value: float
    """Two-sided: how probable so uneven a share, or a more uneven one, would be for equally good classifiers."""


def mcnemar(first_right: NDArray[np.bool_], second_right: NDArray[np.bool_]) -> McNemar:
    """Test whether two classifiers are equally often right.

    Args:
        first_right: [N], where the first is right.
        second_right: [N], the same texts.

    Returns:
        The counts and the p-value of the exact binomial test; 1 where they are right on the same texts.
    """
    from scipy.stats import binomtest

    only_first = int((first_right & ~second_right).sum())
    only_second = int((second_right & ~first_right).sum())
    n_differ = only_first + only_second
    p_value = float(binomtest(only_first, n_differ, 0.5).pvalue) if n_differ else 1.0
    return McNemar(only_first, only_second, p_value)


def bootstrap_difference(
    first_right: NDArray[np.bool_], second_right: NDArray[np.bool_], resamples: int, seed: int = 0
) -> Figure:
    """Measure the difference in accuracy, and how far it would vary with other texts.

    Args:
        first_right: [N], where the first is right.
        second_right: [N], the same texts.
        resamples: R.
        seed: of the resampling.

    Returns:
        The second's accuracy minus the first's, and the percentile interval that covers 95 % of the resamples; a
        resample draws whole texts, so that both are judged on the same ones.
    """
    difference = second_right.astype(np.float64) - first_right  # [N]
    samples = [drawn @ difference / drawn.sum() for drawn in draws(len(difference), resamples, seed)]
    low, high = np.quantile(samples, [0.025, 0.975])
    return Figure(float(difference.mean()), float(low), float(high))
