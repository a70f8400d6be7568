"""McNemar's test and the paired bootstrap beside figures worked out by hand and by other packages."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tiers import examples

scipy_stats = pytest.importorskip("scipy.stats")

from valence.evaluation.measure import accuracy_interval, measure  # noqa: E402
from valence.statistics.paired import bootstrap_difference, mcnemar  # noqa: E402


def outcomes(both: int, first: int, second: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    pairs = [(True, True)] * both + [(True, False)] * first + [(False, True)] * second + [(False, False)] * neither
    one, two = np.array(pairs, dtype=bool).reshape(-1, 2).T
    return one, two


def exact_p_value(first: int, second: int) -> float:
    """Twice the smaller tail of the binomial distribution with one half, at most 1."""
    n, least = first + second, min(first, second)
    return min(1.0, 2 * sum(math.comb(n, k) for k in range(least + 1)) / 2**n)


@settings(max_examples=examples(100), deadline=None)
@given(counts=st.tuples(*[st.integers(0, 60)] * 4).filter(lambda counts: sum(counts) > 0))
def test_mcnemar_is_the_exact_binomial_test(counts):
    found = mcnemar(*outcomes(*counts))
    assert (found.only_first, found.only_second) == counts[1:3]
    assert found.p_value == pytest.approx(exact_p_value(*counts[1:3]), rel=1e-9)


def test_mcnemar_of_large_counts():
    """Of 180 texts that one alone has right, 121 and 59: the tail of the binomial distribution, worked out exactly."""
    tail = sum(math.comb(180, k) for k in range(60))
    assert mcnemar(*outcomes(794, 121, 59, 150)).p_value == pytest.approx(2 * tail / 2**180, rel=1e-12)


def test_mcnemar_of_equal_classifiers_says_nothing():
    assert mcnemar(*outcomes(5, 0, 0, 3)).p_value == 1.0


@pytest.mark.parametrize("counts", [(700, 60, 90, 150), (40, 8, 2, 10), (5, 0, 0, 5)])
@pytest.mark.slow
def test_the_bootstrap_interval_is_that_of_scipy(counts):
    first, second = outcomes(*counts)
    found = bootstrap_difference(first, second, resamples=4000)
    assert found.value == pytest.approx((counts[2] - counts[1]) / sum(counts))
    difference = second.astype(float) - first
    if not difference.any():
        assert (found.low, found.high) == (0.0, 0.0)
        return
    expected = scipy_stats.bootstrap(
        (difference,), np.mean, n_resamples=20000, method="percentile", random_state=1
    ).confidence_interval
    tolerance = 0.1 * (expected.high - expected.low)
    assert found.low == pytest.approx(expected.low, abs=tolerance)
    assert found.high == pytest.approx(expected.high, abs=tolerance)


def test_the_bootstrap_by_hand():
    first, second = outcomes(3, 1, 2, 1)
    random = np.random.default_rng(0)
    by_hand = []
    for _ in range(50):
        drawn = random.integers(0, 7, 7)
        by_hand.append(second[drawn].mean() - first[drawn].mean())
    found = bootstrap_difference(first, second, resamples=50)
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(by_hand, [0.025, 0.975])))


def test_pairing_makes_the_interval_narrower_than_two_separate_ones():
    first, second = outcomes(800, 20, 40, 140)
    paired = bootstrap_difference(first, second, 2000)
    apart = [accuracy_interval(right, 2000) for right in (first, second)]
    assert paired.low > 0 > apart[1].low - apart[0].high


def test_the_interval_of_an_accuracy_is_that_of_an_evaluation():
    random = np.random.default_rng(3)
    labels = random.integers(0, 2, 200)
    scores = random.random(200)
    probabilities = np.stack([1 - scores, scores], axis=1)
    expected = measure(labels, probabilities, 300).by_name["accuracy"]
    assert accuracy_interval(probabilities.argmax(axis=1) == labels, 300) == expected
