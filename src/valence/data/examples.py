"""Rows to texts with class numbers: which column is which, and what a label means."""

import difflib
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from valence.data.sources import DataSource
from valence.data.tables import Table, decode_lines
from valence.errors import DataError, InputError
from valence.text.tokenizer import Text

__all__ = ["Columns", "Examples", "choose_columns", "parse_label_names", "read_examples", "read_texts"]

_TEXT_NAMES = ("text", "sentence", "review", "content", "document", "body", "comment", "tweet", "message", "title")
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
            raise DataError(
                f"no column {wanted!r}; the columns are {', '.join(map(repr, table.columns))}{hint}", table.path
            )
    if labelled and label is None:
        label = _plain(table.columns, _LABEL_NAMES)
        if label is None:
            raise DataError(
                f"which column is the label? The columns are {', '.join(map(repr, table.columns))}; "
                "name it with --label-column",
                table.path,
            )
    rest = [column for column in table.columns if column not in (label, pair)]
    if text is None:
        for first, second in _PAIR_NAMES:
            if pair is None and {first, second} <= set(rest):
                text, pair = first, second
                break
        else:
            text = _plain(rest, _TEXT_NAMES) or (rest[0] if len(rest) == 1 else None)
    if text is None:
        raise DataError(
            f"which column is the text? The columns are {', '.join(map(repr, table.columns))}; "
            "name it with --text-column",
            table.path,
        )
    if len({text, pair, label} - {None}) < sum(column is not None for column in (text, pair, label)):
        raise DataError("text, pair and label must be different columns", table.path)
    return Columns(text, pair, label)


def _plain(columns: Sequence[str], known: tuple[str, ...]) -> str | None:
    """Find the one column with a known name; None where there is none, or more than one."""
    found = [column for column in columns if column.lower() in known]
    return found[0] if len(found) == 1 else None


def read_texts(table: Table, columns: Columns) -> Iterator[tuple[int, Text, Any]]:
    """Read texts one by one.

    Args:
        table: the table.
        columns: which columns.

    Returns:
        An iterator over (line, text or pair, label as it stands in the file or None).

    Raises:
        DataError: at a row without a text.
    """
    for row in table.rows():
        parts = [_text(row.values, column, table.path, row.line) for column in (columns.text, columns.pair) if column]
        text: Text = parts[0] if len(parts) == 1 else (parts[0], parts[1])
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
    return value


def parse_label_names(option: str) -> tuple[str, ...]:
    """Read the value of --labels.

    Args:
        option: a file of one name a line, or names divided by commas.

    Returns:
        The names in order.

    Raises:
        InputError: if there are fewer than two names, or one of them twice.
        DataError: if the file cannot be read.
    """
    path = Path(option)
    if path.is_file():
        with path.open("rb") as file:
            names = tuple(line.strip() for _, line in decode_lines(file, path) if line.strip())
    else:
        names = tuple(name.strip() for name in option.split(","))
    if len(names) < 2 or len(set(names)) < len(names) or "" in names:
        raise InputError(
            f"labels must be at least two different names, found {option!r} "
            "(neither a file nor names divided by commas)"
        )
    return names


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
    raw: list[Any] = []
    places: list[tuple[Path, int]] = []
    for table in source.tables():
        columns = choose_columns(table, text_column, label_column, pair_column)
        for line, text, label in read_texts(table, columns):
            if label is None or label == "":
                raise DataError("the row has no label", table.path, line)
            texts.append(text)
            raw.append(label)
            places.append((table.path, line))
    if not texts:
        raise DataError("the file has a header but no rows", source.paths[0])
    if names is None and source.labels_file is not None:
        names = parse_label_names(str(source.labels_file))
    if known is None:
        names = names or _names_in(raw, places)
        numbers = _numbers(raw, places, names)
        return Examples(texts, numbers, names, source)
    if names is None:
        return Examples(texts, _numbers(raw, places, known), known, source)
    return Examples(texts, _translate(_numbers(raw, places, names), places, names, known), known, source)


