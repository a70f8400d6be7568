"""Paired statistics beside scipy's and beside figures worked out by hand; nothing to see gives 0 and p = 1."""

import itertools

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tiers import examples

scipy_stats = pytest.importorskip("scipy.stats")

from valence.audit.statistics import (  # noqa: E402
    bootstrap,
    clustered_means,
    group_differences,
    holm,
    paired_statistics,
    paired_t_test,
    pearson,
    spearman,
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


@settings(max_examples=examples(40), deadline=None)
@given(pairs=st.lists(st.tuples(NUMBERS, NUMBERS), min_size=3, max_size=40))
def test_correlations_are_those_of_scipy(pairs):
    first, second = zip(*pairs, strict=True)
    assume(np.ptp(first) > 0 and np.ptp(second) > 0)
    for ours, theirs in ((pearson, scipy_stats.pearsonr), (spearman, scipy_stats.spearmanr)):
        found, expected = ours(first, second), theirs(first, second)
        assert found.n == len(pairs)
        assert found.coefficient == pytest.approx(expected.statistic, abs=1e-9)
        if abs(expected.statistic) < 1 - 1e-9:
            assert found.p_value == pytest.approx(expected.pvalue, rel=1e-6, abs=1e-12)
        else:
            assert found.p_value < 1e-3


@pytest.mark.parametrize("correlate", [pearson, spearman])
def test_a_correlation_with_what_does_not_vary_is_zero(correlate):
    for first, second in (([0, 0, 0], [1, 2, 3]), ([1, 2, 3], [0.3, 0.1 + 0.2, 0.3]), ([], []), ([1], [2])):
        found = correlate(first, second)
        assert (found.coefficient, found.p_value) == (0, 1)
    assert correlate([1, 2], [5, 7]).p_value == 1, "two points always lie on a line"


def holm_step_down(p_values: list[float], level: float) -> list[bool]:
    """Holm's procedure as he wrote it: from the smallest on, stop at the first that is not small enough."""
    rejected = [False] * len(p_values)
    for step, number in enumerate(sorted(range(len(p_values)), key=lambda number: p_values[number])):
        if p_values[number] > level / (len(p_values) - step):
            break
        rejected[number] = True
    return rejected


@given(p_values=st.lists(st.floats(1e-9, 1), max_size=12), level=st.floats(0.001, 0.5))
def test_holm_rejects_what_his_procedure_rejects(p_values, level):
    corrected = holm(p_values)
    assume(all(abs(p * n - level) > 1e-12 for p in p_values for n in range(1, len(p_values) + 1)))
    assert (corrected <= level).tolist() == holm_step_down(p_values, level)
    assert (corrected >= p_values).all()
    assert (corrected <= 1).all()


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]).tolist() == pytest.approx([0.03, 0.06, 0.06])


def test_differences_by_group():
    found = group_differences([0.1, 0.1, -0.4, -0.5, 0.0, 0.0], ["a", "a", "b", "b", "c", "c"])
    assert [one.group for one in found] == ["b", "a", "c"]
    assert [one.mean_difference for one in found] == pytest.approx([-0.45, 0.1, 0])
    assert [one.n_pairs for one in found] == [2, 2, 2]
    assert found[2].p_value == 1
    assert [one.holm_p_value for one in found] == pytest.approx(
        [2 * scipy_stats.ttest_1samp([-0.4, -0.5], 0).pvalue, 0, 1]
    )


def test_a_resample_draws_whole_groups():
    """Three groups: 27 ways to draw three of them, so that in more than 2.5 % all are "a", and all are "c"."""
    values, groups = [1.0, 2.0, 4.0, 8.0, 16.0], ["a", "a", "b", "c", "c"]
    found = clustered_means(np.array(values)[:, None], groups, resamples=2000)[0]
    assert found.value == pytest.approx(np.mean(values))
    assert (found.low, found.high) == (1.5, 12.0)


def test_an_interval_of_groups_is_wider_than_one_of_pairs_that_are_alike_within_them():
    random = np.random.default_rng(0)
    values = np.repeat(random.normal(size=12), 30)[:, None] + random.normal(scale=0.01, size=(360, 1))
    groups = np.repeat(np.arange(12), 30).tolist()
    clustered, alone = clustered_means(values, groups)[0], clustered_means(values)[0]
    assert clustered.high - clustered.low > 3 * (alone.high - alone.low)


def test_an_interval_covers_the_truth_about_as_often_as_it_says():
    random = np.random.default_rng(1)
    covered = 0
    for seed in range(100):
        values = (random.normal(size=40)[:, None] + random.normal(size=(40, 3))).reshape(-1, 1)
        found = clustered_means(values, np.repeat(np.arange(40), 3).tolist(), 200, seed)[0]
        covered += found.low <= 0 <= found.high
    assert 85 <= covered <= 100


def test_one_group_has_no_interval():
    found = clustered_means(np.array([[1.0], [2.0]]), ["a", "a"])[0]
    assert (found.value, found.low, found.high) == (1.5, None, None)
    assert bootstrap(lambda weights: float(weights.sum()), 1).low is None


def test_the_same_seed_gives_the_same_interval():
    one, two, three = (
        paired_statistics([0.1, 0.5, 0.3], [0.2, 0.1, 0.9], seed=seed, resamples=50) for seed in (1, 1, 2)
    )
    assert one == two
    assert one != three


def test_a_bootstrap_of_any_statistic():
    values = np.array([1.0, 5.0, 9.0])
    found = bootstrap(lambda weights: float(weights @ values / weights.sum()), 3, resamples=2000)
    assert found == clustered_means(values[:, None], resamples=2000)[0]
