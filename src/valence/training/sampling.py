"""In which order a run reads its examples: at random, in batches of nearly the same length.

The order is a function of the seed and the epoch alone, so a resumed run finds its place by counting.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["epoch_batches", "share_of"]

_GROUP_BATCHES = 64  # lengths are sorted within so many batches: little padding, and still much chance


def epoch_batches(lengths: Sequence[int], batch_size: int, seed: int, epoch: int) -> list[NDArray[np.intp]]:
    """Divide all examples into batches.

    Args:
        lengths: tokens per example.
        batch_size: examples per batch; the last batch drawn may be smaller.
        seed: of the run.
        epoch: from 0.

    Returns:
        The indices of each batch; every example occurs once.
    """
    random = np.random.default_rng([seed, epoch])
    order = random.permutation(len(lengths))
    size = np.asarray(lengths)
    group = batch_size * _GROUP_BATCHES
    batches: list[NDArray[np.intp]] = []
    for start in range(0, len(order), group):
        members = order[start : start + group]
        members = members[np.argsort(size[members], kind="stable")]
        batches += [members[first : first + batch_size] for first in range(0, len(members), batch_size)]
    return [batches[index] for index in random.permutation(len(batches))]


def share_of(batch: NDArray[np.intp], process: int, n_processes: int) -> tuple[NDArray[np.intp], float]:
    """Give one of several processes its part of a batch.

    Args:
        batch: the indices of all examples of a step.
        process: which process, from 0.
        n_processes: how many there are.

    Returns:
        The indices of its part, never empty, and what its mean loss must be multiplied with so that the
        average over processes is the mean loss of the batch; for hidden words, whose number differs from example to
        example, nearly so.
    """
    mine = batch[process::n_processes]
    weight = len(mine) * n_processes / len(batch)
    return (mine, weight) if len(mine) else (batch[:1], 0.0)
