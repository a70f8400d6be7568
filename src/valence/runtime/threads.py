"""How many threads an engine uses: no more than this process may use processors."""

from valence.errors import InputError
from valence.processors import available_cpus

__all__ = ["check_threads", "thread_count"]


def thread_count(threads: int | None = None) -> int:
    """Decide how many threads to use.

    Args:
        threads: how many are wanted; as many as there are processors if None.

    Returns:
        As many as wanted, and never more than this process has processors.
    """
    available = available_cpus()
    return available if threads is None else max(1, min(threads, available))


def check_threads(threads: object) -> None:
    """Refuse what is no number of threads.

    Args:
        threads: what was asked for, or None.

    Raises:
        InputError: if it is of no use.
    """
    if threads is not None and (isinstance(threads, bool) or not isinstance(threads, int) or threads < 1):
        raise InputError(f"threads must be a whole number from 1, found {threads!r}")
