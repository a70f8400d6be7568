"""How fast several ways of doing the same work are, measured in turn on a machine that others use too."""

import statistics
import time
from collections.abc import Callable, Sequence

__all__ = ["seconds_in_turn"]


def seconds_in_turn(works: Sequence[Callable[[], object]], rounds: int = 5) -> list[float]:
    """Time each work once per round, so that what slows the machine for a while slows all of them.

    Args:
        works: what is timed; each is called once before, to warm up.
        rounds: how often each is timed.

    Returns:
        The median of each, in seconds.
    """
    for work in works:
        work()
    taken: list[list[float]] = [[] for _ in works]
    for number in range(rounds):
        order = list(enumerate(works))
        for index, work in order if number % 2 == 0 else reversed(order):
            start = time.perf_counter()
            work()
            taken[index].append(time.perf_counter() - start)
    return [statistics.median(seconds) for seconds in taken]
