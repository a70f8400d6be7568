"""Paired statistics beside scipy's and beside figures worked out by hand; nothing to see gives 0 and p = 1."""

import itertools

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tiers import examples

scipy_stats = pytest.importorskip("scipy.stats")

from valence.statistics.paired import (  # noqa: E402
    group_differences,
    paired_statistics,
    paired_t_test,
    wilcoxon,
)

NUMBERS = st.floats(-1, 1).map(lambda number: round(number, 3))
DIFFERENCES = st.lists(NUMBERS, min_size=2, max_size=40)
PROBABILITIES = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=30)


def test_the_figures_by_hand():
    found = paired_statistics([0.4, 0.9, 0.2, 0.6], [0.6, 0.8, 0.2, 0.3], ["a", "a", "b", "b"])
    assert found.n_pairs == 4
    assert found.mean_difference.value == pytest.approx((0.2 - 0.1 + 0.0 - 0.3) / 4)
    assert found.mean_absolute_difference.value == pytest.approx(0.6 / 4)
    assert found.largest_absolute_difference == pytest.approx(0.3)
    assert found.label_flip_rate.value == 0.5, "the first and the last change their label"
    assert list(found.figures()) == [
        "mean_difference",
        "mean_absolute_difference",
        "largest_absolute_difference",
        "label_flip_rate",
        "t_test_p_value",
        "wilcoxon_p_value",
    ]


@settings(max_examples=examples(40), deadline=None)
@given(probabilities=st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_a_constant_classifier_gives_zero_and_p_one(probabilities):
    found = paired_statistics(probabilities, probabilities, [number % 3 for number in range(len(probabilities))], 20)
    for figure in (found.mean_difference, found.mean_absolute_difference, found.label_flip_rate):
        assert figure.value == 0
        assert figure.low in (0, None)
        assert figure.high in (0, None)
    assert found.largest_absolute_difference == 0
    assert (found.t_test_p_value, found.wilcoxon_p_value) == (1, 1)


def test_one_half_is_not_positive():
    assert paired_statistics([0.5], [0.4]).label_flip_rate.value == 0
    assert paired_statistics([0.5], [0.6]).label_flip_rate.value == 1


@settings(max_examples=examples(40), deadline=None)
@given(pairs=PROBABILITIES)
def test_the_figures_turn_with_the_order_of_the_two(pairs):
    first, second = zip(*pairs, strict=True)
    one, two = paired_statistics(first, second, resamples=5), paired_statistics(second, first, resamples=5)
    assert one.mean_difference.value == -two.mean_difference.value
    assert one.mean_absolute_difference == two.mean_absolute_difference
    assert one.label_flip_rate == two.label_flip_rate
    assert one.t_test_p_value == pytest.approx(two.t_test_p_value)
    assert one.wilcoxon_p_value == pytest.approx(two.wilcoxon_p_value)


@pytest.mark.parametrize(("first", "second"), [([], []), ([0.1], [0.1, 0.2]), ([[0.1]], [[0.2]])])
def test_lists_that_are_no_pairs_are_our_own_mistake(first, second):
    with pytest.raises(ValueError, match="two equally long lists"):
        paired_statistics(first, second)


@settings(max_examples=examples(40), deadline=None)
@given(differences=DIFFERENCES)
def test_the_t_test_is_that_of_scipy(differences):
    assume(len(set(differences)) > 1)
    expected = scipy_stats.ttest_1samp(differences, 0).pvalue
    assert paired_t_test(differences) == pytest.approx(expected, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize(
    ("differences", "p_value"),
    [([], 1), ([0.3], 1), ([0, 0, 0], 1), ([0.3, 0.3, 0.3], 0), ([0.1 + 0.2, 0.3, 0.3], 0), ([1e-200, -1e-200], 1)],
)
def test_the_t_test_at_its_edges(differences, p_value):
    assert paired_t_test(differences) == pytest.approx(p_value)


def signed_rank_p_value(differences: list[float]) -> float:
    """Try all signs: how many give as uneven a sum of ranks, at this end or the other."""
    nonzero = [difference for difference in differences if difference]
    ranks = scipy_stats.rankdata(np.abs(nonzero))
    found = sum(rank for rank, difference in zip(ranks, nonzero, strict=True) if difference > 0)
    sums = [sum(chosen) for chosen in itertools.product(*((0, rank) for rank in ranks))]
    tail = min(sum(one <= found for one in sums), sum(one >= found for one in sums))
    return min(1.0, 2 * tail / len(sums))


@settings(max_examples=examples(40), deadline=None)
@given(differences=st.lists(st.integers(-4, 4).map(float), max_size=8))
def test_the_signed_rank_test_tries_all_signs(differences):
    assert wilcoxon(differences) == pytest.approx(signed_rank_p_value(differences))


@settings(max_examples=examples(40), deadline=None)
@given(differences=st.lists(st.floats(-1, 1), min_size=1, max_size=80, unique_by=abs))
def test_the_signed_rank_test_is_that_of_scipy(differences):
    assume(0 not in differences)
    method = "exact" if len(differences) <= 50 else "approx"
    assert wilcoxon(differences) == pytest.approx(scipy_stats.wilcoxon(differences, method=method).pvalue)


@pytest.mark.parametrize("n", [50, 51])
def test_the_signed_rank_test_is_smooth_where_it_turns_to_the_normal_distribution(n):
    differences = np.random.default_rng(n).normal(0.3, 1, n).round(1)
    assert wilcoxon(differences) == pytest.approx(scipy_stats.wilcoxon(differences, method="approx").pvalue, rel=0.05)


def test_the_signed_rank_test_by_hand():
    """Of the 32 ways to sign five ranks, two are as uneven as all of one sign."""
    assert wilcoxon([0.1, 0.2, 0.3, 0.4, 0.5, 0.0]) == pytest.approx(2 / 32)


def test_differences_by_group():
    found = group_differences([0.1, 0.1, -0.4, -0.5, 0.0, 0.0], ["a", "a", "b", "b", "c", "c"])
    assert [one.group for one in found] == ["b", "a", "c"]
    assert [one.mean_difference for one in found] == pytest.approx([-0.45, 0.1, 0])
    assert [one.n_pairs for one in found] == [2, 2, 2]
    assert found[2].p_value == 1
    assert [one.holm_p_value for one in found] == pytest.approx(
        [2 * scipy_stats.ttest_1samp([-0.4, -0.5], 0).pvalue, 0, 1]
    )


def test_the_same_seed_gives_the_same_interval():
    one, two, three = (
        paired_statistics([0.1, 0.5, 0.3], [0.2, 0.1, 0.9], seed=seed, resamples=50) for seed in (1, 1, 2)
    )
    assert one == two
    assert one != three
