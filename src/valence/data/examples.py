"""Rows to texts with class numbers: which text, which class, and whose names the classes have."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from valence.data.columns import ColumnNames, Columns, choose_columns
from valence.data.labels import (
    Label,
    Place,
    check_label,
    class_numbers,
    find_names,
    index_numbers,
    read_label_names,
    translate,
)
from valence.data.sources import DataSource
from valence.data.tables import Table
from valence.errors import DataError
from valence.files import why_not_unicode
from valence.reading import Text

__all__ = ["Examples", "Text", "read_examples", "read_text", "read_texts", "warn_of_empty"]


@dataclass(frozen=True)
class Examples:
    """A labelled data set in memory.

    Args:
        texts: N texts or pairs.
        labels: int64 [N], class numbers.
        names: C class names, by number.
        source: where it comes from.
        columns: which columns of it were read.
        given: the names of its classes as the user gave them, if so.
    """

    texts: list[Text]
    labels: NDArray[np.int64]
    names: tuple[str, ...]
    source: DataSource
    columns: Columns = field(default=Columns(("text",)))
    given: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.texts)


def read_texts(table: Table, columns: Columns) -> Iterator[tuple[int, Text, object]]:
    """Read texts one by one. A text that is missing (null, NaN, an empty cell) is an empty text, in every format.

    Args:
        table: the table.
        columns: which columns.

    Yields:
        The line, the text or pair, and the label as it stands in the file or None.

    Raises:
        DataError: at a row that holds something else in place of a text, or where there are no rows.
    """
    none = True
    for row in table.rows():
        none = False
        text = read_text(row.values, columns, table.path, row.line)
        if columns.label is None:
            yield row.line, text, None
        elif columns.label not in row.values:
            raise DataError(f"no {columns.label!r} in this row", table.path, row.line)
        else:
            yield row.line, text, row.values[columns.label]
    if none:
        header = f", only a header ({', '.join(map(repr, table.columns[:3]))}); if that is data, say --no-header"
        raise DataError(f"the file has no rows{header if table.has_header else ''}", table.path)


def read_text(values: Mapping[str, object], columns: Columns, path: Path, line: int) -> Text:
    """Read the text of a row; see `read_texts`.

    Args:
        values: of the row.
        columns: which columns.
        path: the file, for messages.
        line: of the row, for messages.

    Returns:
        The text or pair.

    Raises:
        DataError: if something else stands in place of a text.
    """
    if len(columns.text) == 1:
        first = _text(values, columns.text[0], path, line)
    else:
        first = "\n".join(_text(values, column, path, line) for column in columns.text)
    return first if columns.pair is None else (first, _text(values, columns.pair, path, line))


def _text(values: Mapping[str, object], column: str, path: Path, line: int) -> str:
    if column not in values:
        raise DataError(f"no {column!r} in this row", path, line)
    value = values[column]
    if value is None or value != value:  # NaN differs from itself
        return ""
    if not isinstance(value, str):
        raise DataError(f"{column!r} must be a text, found {value!r:.80}", path, line)
    if (reason := why_not_unicode(value)) is not None:
        raise DataError(f"{column!r} {reason}", path, line)
    return value


def read_examples(
    source: DataSource,
    columns: ColumnNames = ColumnNames(),  # noqa: B008  # frozen
    names: tuple[str, ...] | None = None,
    known: tuple[str, ...] | None = None,
) -> Examples:
    """Read a labelled data set, every row checked.

    A label that equals a class name is that class; any other whole number is a class number. Names come from
    `names`, else from the file itself (the metadata of Parquet), else from a labels.txt beside the data, else from the
    labels.

    Args:
        source: the data set.
        columns: those that the user names.
        names: the class names of the data, as the user gave them.
        known: the class names of a model, which the result is to use: names are matched to these, and
            numbers too, through the data's own names if it has any.

    Returns:
        The examples.

    Raises:
        DataError: at the first row, column or label that cannot be used, with file and line.
    """
    texts: list[Text] = []
    labels: list[Label] = []
    places: list[Place] = []
    tables = source.tables()
    chosen = choose_columns(tables[0], columns)
    for table in tables:
        for line, text, label in read_texts(table, chosen):
            texts.append(text)
            labels.append(check_label(label, table.path, line))
            places.append((table.path, line))
    empty = [number for number, text in enumerate(texts) if not (text if isinstance(text, str) else any(text))]
    if empty:
        warn_of_empty(len(empty), *places[empty[0]])
    given, column = names, str(chosen.label)
    names = names or _names_of_files(source, tables, column)
    if names is not None and len(names) < 2:
        raise DataError(f"expected the names of at least two classes, found only {names[0]!r}", source.labels_file)
    if names is None:
        names = known or find_names(labels, places, is_sure=columns.label is not None)
    # Where the file itself names the classes, its numbers stand for these, even where a name is a number, too.
    in_numbers = all(column in table.class_names for table in tables)
    numbers = (index_numbers if in_numbers else class_numbers)(labels, places, names)
    if known is None or names == known:
        return Examples(texts, numbers, names, source, chosen, given)
    return Examples(texts, translate(numbers, places, names, known), known, source, chosen, given)


def _names_of_files(source: DataSource, tables: Sequence[Table], column: str) -> tuple[str, ...] | None:
    """Find the class names that the files hold, else those that stand beside them."""
    held = {table.class_names.get(column): table.path for table in tables}
    if len(held) > 1:
        one, other, *_ = held.values()
        raise DataError(f"the classes of {column!r} have other names here than in {one.name}", other)
    (names,) = held
    beside = None if source.labels_file is None else read_label_names(source.labels_file)
    if names is not None and beside is not None and names != beside:
        warnings.warn(
            f"{source.labels_file}: it names other classes than {tables[0].path.name} itself, whose names are used: "
            f"{', '.join(names[:6])}",
            stacklevel=3,
        )
    return names or beside


def warn_of_empty(count: int, path: Path, line: int) -> None:
    """Say that rows of a data set have an empty text.

    Args:
        count: how many.
        path: the file of the first.
        line: of the first.
    """
    rows = "1 row has" if count == 1 else f"{count:,} rows have"
    warnings.warn(f"{path}: {rows} an empty text (line {line}{', …' if count > 1 else ''})", stacklevel=3)
