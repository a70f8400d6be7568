"""Tables on disk, read row by row: CSV, TSV, JSON Lines and arrays, Parquet, and plain text of one text a line.

Whatever cannot be read raises `DataError` with the file and the line.
"""

import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from valence.data.delimited import (
    Dialect,
    Header,
    delimited_rows,
    delimiter_name,
    divided_alike,
    find_dialect,
    read_header,
)
from valence.data.json_rows import json_rows
from valence.data.lines import ARCHIVE, UTF_8, check_encoding, read_lines, warn_of_returns
from valence.data.parquet_rows import ParquetFile
from valence.data.rows import Row
from valence.errors import DataError, InputError
from valence.files import refuse_lfs_pointer

__all__ = ["COMPRESSED", "ENDINGS", "Format", "Table", "TableOptions", "format_of", "looks_like_a_header", "open_table"]

Format = Literal["csv", "tsv", "json", "parquet", "txt"]
ENDINGS: dict[str, Format] = {
    ".tsv": "tsv",
    ".tab": "tsv",
    ".csv": "csv",
    ".jsonl": "json",
    ".ndjson": "json",
    ".json": "json",
    ".parquet": "parquet",
    ".txt": "txt",
}
_ARCHIVES = (".zip", ".xlsx", ".xls", ".ods", ".7z", ".tar", ".tgz")
COMPRESSED = (".gz", ".bz2", ".xz", ".zst")
_DELIMITER_NAMES = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|"}
_TEXT = "text"  # the only column of plain text
_SAMPLE_LINES = 100
_LABEL_AND_TEXT = ({"label", "class", "category", "sentiment"}, {"text", "sentence", "review", "comment", "message"})


@dataclass(frozen=True)
class TableOptions:
    """How to read tables, where their names and first rows do not say.

    Args:
        format: what they are; by the ending of the name if None.
        encoding: of text files.
        delimiter: of CSV and TSV: one character, or "tab", "comma", "semicolon", "pipe"; found if None.
        header: whether the first row of a CSV or TSV holds the names of the columns. Otherwise these are called
            "column 1", "column 2", …

    Raises:
        InputError: if a value is of no use.
    """

    format: Format | None = None
    encoding: str = UTF_8
    delimiter: str | None = None
    header: bool = True

    def __post_init__(self) -> None:
        if self.format not in (None, *get_args(Format)):
            raise InputError(f"format must be one of {', '.join(get_args(Format))}, found {self.format!r:.80}")
        check_encoding(self.encoding)
        if self.delimiter is not None:
            delimiter = _DELIMITER_NAMES.get(self.delimiter, self.delimiter)
            if len(delimiter) != 1 or delimiter in '"\r\n':
                raise InputError(
                    "the delimiter must be one character, or tab, comma, semicolon or pipe, found "
                    f"{self.delimiter!r:.80}"
                )
            object.__setattr__(self, "delimiter", delimiter)


@dataclass(frozen=True)
class Table:
    """A file of rows.

    Args:
        path: the file.
        columns: the column names, all different; for JSON those of the first rows.
        format: what it is.
        options: how it is read.
        class_names: for columns of class numbers, the names of the classes, where the file itself holds them.
        repeated: names that several columns have, of which `columns` has the first under that name.
        dialect: of a CSV or TSV.
        header: of a CSV or TSV.
    """

    path: Path
    columns: tuple[str, ...]
    format: Format
    options: TableOptions = field(default=TableOptions())
    class_names: dict[str, tuple[str, ...]] = field(default_factory=dict)
    repeated: frozenset[str] = frozenset()
    dialect: Dialect | None = None
    header: Header | None = None

    def rows(self) -> Iterator[Row]:
        """Read the rows in order, a few at a time in memory.

        Returns:
            An iterator over the rows; it raises `DataError` at a row that cannot be read.
        """
        if self.format == "parquet":
            return ParquetFile(self.path).rows()
        if self.format == "json":
            return json_rows(self.path, self.options.encoding)
        if self.dialect is not None and self.header is not None:
            return delimited_rows(self.path, self.dialect, self.header, self.options.encoding)
        return _text_rows(self.path, self.options.encoding)

    @property
    def has_header(self) -> bool:
        """Whether the names of the columns are a row of the file."""
        return self.header is not None and self.header.written is not None


