"""Calls into packages written in Rust, whose panics are no `Exception` and would end in their own traceback."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from valence.errors import ValenceError

__all__ = ["explained"]


@contextmanager
def explained(error: Callable[[str], ValenceError]) -> Iterator[None]:
    """Turn whatever such a package raises into one of our errors.

    Args:
        error: makes the error from the reason.

    Yields:
        Nothing.

    Raises:
        ValenceError: what `error` made.
    """
    try:
        yield
    except (ValenceError, MemoryError):
        raise
    except Exception as problem:
        raise error(_reason(problem)) from None
    except BaseException as problem:
        if type(problem).__name__ != "PanicException":  # each package has a class of its own, and exports none
            raise
        raise error(_reason(problem)) from None


def _reason(problem: BaseException) -> str:
    return " ".join(str(problem).split())[:300] or type(problem).__name__
