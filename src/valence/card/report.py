"""A report as a card reads it: JSON that another command wrote, and that anybody may have changed since."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from valence.errors import ModelError
from valence.files import is_unicode, read_json

__all__ = ["Report", "read_report"]


@dataclass(frozen=True)
class Report:
    """A JSON object and where it lies.

    Args:
        path: the file.
        file: what a card calls it: its way from the model folder.
        content: the object.
    """

    path: Path
    file: str
    content: dict[str, Any]

    def find(self, *keys: str) -> Any:
        """Look something up.

        Args:
            *keys: from the outside in.

        Returns:
            What is there, or None.
        """
        found: Any = self.content
        for key in keys:
            found = found.get(key) if isinstance(found, dict) else None
        return found

    def number(self, *keys: str) -> float | int:
        """Read a number that has to be there.

        Args:
            *keys: from the outside in.

        Returns:
            The number.

        Raises:
            ModelError: if it is absent, or no finite number.
        """
        found = self.find(*keys)
        if not is_number(found):
            raise self.wrong(keys, "a number", found)
        number: float | int = found
        return number

    def count(self, *keys: str) -> int:
        """Read a whole number that has to be there and is not negative.

        Args:
            *keys: from the outside in.

        Returns:
            The number.

        Raises:
            ModelError: if it is something else.
        """
        found = self.find(*keys)
        if not is_number(found) or not isinstance(found, int) or found < 0:
            raise self.wrong(keys, "a whole number from 0", found)
        return found

    def text(self, *keys: str) -> str:
        """Read a text that has to be there.

        Args:
            *keys: from the outside in.

        Returns:
            The text.

        Raises:
            ModelError: if it is something else.
        """
        found = self.find(*keys)
        if not isinstance(found, str) or not is_unicode(found):
            raise self.wrong(keys, "a text", found)
        return found

    def texts(self, *keys: str) -> tuple[str, ...]:
        """Read a list of texts; a single text is a list of one, and what is not there a list of none.

        Args:
            *keys: from the outside in.

        Returns:
            The texts.

        Raises:
            ModelError: if it is something else.
        """
        found = self.find(*keys)
        listed = [] if found is None else [found] if isinstance(found, str) else found
        if not isinstance(listed, list) or not all(isinstance(one, str) and is_unicode(one) for one in listed):
            raise self.wrong(keys, "a list of texts", found)
        return tuple(listed)

    def objects(self, *keys: str) -> tuple["Report", ...]:
        """Read a list of objects; what is not there is a list of none.

        Args:
            *keys: from the outside in.

        Returns:
            Each as a report of its own.

        Raises:
            ModelError: if it is something else.
        """
        found = self.find(*keys)
        listed = [] if found is None else found
        if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
            raise self.wrong(keys, "a list of objects", found)
        return tuple(Report(self.path, self.file, one) for one in listed)

    def wrong(self, keys: tuple[str, ...], expected: str, found: Any) -> ModelError:
        """Say that something is not as it must be.

        Args:
            keys: where.
            expected: what should be there.
            found: what is there.

        Returns:
            The error, to be raised.
        """
        return ModelError(
            f"{self.path}: expected {expected} at {'.'.join(keys)}, found {found!r:.80}; measure again to write it anew"
        )


def is_number(value: Any) -> bool:
    """Tell a finite number from everything else that JSON can hold.

    Args:
        value: anything.

    Returns:
        Whether it is one.
    """
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number of hundreds of digits
        return False


def read_report(path: Path, folder: str = "reports") -> Report | None:
    """Read a report.

    Args:
        path: the file.
        folder: the folder of the model in which a card says it lies.

    Returns:
        The report, or None where there is no such file.

    Raises:
        ModelError: if it is not a JSON object.
    """
    return Report(path, f"{folder}/{path.name}", read_json(path)) if path.is_file() else None
