"""Our dropout does what dropout says."""

import pytest
import torch

from valence.model.dropout import Dropout


@pytest.mark.parametrize("probability", [0.1, 0.25, 0.5, 0.9])
def test_share_of_zeros_and_mean(probability):
    torch.manual_seed(3)
    n = 400_001  # not a multiple of four
    dropped = Dropout(probability).train()(torch.ones(n))
    share = float((dropped == 0).float().mean())
    assert abs(share - probability) < 5 * (probability * (1 - probability) / n) ** 0.5
    kept = dropped[dropped != 0]
    torch.testing.assert_close(kept, torch.full_like(kept, 1 / (1 - probability)), rtol=1e-4, atol=0)
    assert abs(float(dropped.mean()) - 1) < 5 * (probability / (1 - probability) / n) ** 0.5


def test_neighbours_are_dropped_independently():
    """Four values share one draw; their fates must not."""
    torch.manual_seed(5)
    n = 200_000
    zeros = (Dropout(0.5).train()(torch.ones(n, 4)) == 0).double()
    correlation = torch.corrcoef(zeros.T) - torch.eye(4, dtype=torch.float64)
    assert correlation.abs().max() < 5 / n**0.5


@pytest.mark.parametrize("shape", [(), (0,), (1,), (2, 3), (3, 5, 7)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_shape_and_type_stay(shape, dtype):
    dropped = Dropout(0.5).train()(torch.ones(shape, dtype=dtype))
    assert dropped.shape == shape
    assert dropped.dtype == dtype


def test_evaluation_and_zero_probability_change_nothing():
    values = torch.randn(1000)
    state = torch.random.get_rng_state()
    assert Dropout(0.5).eval()(values) is values
    assert Dropout(0.0).train()(values) is values
    assert torch.equal(torch.random.get_rng_state(), state)


def test_the_seed_decides():
    values = torch.ones(10_000)
    dropout = Dropout(0.3).train()
    torch.manual_seed(11)
    first, second = dropout(values), dropout(values)
    torch.manual_seed(11)
    again = dropout(values)
    assert torch.equal(first, again)
    assert not torch.equal(first, second)


def test_gradient_passes_where_values_pass():
    torch.manual_seed(2)
    values = torch.ones(1000, requires_grad=True)
    dropped = Dropout(0.5).train()(values)
    dropped.sum().backward()
    assert torch.equal(values.grad, dropped.detach())


def test_almost_everything_dropped_is_not_an_error():
    torch.manual_seed(2)
    assert torch.isfinite(Dropout(1 - 1e-9).train()(torch.ones(100_000))).all()
