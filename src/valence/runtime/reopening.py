"""Engines in other processes: a pickle names the files and options of an engine, and unpickling opens them again."""

from collections.abc import Callable, Sequence
from pathlib import Path

from valence.errors import EngineError
from valence.files import fingerprint

__all__ = ["Reopening", "reopening"]

Reopening = tuple[Callable[..., object], tuple[object, ...]]
"""What `__reduce__` gives: what opens an engine again, and with what."""

_PACKAGE = Path(__file__).parent.parent


def reopening(make: Callable[..., object], files: Sequence[Path], *arguments: object) -> Reopening:
    """Say how to open an engine again. To be called when it is opened, so that a change of its files is noticed.

    Args:
        make: opens it, with the path of the first file and the arguments.
        files: what it reads.
        *arguments: further ones.

    Returns:
        What its `__reduce__` shall return.

    Raises:
        EngineError: if a file is not there.
    """
    places = [path.absolute() for path in files]
    # The package may be installed elsewhere in the other process.
    places = [path.relative_to(_PACKAGE) if path.is_relative_to(_PACKAGE) else path for path in places]
    return _reopen, (make, tuple(places), _fingerprint(files), arguments)


def _reopen(
    make: Callable[..., object], places: Sequence[Path], expected: str, arguments: tuple[object, ...]
) -> object:
    files = [_PACKAGE / place for place in places]  # an absolute one stays as it is
    if _fingerprint(files) != expected:
        raise EngineError(
            f"{files[0]}: it holds other content than the model that was pickled or copied, which opens its files "
            "again: load the model from the folder as it is now"
        )
    return make(files[0], *arguments)


def _fingerprint(files: Sequence[Path]) -> str:
    if absent := [path for path in files if not path.is_file()]:
        raise EngineError(
            f"{absent[0]}: no such file; a model that was pickled opens its files again, so they must be at the same "
            "place in every process and on every machine"
        )
    return fingerprint(files)
