"""CSV and TSV: which delimiter, which quoting, which columns, then the rows.

A TSV has no quoting: a quotation mark is an ordinary character and every tab divides. A CSV is quoted as RFC 4180
says, and divided by whichever of comma, semicolon, tab and vertical bar fits its first rows. What spreadsheets leave
behind is no data: columns without a name, empty cells after the last column, rows of empty cells.
"""

import csv
import itertools
import re
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from valence.data.lines import UTF_8, read_lines
from valence.data.rows import Row
from valence.data.visible import visible
from valence.errors import DataError

__all__ = ["Dialect", "Header", "delimited_rows", "delimiter_name", "divided_alike", "find_dialect", "read_header"]

_FIELD_LIMIT = 2**31 - 1  # characters; csv's own limit of 131,072 is less than a long document
_DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}
_SAMPLE_LINES = 100
_SAMPLE_CHARACTERS = 1 << 18
_LISTED = 12  # columns that a message lists
_NEAR_LINES = 20  # a quoted text of more is left to the reader's own eyes
_NAMED_DELIMITER = re.compile(r'"?sep=(.)"?', re.IGNORECASE)


@dataclass(frozen=True)
class Dialect:
    """How a file divides its rows.

    Args:
        delimiter: one character.
        quoted: whether fields are quoted as RFC 4180 says; otherwise a quotation mark is an ordinary character.
        first_line: where the first row stands, from 1.
    """

    delimiter: str
    quoted: bool
    first_line: int = 1


@dataclass(frozen=True)
class Header:
    """The columns of a file.

    Args:
        names: one for each column, all different.
        written: as they stand in the file; None where the file has no header.
        unnamed: those of `names` that stand for columns without a name.
        repeated: names that stand in the file more than once, of which `names` holds the first and numbered others.
    """

    names: tuple[str, ...]
    written: tuple[str, ...] | None
    unnamed: frozenset[str]
    repeated: frozenset[str]


def delimiter_name(delimiter: str) -> str:
    """Name a delimiter for a message.

    Args:
        delimiter: one character.

    Returns:
        Such as "comma".
    """
    return _DELIMITERS.get(delimiter, repr(delimiter))


def find_dialect(path: Path, is_tsv: bool, delimiter: str | None, encoding: str = UTF_8) -> Dialect:
    """Find out how a file divides its rows.

    Args:
        path: the file.
        is_tsv: whether it is a TSV, by its ending or because the user says so.
        delimiter: what the user says, if anything.
        encoding: of its characters.

    Returns:
        Of a TSV: tabs without quoting, unless its header is quoted or has no tab but another delimiter that fits.
        Of a CSV: the delimiter that fits its first rows.

    Raises:
        DataError: if the file cannot be read.
    """
    sample = list(_sample(path, encoding))
    if sample and (named := _NAMED_DELIMITER.fullmatch(sample[0].rstrip("\r\n"))):  # as Excel writes and reads it
        return Dialect(delimiter or named[1], quoted=not is_tsv, first_line=2)
    header = sample[0] if sample else ""
    if delimiter is not None:
        return Dialect(delimiter, quoted=not is_tsv)
    if is_tsv and "\t" in header:
        return Dialect("\t", quoted=_all_quoted(header.rstrip("\r\n").split("\t")))
    others = [one for one in _DELIMITERS if one in header and not (is_tsv and one == "\t")]
    widths = {one: _width(sample, one, at_least=2 if is_tsv else 1) for one in others}
    fitting = sorted((one for one in others if widths[one]), key=lambda one: -widths[one])  # the most columns
    if is_tsv:
        return Dialect(fitting[0], quoted=True) if fitting else Dialect("\t", quoted=False)
    return Dialect((fitting or others or [","])[0], quoted=True)


def divided_alike(lines: Iterable[str], delimiters: str) -> str | None:
    """Find a delimiter that divides lines into the same number of fields, two or more.

    Args:
        lines: two or more; blank ones do not count.
        delimiters: characters to try.

    Returns:
        The delimiter, or None.
    """
    filled = [line for line in lines if line.strip()]
    for delimiter in delimiters:
        counts = {line.count(delimiter) for line in filled}
        if len(filled) > 1 and len(counts) == 1 and counts != {0}:
            return delimiter
    return None


