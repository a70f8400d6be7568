"""Rows to texts with class numbers: which column is which, and whose names the classes have."""

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from valence.data.labels import Label, Place, check_label, class_numbers, find_names, read_label_names, translate
from valence.data.sources import DataSource
from valence.data.tables import Table
from valence.errors import DataError

__all__ = ["Columns", "Examples", "Text", "choose_columns", "read_examples", "read_texts"]

Text = str | tuple[str, str]
"""One text, or a pair of texts that are read together (as in `valence.text.tokenizer`)."""

_TEXT_NAMES = (
    *("text", "sentence", "review", "content", "document"),
    *("body", "comment", "tweet", "message", "title"),
)
_LABEL_NAMES = ("label", "labels", "class", "category", "target", "sentiment", "polarity", "topic", "y")
_PAIR_NAMES = (("sentence1", "sentence2"), ("premise", "hypothesis"), ("question1", "question2"))


@dataclass(frozen=True)
class Columns:
    """Which columns of a table are read.

    Args:
        text: the text, or the first of a pair.
        pair: the second text of a pair, if there is one.
        label: the label; None where only texts are read.
    """

    text: str
    pair: str | None = None
    label: str | None = None


@dataclass(frozen=True)
class Examples:
    """A labelled data set in memory.

    Args:
        texts: N texts or pairs.
        labels: int64 [N], class numbers.
        names: C class names, by number.
        source: where it comes from.
    """

    texts: list[Text]
    labels: NDArray[np.int64]
    names: tuple[str, ...]
    source: DataSource

    def __len__(self) -> int:
        return len(self.texts)


def choose_columns(
    table: Table, text: str | None, label: str | None, pair: str | None = None, labelled: bool = True
) -> Columns:
    """Decide which columns to read: the ones asked for, else those whose names make it plain.

    Args:
        table: the table.
        text: the text column asked for, if any.
        label: the label column asked for, if any.
        pair: the pair column asked for, if any.
        labelled: whether a label column is needed.

    Returns:
        The columns.

    Raises:
        DataError: if a column asked for is absent, or the header does not make it plain.
    """
    for wanted in (text, label, pair):
        if wanted is not None and wanted not in table.columns:
            near = difflib.get_close_matches(wanted, table.columns, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise DataError(f"no column {wanted!r}. {_listed(table)}{hint}", table.path)
    plain_label = _plain(table.columns, _LABEL_NAMES) if label is None else label
    if labelled and plain_label is None:
        raise DataError(f"which column is the label? {_listed(table)}; name it with --label-column", table.path)
    rest = [column for column in table.columns if column not in (plain_label, pair)]
    if text is None:
        for first, second in _PAIR_NAMES:
            if pair is None and {first, second} <= set(rest):
                text, pair = first, second
                break
        else:
            text = _plain(rest, _TEXT_NAMES) or (rest[0] if len(rest) == 1 else None)
    if text is None:
        raise DataError(f"which column is the text? {_listed(table)}; name it with --text-column", table.path)
    label = plain_label if labelled else None
    if len({text, pair, label} - {None}) < sum(column is not None for column in (text, pair, label)):
        raise DataError("text, pair and label must be different columns", table.path)
    return Columns(text, pair, label)


def _listed(table: Table) -> str:
    first = "The first row has" if table.path.suffix.lower() in (".jsonl", ".ndjson") else "The columns are"
    return f"{first} {', '.join(map(repr, table.columns))}"


def _plain(columns: Sequence[str], known: tuple[str, ...]) -> str | None:
    """Find the one column with a known name; None where there is none, or more than one."""
    found = [column for column in columns if column.lower() in known]
    return found[0] if len(found) == 1 else None


def read_texts(table: Table, columns: Columns) -> Iterator[tuple[int, Text, Any]]:
    """Read texts one by one.

    Args:
        table: the table.
        columns: which columns.

    Yields:
        The line, the text or pair, and the label as it stands in the file or None.

    Raises:
        DataError: at a row without a text.
    """
    for row in table.rows():
        first = _text(row.values, columns.text, table.path, row.line)
        second = None if columns.pair is None else _text(row.values, columns.pair, table.path, row.line)
        text: Text = first if second is None else (first, second)
        if columns.label is None:
            yield row.line, text, None
        elif columns.label not in row.values:
            raise DataError(f"no {columns.label!r} in this row", table.path, row.line)
        else:
            yield row.line, text, row.values[columns.label]


def _text(values: Any, column: str, path: Path, line: int) -> str:
    if column not in values:
        raise DataError(f"no {column!r} in this row", path, line)
    value = values[column]
    if not isinstance(value, str):
        raise DataError(f"{column!r} must be a text, found {value!r:.80}", path, line)
    try:
        value.encode()
    except UnicodeEncodeError as problem:  # JSON can spell what is not Unicode text
        raise DataError(
            f"{column!r} is not valid Unicode: character {problem.start + 1} is {value[problem.start]!r}, "
            "half of a surrogate pair",
            path,
            line,
        ) from None
    return value


def read_examples(
    source: DataSource,
    text_column: str | None = None,
    label_column: str | None = None,
    pair_column: str | None = None,
    names: tuple[str, ...] | None = None,
    known: tuple[str, ...] | None = None,
) -> Examples:
    """Read a labelled data set, every row checked.

    A label that equals a class name is that class; any other whole number is a class number. Names come from
    `names`, else from a labels.txt beside the data, else from the data itself.

    Args:
        source: the data set.
        text_column: the text, if the header does not make it plain.
        label_column: the label, if the header does not make it plain.
        pair_column: the second text of a pair.
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
    for table in source.tables():
        columns = choose_columns(table, text_column, label_column, pair_column)
        for line, text, label in read_texts(table, columns):
            texts.append(text)
            labels.append(check_label(label, table.path, line))
            places.append((table.path, line))
    if not texts:
        raise DataError("the file has no rows", source.paths[0])
    if names is None and source.labels_file is not None:
        names = read_label_names(source.labels_file)
    if names is not None and len(names) < 2:
        raise DataError(f"expected the names of at least two classes, found only {names[0]!r}", source.labels_file)
    if known is None:
        names = names or find_names(labels, places)
        return Examples(texts, class_numbers(labels, places, names), names, source)
    if names is None:
        return Examples(texts, class_numbers(labels, places, known), known, source)
    numbers = translate(class_numbers(labels, places, names), places, names, known)
    return Examples(texts, numbers, known, source)
