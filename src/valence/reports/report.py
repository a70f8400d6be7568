"""What all reports have in common: a format, and what this version does not know of is kept."""

from typing import Annotated, TypeAlias, TypeVar

import msgspec

__all__ = ["FORMAT", "Count", "JsonObject", "Report", "present"]

FORMAT = 1
"""What this version writes. Files without a format are of format 0; they are upgraded when they are read."""

JsonObject: TypeAlias = dict[str, object]
Count = Annotated[int, msgspec.Meta(ge=0)]
_Value = TypeVar("_Value")


def present(value: _Value | msgspec.UnsetType | None) -> _Value | None:
    """Take what a report of an earlier version may lack for nothing.

    Args:
        value: of a field.

    Returns:
        The value, or None where there is none.
    """
    return None if isinstance(value, msgspec.UnsetType) else value


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A report, as its file holds it.

    Args:
        format: of the file.
        extra: what the file holds besides, at any depth; it is written again.
    """

    format: int = FORMAT
    extra: JsonObject = msgspec.field(default_factory=dict)

    @classmethod
    def upgraded(cls, content: JsonObject) -> JsonObject:
        """Bring the content of a file of format 0 to format 1.

        Args:
            content: as it was read.

        Returns:
            As format 1 has it.
        """
        return content

    @classmethod
    def nested(cls, content: JsonObject) -> JsonObject:
        """Bring the keys of a file into the places that the fields of the type have.

        Args:
            content: of the file.

        Returns:
            By field.
        """
        return content

    @classmethod
    def flattened(cls, content: JsonObject) -> JsonObject:
        """Undo `nested`.

        Args:
            content: by field.

        Returns:
            As the file has it.
        """
        return content

    @classmethod
    def place(cls, keys: list[str]) -> list[str]:
        """Find the place of a field in the file, for messages.

        Args:
            keys: by field, from the outside in.

        Returns:
            As the file has them.
        """
        return keys