def _names_in(raw: list[Any], places: list[tuple[Path, int]]) -> tuple[str, ...]:
    """Find the class names in the labels themselves."""
    indices = [_index(label) for label in raw]
    if any(index is None for index in indices):
        found = tuple(sorted({str(label) for label in raw}))
        if len(found) < 2:
            raise DataError(f"only one class, {found[0]!r}: nothing to tell apart", places[0][0])
        if len(found) > max(50, len(raw) // 2):
            raise DataError(f"{len(found)} different labels in {len(raw)} rows: is this the label column?", places[0][0])
        return found
    numbers = {index for index in indices if index is not None}
    highest = max(numbers)
    if min(numbers) < 0:
        position = next(i for i, index in enumerate(indices) if index is not None and index < 0)
        raise DataError(f"label {raw[position]!r}: class numbers start at 0", *places[position])
    if absent := sorted(set(range(min(highest + 1, 1000))) - numbers):
        raise DataError(
            f"labels are class numbers from 0 to {highest}, but no row has {', '.join(map(str, absent[:10]))}; "
            "if these numbers are names, say so with --labels",
            places[0][0],
        )
    if highest == 0:
        raise DataError("only one class, '0': nothing to tell apart", places[0][0])
    names = tuple(str(number) for number in range(highest + 1))
    warnings.warn(
        f"{places[0][0]}: the classes have no names, so they are called {names[0]} to {names[-1]}; "
        "name them with --labels or a labels.txt beside the data",
        stacklevel=3,
    )
    return names


def _index(label: Any) -> int | None:
    """Read a label as a whole number, as written or as a spreadsheet writes it (1.0)."""
    if isinstance(label, bool | int):
        return int(label)
    if isinstance(label, float):
        return int(label) if label.is_integer() else None
    if isinstance(label, str):
        digits = label.strip().removesuffix(".0")
        if digits.removeprefix("-").isdecimal() and digits.isascii():
            return int(digits)
    return None


def _numbers(raw: list[Any], places: list[tuple[Path, int]], names: tuple[str, ...]) -> NDArray[np.int64]:
    by_name = {name: number for number, name in enumerate(names)}
    by_folded_name = {name.casefold(): number for number, name in enumerate(names)}
    numbers = np.empty(len(raw), dtype=np.int64)
    for position, label in enumerate(raw):
        name = str(label).strip()
        number = by_name.get(name)
        if number is None:
            number = _index(label)
        if number is None and len(by_folded_name) == len(names):
            number = by_folded_name.get(name.casefold())
        if number is None or not 0 <= number < len(names):
            listed = ", ".join(names[:20]) + (", …" if len(names) > 20 else "")
            raise DataError(
                f"unknown label {label!r:.80}: expected one of {listed}, or a number from 0 to {len(names) - 1}",
                *places[position],
            )
        numbers[position] = number
    return numbers


def _translate(
    numbers: NDArray[np.int64], places: list[tuple[Path, int]], names: tuple[str, ...], known: tuple[str, ...]
) -> NDArray[np.int64]:
    """Turn the data's class numbers into the model's by name; by number where the names have nothing in common."""
    by_name = {name.casefold(): number for number, name in enumerate(known)}
    table = [by_name.get(name.casefold()) for name in names]
    if all(number is None for number in table) and len(names) == len(known):
        warnings.warn(
            f"{places[0][0]}: the data's classes ({', '.join(names)}) are matched to the model's "
            f"({', '.join(known)}) by number",
            stacklevel=3,
        )
        return numbers
    for position, number in enumerate(numbers):
        if table[number] is None:
            raise DataError(
                f"label {names[number]!r} is none of the model's: {', '.join(known)}", *places[position]
            )
    return np.array([table[number] for number in numbers], dtype=np.int64)
