"""Correlations beside scipy's; with what does not vary they are 0 and p = 1."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tiers import examples

scipy_stats = pytest.importorskip("scipy.stats")

from valence.statistics.correlation import pearson, spearman  # noqa: E402

NUMBERS = st.floats(-1, 1).map(lambda number: round(number, 3))


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
