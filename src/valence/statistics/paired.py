"""Whether two versions of the same texts are scored differently, or two classifiers differ on them, beyond chance.

Sources: Student 1908 (paired t-test); Wilcoxon 1945 (signed ranks); McNemar 1947, exact as in Edwards 1948.

Where there is nothing to see (equal texts, a constant classifier) differences are 0 and p-values 1.

Shapes: N pairs or texts, R resamples.
"""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from valence.reports.comparison import McNemar
from valence.reports.estimate import Estimate
from valence.statistics.bootstrap import RESAMPLES, clustered_means, draws, numbered
from valence.statistics.multiple_tests import holm

__all__ = [
    "GroupDifference",
    "PairedStatistics",
    "bootstrap_difference",
    "group_differences",
    "mcnemar",
    "paired_statistics",
    "paired_t_test",
    "wilcoxon",
]

_THRESHOLD = 0.5  # a probability above it is the label POSITIVE
_MOST_EXACT = 50  # differences whose signs are all tried in the signed-rank test
_CONSTANT = 1e-13  # values that vary by less than this share of their mean are rounded copies of one


@dataclass(frozen=True)
class PairedStatistics:
    """How the second versions of texts are scored beside the first."""

    n_pairs: int
    mean_difference: Estimate
    mean_absolute_difference: Estimate
    largest_absolute_difference: float
    label_flip_rate: Estimate
    """The share of pairs that get two different labels."""
    t_test_p_value: float
    wilcoxon_p_value: float

    def figures(self) -> dict[str, Estimate]:
        """Name the figures as a report shows them.

        Returns:
            Names to figures.
        """
        return {
            "mean_difference": self.mean_difference,
            "mean_absolute_difference": self.mean_absolute_difference,
            "largest_absolute_difference": Estimate(self.largest_absolute_difference),
            "label_flip_rate": self.label_flip_rate,
            "t_test_p_value": Estimate(self.t_test_p_value),
            "wilcoxon_p_value": Estimate(self.wilcoxon_p_value),
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


def group_differences(differences: ArrayLike, groups: Sequence[str]) -> list[GroupDifference]:
    """Look at the differences group by group.

    Args:
        differences: [N].
        groups: [N], the group of each.

    Returns:
        One for each group, the largest mean difference first, whichever its sign.
    """
    values = np.asarray(differences, dtype=np.float64)
    numbers, names = numbered(groups)
    parts = [values[numbers == number] for number in range(len(names))]
    p_values = [paired_t_test(part) for part in parts]
    found = [
        GroupDifference(str(name), len(part), float(part.mean()), p_value, float(corrected))
        for name, part, p_value, corrected in zip(names, parts, p_values, holm(p_values), strict=True)
    ]
    return sorted(found, key=lambda one: (-abs(one.mean_difference), one.group))


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
    return McNemar(only_first=only_first, only_second=only_second, p_value=p_value)


def bootstrap_difference(
    first_right: NDArray[np.bool_], second_right: NDArray[np.bool_], resamples: int, seed: int = 0
) -> Estimate:
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
    return Estimate(float(difference.mean()), float(low), float(high))
