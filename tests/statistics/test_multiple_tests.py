"""Holm's correction beside his procedure and by hand."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from valence.statistics.multiple_tests import holm


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