def _sample(path: Path, encoding: str) -> Iterator[str]:
    characters = 0
    for _, line in itertools.islice(read_lines(path, encoding), _SAMPLE_LINES):
        characters += len(line)
        if characters > _SAMPLE_CHARACTERS and characters > len(line):
            return  # but for the header, only lines that are there whole
        yield line


def _all_quoted(fields: list[str]) -> bool:
    return all(len(field) > 1 and field.startswith('"') and field.endswith('"') for field in fields)


def _width(sample: list[str], delimiter: str, at_least: int) -> int:
    """Count the fields of the header; 0 where a delimiter does not give all rows of a sample as many, two or more."""
    try:
        records = [record for record in _reader(sample, delimiter) if record not in ([], [""])]
    except csv.Error:
        return 0
    width = len(records[0]) if records else 0
    fits = all(len(record) == width or not any(cell.strip() for cell in record[width:]) for record in records)
    good = width > 1 and len(records) >= at_least and fits and all(len(record) > 1 for record in records)
    return width if good else 0


def _reader(lines: Iterable[str], delimiter: str) -> Iterator[list[str]]:
    csv.field_size_limit(_FIELD_LIMIT)
    return csv.reader(lines, delimiter=delimiter, strict=True)


def read_header(path: Path, dialect: Dialect, has_header: bool, encoding: str = UTF_8) -> Header:
    """Read the names of the columns.

    Args:
        path: the file.
        dialect: how it divides rows.
        has_header: whether the first row holds them; otherwise they are called "column 1", "column 2", …
        encoding: of its characters.

    Returns:
        The columns.

    Raises:
        DataError: if the file cannot be read, or its first row is blank.
    """
    first = next(_records(path, dialect, encoding), None)
    fields = [] if first is None else first[1]
    if not has_header:
        return Header(tuple(f"column {n}" for n in range(1, len(fields) + 1)), None, frozenset(), frozenset())
    written = tuple(visible(name) for name in fields)
    if not any(written):
        raise DataError("expected the names of the columns, found a blank line", path, 1)
    if "\r" in "".join(fields):
        raise DataError(
            "carriage returns within the names of the columns: save the file with one kind of line ends", path, 1
        )
    names: list[str] = []
    for number, name in enumerate(written, start=1):
        unused = name or f"column {number}"
        copies = itertools.count(2)
        while unused in names:
            unused = f"{name or f'column {number}'} ({next(copies)})"
        names.append(unused)
    unnamed = frozenset(name for name, seen in zip(names, written, strict=True) if not seen)
    repeated = frozenset(name for name in written if name and written.count(name) > 1)
    return Header(tuple(names), written, unnamed, repeated)


def delimited_rows(path: Path, dialect: Dialect, header: Header, encoding: str = UTF_8) -> Iterator[Row]:
    """Read the rows below the header.

    Args:
        path: the file.
        dialect: how it divides rows.
        header: its columns.
        encoding: of its characters.

    Yields:
        The rows in order.

    Raises:
        DataError: at a row that cannot be read, or has another number of fields.
    """
    records = _records(path, dialect, encoding)
    if header.written is not None:
        next(records)
    width = len(header.names)
    quotes = None if dialect.quoted else _QuoteWatch(path)
    longest = 2 * len(header.names[0])  # that the first field of a header that stands there again could be
    for line, record in records:
        if width == 1 and record in ([], [""]):  # a blank line: an empty text where there is one column
            yield Row(line, {header.names[0]: ""})
            continue
        if width > 1 and not (record and record[0].strip()) and not any(cell.strip() for cell in record):
            continue  # elsewhere it is no row
        fields = record if len(record) == width else _fitted(record, header)
        if fields is None:
            raise _wrong_width(path, line, dialect, header, record)
        if len(fields[0]) <= longest and width > 1 and _is_header_again(fields, header):
            warnings.warn(f"{path}, line {line}: the header stands here again; it is no row", stacklevel=2)
            continue
        if quotes is not None:
            quotes.look(line, fields)
        yield Row(line, dict(zip(header.names, fields, strict=True)))


