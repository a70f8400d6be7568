"""Whether a classifier treats two versions of the same texts differently, by how much, and whether by chance.

Sources: Student 1908 (paired t-test); Wilcoxon 1945 (signed ranks); Efron & Tibshirani 1993 (bootstrap); Field &
Welsh 2007 (bootstrap of whole clusters); Holm 1979 (many comparisons).

Where there is nothing to see (equal texts, a constant classifier) differences are 0 and p-values 1.

Shapes: N pairs, G groups, K figures, P comparisons, R resamples.
"""

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from valence.audit.probe import Figure
from valence.evaluation.metrics import draws

__all__ = [
    "RESAMPLES",
    "Correlation",
    "GroupDifference",
    "PairedStatistics",
    "bootstrap",
    "clustered_means",
    "group_differences",
    "holm",
    "paired_statistics",
    "paired_t_test",
    "pearson",
    "spearman",
    "wilcoxon",
]

RESAMPLES = 1000
"""R, unless said otherwise."""
_THRESHOLD = 0.5  # a probability above it is the label POSITIVE
_MOST_EXACT = 50  # differences whose signs are all tried in the signed-rank test
_DIGITS = 12  # of the largest value, that ranks are told apart by
_CONSTANT = 1e-13  # values that vary by less than this share of their mean are rounded copies of one


@dataclass(frozen=True)
class PairedStatistics:
    """How the second versions of texts are scored beside the first."""

    n_pairs: int
    mean_difference: Figure
    mean_absolute_difference: Figure
    largest_absolute_difference: float
    label_flip_rate: Figure
    """The share of pairs that get two different labels."""
    t_test_p_value: float
    wilcoxon_p_value: float

    def figures(self) -> dict[str, Figure]:
        """Name the figures as a report shows them.

        Returns:
            Names to figures.
        """
        return {
            "mean_difference": self.mean_difference,
            "mean_absolute_difference": self.mean_absolute_difference,
            "largest_absolute_difference": Figure(self.largest_absolute_difference),
            "label_flip_rate": self.label_flip_rate,
            "t_test_p_value": Figure(self.t_test_p_value),
            "wilcoxon_p_value": Figure(self.wilcoxon_p_value),
        }


@dataclass(frozen=True)
class GroupDifference:
    """The differences of one group, among several that are looked at."""

    group: str
    n_pairs: int
    mean_difference: float
    p_value: float
    """Of a paired t-test on the group alone."""
    holm_p_value: float
    """The same, corrected for the number of groups."""


@dataclass(frozen=True)
class Correlation:
    """How two measures of the same things go together."""

    coefficient: float
    """-1 to 1; 0 where one of them does not vary."""
    p_value: float
    """Two-sided; 1 where it cannot be told."""
    n: int


