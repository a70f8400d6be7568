"""One row of a table, whatever the file it stands in."""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Row"]


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table."""

    line: int
    """Where it starts in the file, from 1 (in Parquet and in a JSON array: the row's number, from 1)."""
    values: Mapping[str, object]
    """Column names to values: text, or what JSON or Parquet hold."""
