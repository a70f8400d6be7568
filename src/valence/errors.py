"""Every error that valence raises on purpose.

    ValenceError
    ├── InputError             a text, option or argument that cannot be used
    ├── DataError              a data file that cannot be read as asked; names file and line
    ├── ModelError             a model that cannot be used
    │   ├── ModelNotFoundError     nothing under that name or path
    │   ├── HubError               the hub could not be reached, or refused
    │   ├── ConfigError            config.json lacks or contradicts something
    │   ├── CheckpointError        tensors missing, unexpected, wrongly shaped, unreadable
    │   └── MissingHeadError       the checkpoint has no head for this task
    ├── EngineError            an engine could not be started or failed while running
    ├── ExportError            an engine file could not be written, or is not good enough
    ├── TrainingError          a run that had to stop; the last good checkpoint is kept
    └── MissingExtraError      an optional dependency is not installed; names the install line

The command line prints the message of any of these in one piece and exits with status 1.
"""

from collections.abc import Sequence

__all__ = [
    "CheckpointError",
    "ConfigError",
    "DataError",
    "EngineError",
    "ExportError",
    "HubError",
    "InputError",
    "MissingExtraError",
    "MissingHeadError",
    "ModelError",
    "ModelNotFoundError",
    "TrainingError",
    "ValenceError",
]


def listed(names: Sequence[str], most: int = 5) -> str:
    """List names in a message, which stays short however many there are.

    Args:
        names: at least one.
        most: how many are written out.

    Returns:
        The first, divided by commas, and how many more there are.
    """
    rest = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest


class ValenceError(Exception):
    """Base class of all errors that valence raises on purpose."""


class InputError(ValenceError):
    """A text, option or argument that cannot be used.

    Args:
        message: what was expected and what came; of a text among several what follows "text 3".
        index: which of several texts is at fault, counted from 0.
    """

    def __init__(self, message: str, index: int | None = None) -> None:
        super().__init__(message if index is None else f"text {index + 1:d} {message}")
        self.message = message
        self.index = index


class DataError(ValenceError):
    """A data file that cannot be read as asked.

    Args:
        message: what was expected and what came.
        path: the file at fault.
        line: its line, counted from 1, where one is at fault.
    """

    def __init__(self, message: str, path: object = None, line: int | None = None) -> None:
        where = "" if path is None else f"{path}: " if line is None else f"{path}, line {line}: "
        super().__init__(where + message)
        self.path = path
        self.line = line


class ModelError(ValenceError):
    """A model that cannot be used."""


class ModelNotFoundError(ModelError):
    """Nothing was found under a model's name or path."""


class HubError(ModelError):
    """The model hub could not be reached, or refused the request."""


class ConfigError(ModelError):
    """A model's config.json lacks or contradicts something."""


class CheckpointError(ModelError):
    """A checkpoint's tensors are missing, unexpected, wrongly shaped or unreadable."""


class MissingHeadError(ModelError):
    """The checkpoint has no head for the task it was asked to do."""


class EngineError(ValenceError):
    """An engine could not be started, or failed while running."""


class ExportError(ValenceError):
    """An engine file could not be written, or does not agree with its source."""


class TrainingError(ValenceError):
    """A training run had to stop; the last good checkpoint is kept."""


class MissingExtraError(ValenceError):
    """An optional dependency is not installed.

    Args:
        extra: the extra that brings it.
        what: the thing that needs it, as the start of a sentence.
    """

    def __init__(self, extra: str, what: str) -> None:
        super().__init__(f"{what} needs more than the base install: pip install 'valence-text[{extra}]'")
        self.extra = extra