def paired_statistics(
    first: ArrayLike,
    second: ArrayLike,
    groups: Sequence[Hashable] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> PairedStatistics:
    """Compare the probabilities of two versions of the same texts.

    Args:
        first: [N], P(POSITIVE) of the first versions.
        second: [N], of the second ones; a difference is the second minus the first.
        groups: [N], what pairs have in common, such as an occupation: a resample draws whole groups. Each pair is
            its own group if None.
        resamples: R.
        seed: of the resampling.

    Returns:
        The figures, with intervals that cover 95 % of the resamples.

    Raises:
        ValueError: if there are no pairs, or not as many of one as of the other.
    """
    one, two = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if one.shape != two.shape or one.ndim != 1 or len(one) == 0:
        raise ValueError(f"expected two equally long lists of probabilities, found shapes {one.shape} and {two.shape}")
    differences = two - one
    flips = (one > _THRESHOLD) != (two > _THRESHOLD)
    mean, mean_absolute, flip_rate = clustered_means(
        np.stack([differences, np.abs(differences), flips], axis=1), groups, resamples, seed
    )
    return PairedStatistics(
        n_pairs=len(differences),
        mean_difference=mean,
        mean_absolute_difference=mean_absolute,
        largest_absolute_difference=float(np.abs(differences).max()),
        label_flip_rate=flip_rate,
        t_test_p_value=paired_t_test(differences),
        wilcoxon_p_value=wilcoxon(differences),
    )


def paired_t_test(differences: ArrayLike) -> float:
    """Test whether differences are 0 in the mean.

    Args:
        differences: [N].

    Returns:
        The two-sided p-value; 1 for fewer than two differences.
    """
    from scipy import stats

    values = np.asarray(differences, dtype=np.float64)
    largest = float(np.abs(values).max(initial=0.0))
    if len(values) < 2 or largest == 0:
        return 1.0
    values = values / largest  # the test does not depend on the scale, and squares of tiny numbers vanish
    mean, deviation = float(values.mean()), float(values.std(ddof=1))
    if deviation <= _CONSTANT * abs(mean):
        return 0.0
    return float(2 * stats.t.sf(abs(mean) / deviation * math.sqrt(len(values)), len(values) - 1))


def wilcoxon(differences: ArrayLike) -> float:
    """Test whether differences lie evenly around 0, by their signed ranks; those of 0 are left out.

    Args:
        differences: [N].

    Returns:
        The two-sided p-value, exact for up to 50 differences (with ties too); 1 if none is left.
    """
    from scipy import stats

    values = np.asarray(differences, dtype=np.float64)
    values = values[values != 0]
    if len(values) > _MOST_EXACT:
        return float(stats.wilcoxon(values, method="approx").pvalue)
    doubled = np.rint(2 * stats.rankdata(np.abs(values))).astype(np.int64)  # whole numbers, also where ranks are shared
    chances = np.zeros(doubled.sum() + 1)  # of each sum of the ranks of positive differences
    chances[0] = 1.0
    for rank in doubled:
        chances[rank:] += chances[:-rank].copy()
        chances /= 2
    found = int(doubled[values > 0].sum())
    return float(min(1.0, 2 * min(chances[: found + 1].sum(), chances[found:].sum())))


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


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Correct p-values for the number of comparisons.

    Args:
        p_values: [P].

    Returns:
        [P], in the same order: below a level exactly for those that Holm's procedure rejects at that level.
    """
    values = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    corrected = np.empty_like(values)
    corrected[order] = np.maximum.accumulate(np.minimum(values[order] * np.arange(len(values), 0, -1), 1.0))
    return corrected


def group_differences(differences: ArrayLike, groups: Sequence[str]) -> list[GroupDifference]:
    """Look at the differences group by group.

    Args:
        differences: [N].
        groups: [N], the group of each.

    Returns:
        One for each group, the largest mean difference first, whichever its sign.
    """
    values = np.asarray(differences, dtype=np.float64)
    numbers, names = _numbered(groups)
    parts = [values[numbers == number] for number in range(len(names))]
    p_values = [paired_t_test(part) for part in parts]
    found = [
        GroupDifference(str(name), len(part), float(part.mean()), p_value, float(corrected))
        for name, part, p_value, corrected in zip(names, parts, p_values, holm(p_values), strict=True)
    ]
    return sorted(found, key=lambda one: (-abs(one.mean_difference), one.group))


def clustered_means(
    values: NDArray[np.float64], groups: Sequence[Hashable] | None = None, resamples: int = RESAMPLES, seed: int = 0
) -> list[Figure]:
    """Average several figures over the same things, and say how far the means would vary with other groups.

    Args:
        values: [N, K].
        groups: [N], the group of each; each is its own if None.
        resamples: R.
        seed: of the resampling.

    Returns:
        K means; without an interval if there is but one group.
    """
    numbers, names = _numbered(range(len(values)) if groups is None else groups)
    sums = np.stack([np.bincount(numbers, column, len(names)) for column in values.T], axis=1)  # [G, K]
    sizes = np.bincount(numbers, minlength=len(names)).astype(np.float64)  # [G]
    means = values.mean(axis=0)  # [K]
    low, high = _interval(lambda drawn: (drawn @ sums) / (drawn @ sizes), len(names), resamples, seed)
    if len(names) < 2:
        return [Figure(float(mean)) for mean in means]
    return [Figure(float(mean), float(a), float(b)) for mean, a, b in zip(means, low, high, strict=True)]


def bootstrap(
    statistic: Callable[[NDArray[np.float64]], float], n_groups: int, resamples: int = RESAMPLES, seed: int = 0
) -> Figure:
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
        return Figure(value)
    low, high = _interval(lambda drawn: np.array([statistic(drawn)]), n_groups, resamples, seed)
    return Figure(value, float(low[0]), float(high[0]))


def _interval(
    statistics: Callable[[NDArray[np.float64]], NDArray[np.float64]], n_groups: int, resamples: int, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    samples = np.array([statistics(drawn) for drawn in draws(n_groups, resamples, seed)])  # [R, K]
    low, high = np.quantile(samples, [0.025, 0.975], axis=0)
    return low, high


def _numbered(groups: Sequence[Hashable]) -> tuple[NDArray[np.int64], list[Hashable]]:
    """Number the groups in the order in which they come: the number of each thing's, and the groups."""
    known: dict[Hashable, int] = {}
    numbers = [known.setdefault(group, len(known)) for group in groups]
    return np.array(numbers, dtype=np.int64), list(known)


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
