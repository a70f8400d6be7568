"""Tables on disk, read row by row: TSV, CSV, JSON Lines, Parquet, and plain text of one text a line.

A TSV has no quoting: a quotation mark is an ordinary character and every tab divides. A CSV is quoted as RFC 4180
says. Whatever cannot be read raises `DataError` with the file and the line.
"""

import csv
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from valence.errors import DataError

__all__ = ["FORMATS", "Row", "Table", "decode_lines", "open_table"]

FORMATS = (".tsv", ".csv", ".jsonl", ".ndjson", ".parquet", ".txt")
_PARQUET_BATCH_ROWS = 4096


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table."""

    line: int
    """Where it starts in the file, from 1 (in a Parquet file: the row's number, from 1)."""
    values: Mapping[str, Any]
    """Column names to values: text, or what JSON or Parquet hold."""


@dataclass(frozen=True)
class Table:
    """A file of rows.

    Args:
        path: the file.
        columns: the column names; for JSON Lines those of the first row.
    """

    path: Path
    columns: tuple[str, ...]

    def rows(self) -> Iterator[Row]:
        """Read the rows in order, a few at a time in memory.

        Returns:
            An iterator over the rows; it raises `DataError` at a row that cannot be read.
        """
        suffix = self.path.suffix.lower()
        if suffix == ".parquet":
            return _parquet_rows(self.path, self.columns)
        if suffix in (".jsonl", ".ndjson"):
            return _json_rows(self.path)
        if suffix == ".csv":
            return _csv_rows(self.path, self.columns)
        if suffix == ".tsv":
            return _tsv_rows(self.path, self.columns)
        return _text_rows(self.path)


def open_table(path: Path) -> Table:
    """Open a table and read its column names.

    Args:
        path: the file; its ending says what it is.

    Returns:
        The table.

    Raises:
        DataError: if the file is absent, empty, of an unknown kind or has no usable header.
    """
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise DataError(f"unknown kind of file: expected a name ending in {', '.join(FORMATS)}", path)
    if not path.is_file():
        raise DataError("no such file" if not path.exists() else "not a file", path)
    if path.stat().st_size == 0:
        raise DataError("the file is empty", path)
    if suffix == ".parquet":
        columns = tuple(_open_parquet(path).schema_arrow.names)
    elif suffix in (".jsonl", ".ndjson"):
        first = next(_json_rows(path), None)
        if first is None:
            raise DataError("the file holds no rows", path)
        columns = tuple(first.values)
    elif suffix == ".txt":
        columns = ("text",)
    else:
        header = next(_csv_records(path) if suffix == ".csv" else _tsv_records(path), None)
        if header is None:
            raise DataError("the file holds no header", path)
        columns = tuple(name.strip() for name in header[1])
    if repeated := sorted({name for name in columns if columns.count(name) > 1}):
        raise DataError(f"the header names a column twice: {', '.join(map(repr, repeated))}", path, 1)
    return Table(path, columns)


def decode_lines(file: BinaryIO, name: object) -> Iterator[tuple[int, str]]:
    """Read UTF-8 text line by line.

    Args:
        file: the bytes.
        name: what to call the file in messages.

    Returns:
        An iterator over (line number from 1, line with its end).

    Raises:
        DataError: at a line that is not UTF-8.
    """
    for number, line in enumerate(file, start=1):
        if number == 1:
            if line.startswith((b"\xff\xfe", b"\xfe\xff")):
                raise DataError("the file is UTF-16; save it as UTF-8", name)
            line = line.removeprefix(b"\xef\xbb\xbf")
        try:
            yield number, line.decode("utf-8")
        except UnicodeDecodeError as problem:
            raise DataError(
                f"not UTF-8: byte {problem.start + 1} of the line is 0x{line[problem.start]:02x}; "
                "save the file as UTF-8",
                name,
                number,
            ) from None


def _tsv_records(path: Path) -> Iterator[tuple[int, list[str]]]:
    with path.open("rb") as file:
        for number, line in decode_lines(file, path):
            yield number, line.removesuffix("\n").removesuffix("\r").split("\t")


def _csv_records(path: Path) -> Iterator[tuple[int, list[str]]]:
    csv.field_size_limit(sys.maxsize if sys.maxsize < 2**63 else 2**31 - 1)
    with path.open("rb") as file:
        reader = csv.reader((line for _, line in decode_lines(file, path)), strict=True)
        start = 1
        while True:
            try:
                record = next(reader)
            except StopIteration:
                return
            except csv.Error as problem:
                raise DataError(f"not readable as CSV: {problem}", path, start) from None
            yield start, record
            start = reader.line_num + 1


def _tsv_rows(path: Path, columns: tuple[str, ...]) -> Iterator[Row]:
    return _named(path, columns, _tsv_records(path), "tab")


def _csv_rows(path: Path, columns: tuple[str, ...]) -> Iterator[Row]:
    return _named(path, columns, _csv_records(path), "comma")


def _named(
    path: Path, columns: tuple[str, ...], records: Iterator[tuple[int, list[str]]], divider: str
) -> Iterator[Row]:
    next(records)
    for line, record in records:
        if not record or (record == [""] and len(columns) > 1):
            continue  # a blank line
        if len(record) != len(columns):
            raise DataError(
                f"expected {len(columns)} fields ({', '.join(columns)}), found {len(record)}: "
                f"a {divider} too many or too few",
                path,
                line,
            )
        yield Row(line, dict(zip(columns, record, strict=True)))


def _json_rows(path: Path) -> Iterator[Row]:
    with path.open("rb") as file:
        for number, line in decode_lines(file, path):
            if not line.strip():
                continue
            try:
                values = json.loads(line)
            except (json.JSONDecodeError, RecursionError) as problem:
                raise DataError(f"not readable as JSON: {problem}", path, number) from None
            if not isinstance(values, dict):
                raise DataError(f"expected a JSON object, found {type(values).__name__}", path, number)
            yield Row(number, values)


def _text_rows(path: Path) -> Iterator[Row]:
    with path.open("rb") as file:
        for number, line in decode_lines(file, path):
            yield Row(number, {"text": line.removesuffix("\n").removesuffix("\r")})


def _open_parquet(path: Path) -> Any:
    import pyarrow
    import pyarrow.parquet

    try:
        return pyarrow.parquet.ParquetFile(path)
    except (pyarrow.ArrowException, OSError) as problem:
        raise DataError(f"not readable as Parquet: {problem}", path) from None


def _parquet_rows(path: Path, columns: tuple[str, ...]) -> Iterator[Row]:
    import pyarrow

    file = _open_parquet(path)
    number = 0
    batches = file.iter_batches(batch_size=_PARQUET_BATCH_ROWS)
    while True:
        try:
            batch = next(batches, None)
            values = None if batch is None else [column.to_pylist() for column in batch.columns]
        except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as problem:
            raise DataError(f"not readable as Parquet: {problem}", path, number + 1) from None
        if values is None:
            return
        for record in zip(*values, strict=True):
            number += 1
            yield Row(number, dict(zip(columns, record, strict=True)))
