"""How long work tells how far it is: one shape, whoever works and whoever watches."""

from collections.abc import Callable
from typing import Protocol

__all__ = ["OnProgress", "Say", "silent", "step"]


class OnProgress(Protocol):
    """Is told how far a piece of work is."""

    def __call__(self, done: int, total: int, what: str = "") -> None:
        """Learn how far it is.

        Args:
            done: how many of its parts are done; never fewer than before for the same work.
            total: how many there are, which may grow; 0 where nobody knows.
            what: the piece, where the work has several, one after the other.
        """
        ...


Say = Callable[[str], None]
"""Is told in a line what happens, where there is nothing to count."""


def silent(done: int, total: int, what: str = "") -> None:
    """Tell nobody; see `OnProgress`."""


def step(on_progress: OnProgress, name: str) -> OnProgress:
    """Name one of several pieces of work, which knows nothing of the others.

    Args:
        on_progress: is told of all of them.
        name: the name.

    Returns:
        What the piece is given to tell of itself.
    """

    def tell(done: int, total: int, what: str = "") -> None:
        on_progress(done, total, name)

    return tell
