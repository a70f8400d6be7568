"""The order of examples: complete, repeatable, and divided among processes without loss."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from valence.training.sampling import epoch_batches, share_of

lengths_of_texts = st.lists(st.integers(1, 128), min_size=1, max_size=300)


@given(lengths_of_texts, st.integers(1, 40), st.integers(0, 2**32 - 1), st.integers(0, 10))
def test_an_epoch_has_every_example_once(lengths: list[int], batch_size: int, seed: int, epoch: int) -> None:
    batches = epoch_batches(lengths, batch_size, seed, epoch)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
    assert len(batches) == -(-len(lengths) // batch_size)
    assert sorted(map(len, batches), reverse=True)[:-1] == [batch_size] * (len(batches) - 1)


@given(lengths_of_texts, st.integers(1, 40), st.integers(0, 2**32 - 1), st.integers(0, 10))
def test_the_order_depends_on_seed_and_epoch_alone(lengths: list[int], size: int, seed: int, epoch: int) -> None:
    first, again = (epoch_batches(lengths, size, seed, epoch) for _ in range(2))
    assert [batch.tolist() for batch in first] == [batch.tolist() for batch in again]


def test_another_seed_or_epoch_gives_another_order() -> None:
    lengths = [5] * 200
    orders = {
        tuple(np.concatenate(epoch_batches(lengths, 8, seed, epoch)))
        for seed, epoch in [(0, 0), (0, 1), (1, 0), (1, 1)]
    }
    assert len(orders) == 4


def test_little_of_a_batch_is_padding() -> None:
    lengths = np.random.default_rng(0).integers(4, 60, 5000)
    batches = epoch_batches(lengths.tolist(), 32, seed=0, epoch=0)
    padded = sum(len(batch) * lengths[batch].max() for batch in batches)
    assert padded < 1.03 * lengths.sum()  # in batches drawn at random it would be 1.8 times as much
    order = [lengths[batch].mean() for batch in batches]
    assert abs(np.corrcoef(order[:-1], order[1:])[0, 1]) < 0.3  # and short batches do not follow short ones


@given(st.integers(1, 70), st.integers(1, 9))
def test_shares_make_up_the_batch(size: int, n_processes: int) -> None:
    batch = np.arange(100, 100 + size)
    shares = [share_of(batch, process, n_processes) for process in range(n_processes)]
    used = [index for indices, weight in shares for index in indices if weight > 0]
    assert sorted(used) == batch.tolist()
    assert all(len(indices) for indices, _ in shares)  # a process without an example could not take part


@given(st.integers(1, 70), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_the_average_of_weighted_losses_is_the_mean_of_the_batch(size: int, n_processes: int, seed: int) -> None:
    losses = np.random.default_rng(seed).random(size)
    shares = [share_of(np.arange(size), process, n_processes) for process in range(n_processes)]
    average = sum(losses[indices].mean() * weight for indices, weight in shares) / n_processes
    assert average == pytest.approx(losses.mean(), rel=1e-12)
