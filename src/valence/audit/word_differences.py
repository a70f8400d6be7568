"""What one word changes: sentences that are equal but for a word, compared with the mean over all words.

A comparison set is one sentence with every word in turn. Sets that come from one template belong together: tests and
intervals count templates, not sets.

Shapes: S comparison sets, W words, L templates.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from valence.reports.estimate import Estimate
from valence.reports.report import JsonObject
from valence.statistics.bootstrap import RESAMPLES, clustered_means
from valence.statistics.multiple_tests import holm
from valence.statistics.paired import paired_t_test
from valence.templates.template import Template

__all__ = [
    "WordDifference",
    "by_group",
    "by_word",
    "figures",
    "from_mean",
    "minority_labels",
    "n_significant",
    "neutral_rows",
    "picture",
    "template_means",
]

_THRESHOLD = 0.5  # a probability above it is the label POSITIVE
_LEVEL = 0.05


@dataclass(frozen=True)
class WordDifference:
    """How the sentences with one word, or with the words of one group, are scored beside the others."""

    word: str
    difference: Estimate
    p_value: float
    """Of a paired t-test over the templates."""
    holm_p_value: float
    """The same, corrected for the number of words or groups."""


def from_mean(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Subtract from each probability the mean of its set.

    Args:
        scores: [S, W], P(POSITIVE).

    Returns:
        [S, W]; exactly 0 throughout a set of equal scores.
    """
    from_first = scores - scores[:, :1]
    differences: NDArray[np.float64] = from_first - from_first.mean(axis=1, keepdims=True)
    return differences


def template_means(values: NDArray[np.float64], templates: Sequence[Hashable]) -> NDArray[np.float64]:
    """Average over the sets of each template, so that a test counts templates.

    Args:
        values: [S, K].
        templates: [S], the template of each set.

    Returns:
        [L, K].
    """
    order = {template: number for number, template in enumerate(dict.fromkeys(templates))}
    numbers = np.array([order[template] for template in templates])
    member = (np.arange(len(order))[:, None] == numbers).astype(np.float64)  # [L, S]
    means: NDArray[np.float64] = (member @ values) / member.sum(axis=1, keepdims=True)
    return means


def minority_labels(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Find the sentences whose label is not the one that most of their set have.

    Args:
        scores: [S, W], P(POSITIVE).

    Returns:
        [S, W], 1 for these and 0 for the others; where labels are even, the negative ones count as the most.
    """
    positive = scores > _THRESHOLD
    majority = positive.mean(axis=1, keepdims=True) > _THRESHOLD
    minority: NDArray[np.float64] = (positive != majority).astype(np.float64)
    return minority


def figures(
    scores: NDArray[np.float64], templates: Sequence[Hashable], resamples: int = RESAMPLES
) -> dict[str, Estimate]:
    """Sum up how much the choice of the word matters.

    Args:
        scores: [S, W], P(POSITIVE).
        templates: [S], the template of each set.
        resamples: of the templates, for the intervals.

    Returns:
        The standard deviation over the words (of a population: these are all words), the mean absolute difference
        from the mean over the words, the largest one, and the share of sentences with another label than most of
        their set.
    """
    differences = from_mean(scores)
    columns = np.stack(
        [
            np.sqrt((differences**2).mean(axis=1)),
            np.abs(differences).mean(axis=1),
            minority_labels(scores).mean(axis=1),
        ],
        axis=1,
    )  # [S, 3]
    deviation, absolute, flips = clustered_means(columns, templates, resamples)
    return {
        "standard_deviation": deviation,
        "mean_absolute_difference": absolute,
        "largest_absolute_difference": Estimate(float(np.abs(differences).max(initial=0.0))),
        "label_flip_rate": flips,
    }


def by_word(
    scores: NDArray[np.float64], words: Sequence[str], templates: Sequence[Hashable], resamples: int = RESAMPLES
) -> list[WordDifference]:
    """Compare each word with the mean over all words.

    Args:
        scores: [S, W], P(POSITIVE).
        words: [W].
        templates: [S], the template of each set.
        resamples: of the templates, for the intervals.

    Returns:
        [W], the largest difference first, whichever its sign.
    """
    return _tested(from_mean(scores), words, templates, resamples)


def by_group(
    scores: NDArray[np.float64], groups: Sequence[str], templates: Sequence[Hashable], resamples: int = RESAMPLES
) -> list[WordDifference]:
    """Compare the words of each group with those of all others.

    Args:
        scores: [S, W], P(POSITIVE).
        groups: [W], the group of each word.
        templates: [S], the template of each set.
        resamples: of the templates, for the intervals.

    Returns:
        One for each group, the largest difference first; none if there is but one group.
    """
    names = list(dict.fromkeys(groups))
    if len(names) < 2:
        return []
    differences = from_mean(scores)
    member = np.array([[group == name for name in names] for group in groups], dtype=np.float64)  # [W, groups]
    inside = differences @ (member / member.sum(axis=0))
    outside = differences @ ((1 - member) / (1 - member).sum(axis=0))
    return _tested(inside - outside, names, templates, resamples)


def picture(differences: Sequence[WordDifference]) -> JsonObject:
    """Write differences as a picture of them wants it.

    Args:
        differences: any.

    Returns:
        Word -> value, interval and corrected p-value, from the lowest to the highest.
    """
    return {
        one.word: {
            "value": one.difference.value,
            "low": one.difference.low,
            "high": one.difference.high,
            "holm_p_value": one.holm_p_value,
        }
        for one in sorted(differences, key=lambda one: one.difference.value)
    }


def n_significant(differences: Sequence[WordDifference]) -> int:
    """Count the differences that chance does not explain.

    Args:
        differences: any.

    Returns:
        How many have a corrected p-value below 0.05.
    """
    return sum(one.holm_p_value < _LEVEL for one in differences)


def neutral_rows(templates: Sequence[Template]) -> NDArray[np.bool_]:
    """Choose the sets that words are compared on one by one: clear sentences leave a word little to change.

    Args:
        templates: [S], the template of each set.

    Returns:
        [S], the neutral ones; all where fewer than two templates are neutral.
    """
    neutral = np.array([one.polarity == "neutral" for one in templates])
    enough = len({one for one in templates if one.polarity == "neutral"}) >= 2
    return neutral if enough else np.ones_like(neutral)


def _tested(
    differences: NDArray[np.float64], words: Sequence[str], templates: Sequence[Hashable], resamples: int
) -> list[WordDifference]:
    """Test the mean of each column of [S, W]."""
    p_values = [paired_t_test(column) for column in template_means(differences, templates).T]
    means = clustered_means(differences, templates, resamples)
    found = [
        WordDifference(word, mean, p_value, float(corrected))
        for word, mean, p_value, corrected in zip(words, means, p_values, holm(p_values), strict=True)
    ]
    return sorted(found, key=lambda one: -abs(one.difference.value))
