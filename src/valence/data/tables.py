"""Tables on disk, read row by row: TSV, CSV, JSON Lines, Parquet, and plain text of one text a line.

A TSV has no quoting: a quotation mark is an ordinary character and every tab divides. A CSV is quoted as RFC
4180 says. Whatever cannot be read raises `DataError` with the file and the line.
"""

import csv
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from valence.errors import DataError

__all__ = ["FORMATS", "Row", "Table", "decode_lines", "open_table", "read_lines"]

FORMATS = (".tsv", ".csv", ".jsonl", ".ndjson", ".parquet", ".txt")
_PARQUET_BATCH_ROWS = 4096
_CSV_FIELD_LIMIT = 2**31 - 1  # characters; csv's own limit of 131,072 is less than a long document


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
    if not os.path.isfile(path):
        raise DataError("not a file" if os.path.exists(path) else "no such file", path)
    if os.path.getsize(path) == 0:
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
        columns = () if header is None else tuple(name.strip() for name in header[1])
        if not any(columns):
            raise DataError("expected the names of the columns, found a blank line", path, 1)
    if repeated := sorted({name for name in columns if columns.count(name) > 1}):
        raise DataError(f"the header names a column twice: {', '.join(map(repr, repeated))}", path, 1)
    return Table(path, columns)


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Read a UTF-8 file line by line.

    Args:
        path: the file.

    Yields:
        The line's number from 1, and the line with its end.

    Raises:
        DataError: if the file cannot be read, or at a line that is not UTF-8.
    """
    try:
        with path.open("rb") as file:
            yield from decode_lines(file, path)
    except OSError as problem:
        raise DataError(f"cannot be read: {problem.strerror or problem}", path) from None


def decode_lines(lines: Iterable[bytes], name: object) -> Iterator[tuple[int, str]]:
    """Read UTF-8 text line by line.

    Args:
        lines: the bytes, divided after each line feed.
        name: what to call their source in messages.

    Yields:
        The line's number from 1, and the line with its end.

    Raises:
        DataError: at a line that is not UTF-8.
    """
    for number, line in enumerate(lines, start=1):
        if number == 1:
            # UTF-16 has a mark of two bytes, or without it a NUL beside each letter of plain text.
            start = line[:8]
            beside = len(start) == 8 and (any(start[::2]), any(start[1::2])) in ((True, False), (False, True))
            if line.startswith((b"\xff\xfe", b"\xfe\xff")) or beside:
                raise DataError("not UTF-8 but UTF-16: save it as UTF-8", name)
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
    for number, line in read_lines(path):
        yield number, line.removesuffix("\n").removesuffix("\r").split("\t")


def _csv_records(path: Path) -> Iterator[tuple[int, list[str]]]:
    csv.field_size_limit(_CSV_FIELD_LIMIT)
    reader = csv.reader((line for _, line in read_lines(path)), delimiter=_csv_divider(path), strict=True)
    start = 1
    while True:
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as problem:
            raise DataError(f"the row from here on is not readable as CSV: {problem}", path, start) from None
        yield start, record
        start = reader.line_num + 1


def _csv_divider(path: Path) -> str:
    """Spreadsheets write semicolons where a comma is the decimal mark: the header shows which it is."""
    header = next((line for _, line in read_lines(path)), "")
    return ";" if ";" in header and "," not in header else ","


def _tsv_rows(path: Path, columns: tuple[str, ...]) -> Iterator[Row]:
    return _named(path, columns, _tsv_records(path), "tab")


def _csv_rows(path: Path, columns: tuple[str, ...]) -> Iterator[Row]:
    return _named(path, columns, _csv_records(path), "comma or semicolon")


def _named(
    path: Path, columns: tuple[str, ...], records: Iterator[tuple[int, list[str]]], divider: str
) -> Iterator[Row]:
    next(records)
    for line, record in records:
        if record in ([], [""]):  # a blank line: an empty text where there is one column, else no row
            if len(columns) > 1:
                continue
            record = [""]
        if len(record) != len(columns):
            raise DataError(
                f"expected {len(columns)} fields ({', '.join(columns)}), found {len(record)}: "
                f"a {divider} too many or too few",
                path,
                line,
            )
        yield Row(line, dict(zip(columns, record, strict=True)))


def _json_rows(path: Path) -> Iterator[Row]:
    for number, line in read_lines(path):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except (ValueError, RecursionError) as problem:  # ValueError: also a number of too many digits
            raise DataError(f"not readable as JSON: {problem}", path, number) from None
        if not isinstance(values, dict):
            raise DataError(f"expected a JSON object, found {type(values).__name__}", path, number)
        yield Row(number, values)


def _text_rows(path: Path) -> Iterator[Row]:
    for number, line in read_lines(path):
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
