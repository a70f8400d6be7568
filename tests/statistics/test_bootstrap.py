"""Intervals by resampling: whole groups, as wide as they say, none for one group."""

import numpy as np
import pytest

from valence.statistics.bootstrap import bootstrap, clustered_means


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


def test_a_bootstrap_of_any_statistic():
    values = np.array([1.0, 5.0, 9.0])
    found = bootstrap(lambda weights: float(weights @ values / weights.sum()), 3, resamples=2000)
    assert found == clustered_means(values[:, None], resamples=2000)[0]
