"""How far a value would vary with other texts, by resampling.

Sources: Efron & Tibshirani 1993 (the percentile bootstrap); Field & Welsh 2007 (bootstrap of whole clusters).

Shapes: N things, G groups, K values, R resamples.
"""

from collections.abc import Callable, Hashable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from valence.reports.estimate import Estimate

__all__ = ["RESAMPLES", "bootstrap", "clustered_means", "draws", "numbered"]

RESAMPLES = 1000
"""R, unless said otherwise."""


def draws(n: int, resamples: int, seed: int) -> Iterator[NDArray[np.float64]]:
    """Draw N things, such as texts, with replacement, R times.

    Args:
        n: N.
        resamples: R.
        seed: the same seed gives the same draws.

    Yields:
        How often each was drawn, [N].
    """
    random = np.random.default_rng(seed)
    for _ in range(resamples):
        yield np.bincount(random.integers(0, n, n), minlength=n).astype(np.float64)


def clustered_means(
    values: NDArray[np.float64], groups: Sequence[Hashable] | None = None, resamples: int = RESAMPLES, seed: int = 0
) -> list[Estimate]:
    """Average several figures over the same things, and say how far the means would vary with other groups.

    Args:
        values: [N, K].
        groups: [N], the group of each; each is its own if None.
        resamples: R.
        seed: of the resampling.

    Returns:
        K means; without an interval if there is but one group.
    """
    numbers, names = numbered(range(len(values)) if groups is None else groups)
    sums = np.stack([np.bincount(numbers, column, len(names)) for column in values.T], axis=1)  # [G, K]
    sizes = np.bincount(numbers, minlength=len(names)).astype(np.float64)  # [G]
    means = values.mean(axis=0)  # [K]
    low, high = _interval(lambda drawn: (drawn @ sums) / (drawn @ sizes), len(names), resamples, seed)
    if len(names) < 2:
        return [Estimate(float(mean)) for mean in means]
    return [Estimate(float(mean), float(a), float(b)) for mean, a, b in zip(means, low, high, strict=True)]


def bootstrap(
    statistic: Callable[[NDArray[np.float64]], float], n_groups: int, resamples: int = RESAMPLES, seed: int = 0
) -> Estimate:
    """Compute a figure, and say how far it would vary with other groups.

    Args:
        statistic: computes it from how often each group counts, [G].
        n_groups: G.
        resamples: R.
        seed: of the resampling.

    Returns:
        The figure with every group counted once; without an interval if there is but one group.
    """
    value = float(statistic(np.ones(n_groups)))
    if n_groups < 2:
        return Estimate(value)
    low, high = _interval(lambda drawn: np.array([statistic(drawn)]), n_groups, resamples, seed)
    return Estimate(value, float(low[0]), float(high[0]))


def numbered(groups: Sequence[Hashable]) -> tuple[NDArray[np.int64], list[Hashable]]:
    """Number groups in the order in which they come.

    Args:
        groups: [N], the group of each thing.

    Returns:
        [N], the number of each thing's group; [G], the groups.
    """
    known: dict[Hashable, int] = {}
    numbers = [known.setdefault(group, len(known)) for group in groups]
    return np.array(numbers, dtype=np.int64), list(known)


def _interval(
    statistics: Callable[[NDArray[np.float64]], NDArray[np.float64]], n_groups: int, resamples: int, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    samples = np.array([statistics(drawn) for drawn in draws(n_groups, resamples, seed)])  # [R, K]
    low, high = np.quantile(samples, [0.025, 0.975], axis=0)
    return low, high
