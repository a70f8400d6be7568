"""Parquet: rows, and the class names that the `datasets` library keeps in the file's metadata."""

import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from valence.data.rows import Row
from valence.data.visible import visible
from valence.errors import DataError
from valence.files import is_unicode

__all__ = ["ParquetFile"]

_BATCH_ROWS = 4096
_METADATA_KEY = b"huggingface"


class ParquetFile:
    """An open Parquet file.

    Args:
        path: the file.

    Raises:
        DataError: if it is not one.
    """

    def __init__(self, path: Path) -> None:
        import pyarrow
        import pyarrow.parquet

        self._path = path
        try:
            self._file: Any = pyarrow.parquet.ParquetFile(path)
            self._schema: Any = self._file.schema_arrow
        except (pyarrow.ArrowException, OSError) as problem:
            raise DataError(f"not readable as Parquet: {problem}", path) from None
        self.columns: tuple[str, ...] = tuple(self._schema.names)

    def class_names(self) -> dict[str, tuple[str, ...]]:
        """Read the class names of columns of class numbers.

        Returns:
            Columns to names, by class number. A column whose entry cannot be read is left out, with a warning.
        """
        entry = (self._schema.metadata or {}).get(_METADATA_KEY)
        if entry is None:
            return {}
        try:
            features = json.loads(entry)["info"]["features"]
            kept = {
                column: feature["names"]
                for column, feature in features.items()
                if isinstance(feature, dict) and feature.get("_type") == "ClassLabel" and "names" in feature
            }
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            warnings.warn(f"{self._path}: its metadata of the data set cannot be read", stacklevel=2)
            return {}
        found = {}
        for column, names in kept.items():
            if _are_names(names):
                found[column] = tuple(names)
            else:
                warnings.warn(
                    f"{self._path}: the class names of {column!r} cannot be read: {names!r:.80}", stacklevel=2
                )
        return found

    def rows(self) -> Iterator[Row]:
        """Read the rows, a few at a time in memory.

        Yields:
            The rows in order, numbered from 1.

        Raises:
            DataError: where the file is damaged.
        """
        import pyarrow

        number = 0
        batches = self._file.iter_batches(batch_size=_BATCH_ROWS)
        while True:
            try:
                batch = next(batches, None)
                values = None if batch is None else [column.to_pylist() for column in batch.columns]
            except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as problem:
                raise DataError(f"not readable as Parquet: {problem}", self._path, number + 1) from None
            if values is None:
                return
            for record in zip(*values, strict=True):
                number += 1
                yield Row(number, dict(zip(self.columns, record, strict=True)))


def _are_names(names: object) -> bool:
    return (
        isinstance(names, list)
        and len(names) > 0
        and all(isinstance(name, str) and name and is_unicode(name) for name in names)
        and len(set(map(visible, names))) == len(names)
    )