def _fitted(record: list[str], header: Header) -> list[str] | None:
    """Leave out empty cells after the last column, and add those of unnamed columns at the end; None if it is not so.

    A spreadsheet writes as many cells as its widest row has, or leaves out the empty ones at the end.
    """
    width = len(header.names)
    if len(record) > width:
        return None if any(cell.strip() for cell in record[width:]) else record[:width]
    absent = header.names[len(record) :]
    return record + [""] * len(absent) if header.unnamed.issuperset(absent) else None


def _wrong_width(path: Path, line: int, dialect: Dialect, header: Header, record: list[str]) -> DataError:
    names = ", ".join(header.names[:_LISTED]) + (", …" if len(header.names) > _LISTED else "")
    divider = "comma or semicolon" if dialect.delimiter in ",;" else delimiter_name(dialect.delimiter)
    hint = ""
    if not dialect.quoted and any(field.startswith('"') and field.count('"') % 2 for field in record):
        hint = "; if quoted texts of this file hold line breaks, read it with --format csv"
    if line == dialect.first_line + 1 and len(record) == len(header.names) + 1:
        hint = "; if the first column has no name, as R writes tables, name it in the header"
    return DataError(
        f"expected {len(header.names)} fields ({names}), found {len(record)}: a {divider} too many or too few{hint}",
        path,
        line,
    )


def _is_header_again(fields: list[str], header: Header) -> bool:
    written = header.written
    if written is None:
        return False
    return all(visible(field).casefold() == name.casefold() for field, name in zip(fields, written, strict=True))


class _QuoteWatch:
    """Looks out for quoting in a file that should have none, and says it once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._opened = -_NEAR_LINES  # the last line with a field that a mark opens and none closes
        self._said = False

    def look(self, line: int, fields: list[str]) -> None:
        if self._said or not any('"' in field for field in fields):
            return
        closes = any(field.endswith('"') and not field.startswith('"') and field.count('"') % 2 for field in fields)
        if _is_quoted(fields) or (closes and line - self._opened <= _NEAR_LINES):
            self._said = True
            warnings.warn(
                f"{self._path}, line {line}: a field stands in quotation marks, as pandas and R write TSV; in a TSV "
                "they are part of the text. If they are not, read the file with --format csv",
                stacklevel=3,
            )
        if any(field.startswith('"') and field.count('"') % 2 for field in fields):
            self._opened = line


def _is_quoted(fields: list[str]) -> bool:
    """Tell whether fields look as if a quoting writer wrote them: all in quotes, or one with doubled ones inside."""
    quoted = [field[1:-1] for field in fields if len(field) > 1 and field[0] == field[-1] == '"']
    if not quoted:
        return False
    if len(quoted) == len(fields) > 1:
        return True
    return any('""' in inside and '"' not in inside.replace('""', "") for inside in quoted)


def _records(path: Path, dialect: Dialect, encoding: str) -> Iterator[tuple[int, list[str]]]:
    """Read the fields of each row, and the line where it starts."""
    skipped = dialect.first_line - 1
    if not dialect.quoted:
        for number, line in itertools.islice(read_lines(path, encoding), skipped, None):
            row = line.removesuffix("\n").removesuffix("\r")
            if "\r" in row and number > dialect.first_line:
                raise DataError(
                    "carriage returns within the row: if they end rows, save the file with one kind of line ends; if "
                    "they are part of a text, quote it and read the file with --format csv",
                    path,
                    number,
                )
            yield number, row.split(dialect.delimiter)
        return
    current = ""

    def lines() -> Iterator[str]:
        nonlocal current
        for _, current in itertools.islice(read_lines(path, encoding), skipped, None):  # kept for a message
            yield current

    records = lines()
    reader = csv.reader(records, delimiter=dialect.delimiter, strict=True)
    csv.field_size_limit(_FIELD_LIMIT)
    start = dialect.first_line
    while True:
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as problem:
            hint = '; a quotation mark inside quotes is doubled, not written \\"' if '\\"' in current else ""
            raise DataError(f"the row from here on is not readable as CSV: {problem}{hint}", path, start) from None
        yield start, record
        start = reader.line_num + dialect.first_line