def format_of(path: Path) -> Format | None:
    """Tell what a file is by its name, an ending of compression left out.

    Args:
        path: the file.

    Returns:
        The format, or None where the ending says nothing.
    """
    name = path.with_suffix("") if path.suffix.lower() in COMPRESSED else path
    return ENDINGS.get(name.suffix.lower())


def open_table(path: Path, options: TableOptions = TableOptions()) -> Table:  # frozen
    """Open a table and read its column names.

    Args:
        path: the file.
        options: how to read it.

    Returns:
        The table.

    Raises:
        DataError: if the file is absent, empty, of an unknown kind or has no usable header.
    """
    kind = options.format or format_of(path)
    if kind is None:
        if path.suffix.lower() in _ARCHIVES:
            raise DataError(ARCHIVE, path)
        raise DataError(
            f"unknown kind of file: expected a name ending in {', '.join(ENDINGS)} (then perhaps in "
            f"{', '.join(COMPRESSED)}), or --format",
            path,
        )
    if not os.path.isfile(path):
        raise DataError("not a file" if os.path.exists(path) else "no such file", path)
    refuse_lfs_pointer(path, DataError)
    if os.path.getsize(path) == 0:
        raise DataError("the file is empty", path)
    if kind == "parquet":
        return _parquet_table(path, options)
    if kind == "json":
        first = next(json_rows(path, options.encoding), None)
        if first is None:
            raise DataError("the file holds no rows", path)
        rows = itertools.islice(json_rows(path, options.encoding), _SAMPLE_LINES)
        return Table(path, tuple(dict.fromkeys(name for row in rows for name in row.values)), kind, options)
    if kind == "txt":
        if options.format is None:
            _refuse_a_table(path, options.encoding)
        return Table(path, (_TEXT,), kind, options)
    return _delimited_table(path, kind, options)


def _parquet_table(path: Path, options: TableOptions) -> Table:
    file = ParquetFile(path)
    repeated = frozenset(name for name in file.columns if file.columns.count(name) > 1)
    return Table(path, tuple(dict.fromkeys(file.columns)), "parquet", options, file.class_names(), repeated)


def _delimited_table(path: Path, kind: Format, options: TableOptions) -> Table:
    dialect = find_dialect(path, kind == "tsv", options.delimiter, options.encoding)
    header = read_header(path, dialect, options.header, options.encoding)
    table = Table(path, header.names, kind, options, repeated=header.repeated, dialect=dialect, header=header)
    if len(header.names) == 1 and options.delimiter is None:
        lines = (line for _, line in itertools.islice(read_lines(path, options.encoding), int(options.header), None))
        others = "\t|" if dialect.quoted else "|"
        if delimiter := divided_alike(itertools.islice(lines, _SAMPLE_LINES), others):
            raise DataError(
                f"the header has one column, {header.names[0]!r}, and each row below it the same number of "
                f"{delimiter_name(delimiter)}s: name what divides the columns with --delimiter, and correct the header "
                "or say --no-header. If each row is one text, say --delimiter comma",
                path,
                1,
            )
    return table


def _text_rows(path: Path, encoding: str) -> Iterator[Row]:
    for number, line in warn_of_returns(read_lines(path, encoding), path):
        yield Row(number, {_TEXT: line.removesuffix("\n").removesuffix("\r")})


def looks_like_a_header(line: str) -> bool:
    """Tell the names of columns from a text.

    Args:
        line: the first of a file.

    Returns:
        Whether it names both a text and a label.
    """
    names = (line.strip().lower().split(one) for one in ",;|\t")
    return any(all(known & {name.strip(' "') for name in first} for known in _LABEL_AND_TEXT) for first in names)


def _refuse_a_table(path: Path, encoding: str) -> None:
    """Notice a table that is called .txt, whose rows would be taken for texts."""
    lines = [line.rstrip("\r\n") for _, line in itertools.islice(read_lines(path, encoding), _SAMPLE_LINES)]
    if divided_alike(lines, "\t") or (lines and looks_like_a_header(lines[0])):
        raise DataError(
            "it looks like a table and not like one text a line: read it with --format tsv or --format csv (and "
            "--no-header if its first row is data), or with --format txt if each line is a text",
            path,
        )
