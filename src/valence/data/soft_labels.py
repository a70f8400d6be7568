"""Soft labels: texts with a probability for each class, from annotators, a language model or another classifier.

Shapes: N texts, C classes.
"""

import math
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from valence.data.columns import ColumnNames, Columns, choose_columns
from valence.data.examples import read_text, warn_of_empty
from valence.data.labels import match_names
from valence.data.sources import DataSource
from valence.data.tables import Table
from valence.data.visible import visible
from valence.errors import DataError, listed
from valence.files import is_unicode
from valence.reading import Text

__all__ = ["SoftLabels", "classes_named_in", "plain", "read_soft_labels"]

_COLUMNS = ("probabilities", "scores")  # the second is what `valence classify --json` writes
_WEIGHT = "weight"
_NUMBERS = (int, float, np.floating)  # the last: half precision in Parquet
_TOLERANCE = 1e-3 + 1e-9  # of the sum; the second is for a sum that is written as 0.999
_FORM = 'expected an object such as {"text": "…", "probabilities": {"NEGATIVE": 0.2, "POSITIVE": 0.8}}'


@dataclass(frozen=True)
class SoftLabels:
    """Texts with probabilities in memory.

    Args:
        texts: N texts or pairs; one may occur again, with other probabilities.
        probabilities: [N, C]; each row sums to 1.
        weights: [N], how much each text counts.
        source: where they come from.
        columns: which columns were read; under `label` that of the probabilities, if they have one.
    """

    texts: list[Text]
    probabilities: NDArray[np.float32]
    weights: NDArray[np.float32]
    source: DataSource
    columns: Columns

    def __len__(self) -> int:
        return len(self.texts)


def plain(text: Text) -> Text:
    """Give the form in which a text is compared with those that have soft labels.

    Args:
        text: a text or a pair.

    Returns:
        It without white space around it.
    """
    return text.strip() if isinstance(text, str) else (text[0].strip(), text[1].strip())


def read_soft_labels(
    source: DataSource,
    names: tuple[str, ...],
    columns: ColumnNames = ColumnNames(),  # noqa: B008  # frozen
    order: tuple[str, ...] | None = None,
) -> SoftLabels:
    """Read a file of soft labels, every row checked.

    Args:
        source: JSON or Parquet.
        names: the classes that the result is to have, by number.
        columns: those that the user names.
        order: the classes in the order of probabilities that stand in a list, if the user said.

    Returns:
        The soft labels.

    Raises:
        DataError: at the first row or column that cannot be used, with file and line.
    """
    texts: list[Text] = []
    empty: list[tuple[Path, int]] = []
    probabilities, weights = array("f"), array("f")
    tables = source.tables()
    chosen = choose_columns(tables[0], replace(columns, label=None), labelled=False)
    for table in tables:
        rows = _Rows(table, names, order)
        for row in table.rows():
            text = read_text(row.values, chosen, table.path, row.line)
            if not (text if isinstance(text, str) else any(text)):
                empty.append((table.path, row.line))
            texts.append(text)
            probabilities.extend(rows.probabilities(row.values, row.line))
            weights.append(rows.weight(row.values, row.line))
    if not texts:
        raise DataError("the file has no rows", source.paths[0])
    if empty:
        warn_of_empty(len(empty), *empty[0])
    used = rows.used
    chosen = replace(chosen, label=rows.column, unread=tuple(name for name in chosen.unread if name not in used))
    found = np.asarray(probabilities, dtype=np.float32).reshape(len(texts), len(names))
    return SoftLabels(texts, found, np.asarray(weights, dtype=np.float32), source, chosen)


def classes_named_in(source: DataSource) -> tuple[str, ...]:
    """Read the names of the classes from the first row.

    Args:
        source: JSON or Parquet.

    Returns:
        In alphabetical order.

    Raises:
        DataError: if the row does not name them.
    """
    table = source.tables()[0]
    column = _column(table)
    row = next(table.rows(), None)
    found = None if row is None or column is None else row.values.get(column)
    if row is None or not isinstance(found, Mapping):
        raise DataError(f"it does not name the classes: {_FORM}, or list them with --labels", table.path)
    names = tuple(sorted(map(str, found)))
    if len(names) < 2 or not all(visible(name) and is_unicode(name) for name in names):
        raise DataError(
            f"expected at least two classes with names, found {listed(names, 6)!a:.80}", table.path, row.line
        )
    return names


def _column(table: Table) -> str | None:
    """Find the column of the probabilities; None where each class has one of its own."""
    if table.format not in ("json", "parquet"):
        raise DataError(f"soft labels are read from JSON Lines (.jsonl) or Parquet: {_FORM}", table.path)
    return next((name for name in _COLUMNS if name in table.columns), None)


class _Rows:
    """Reads the probabilities of a table's rows.

    Args:
        table: the table.
        names: the C classes by number.
        order: the classes in the order of a list.
    """

    def __init__(self, table: Table, names: tuple[str, ...], order: tuple[str, ...] | None) -> None:
        self._path = table.path
        self._names = names
        self._order = order
        self._keys: tuple[str, ...] = ()  # of the row before, and the classes that they name
        self._numbers: list[int | None] = []
        self.column = _column(table)
        self._class_columns = self._columns_of_classes(table) if self.column is None else ()
        self._has_weight = _WEIGHT in table.columns and _WEIGHT not in self._class_columns
        self.used = {*(self._class_columns or (self.column,)), *([_WEIGHT] if self._has_weight else [])}
        if twice := sorted(self.used & table.repeated):
            raise DataError(f"two columns are called {twice[0]!r}; rename one of them", table.path)

    def _columns_of_classes(self, table: Table) -> tuple[str, ...]:
        found = dict(zip(match_names(table.columns, self._names), table.columns, strict=True))
        for number, name in enumerate(self._names):
            if number not in found:
                raise DataError(
                    f"no column {_COLUMNS[0]!r}, and none for the class {name!r}: {_FORM}, or a column for each of "
                    f"{listed(self._names, 8)}. There is {listed(table.columns, 8)}",
                    table.path,
                )
        return tuple(found[number] for number in range(len(self._names)))

    def probabilities(self, values: Mapping[str, object], line: int) -> Iterable[float]:
        """Read the probabilities of a row, in the order of the classes."""
        found: list[float] = []
        for name, value in zip(self._names, self._in_order(values, line), strict=True):
            if value is None:
                raise self._fault(f"no probability of the class {name!r}", line)
            if isinstance(value, bool) or not isinstance(value, _NUMBERS):
                raise self._fault(f"the probability of {name!r} must be a number, found {value!r:.80}", line)
            if not 0 <= value <= 1:  # NaN is neither
                raise self._fault(f"the probability of {name!r} must lie in [0, 1], found {value!s:.40}", line)
            found.append(float(value))
        total = math.fsum(found)
        if not abs(total - 1) <= _TOLERANCE:
            raise self._fault(f"the probabilities must sum to 1, found {total:.6g}", line)
        return (value / total for value in found)

    def weight(self, values: Mapping[str, object], line: int) -> float:
        """Read how much a row counts: once, unless it says."""
        value = values.get(_WEIGHT) if self._has_weight else None
        if value is None:
            return 1.0
        # As it is kept, in single precision, it must be a positive number, too.
        if isinstance(value, bool) or not isinstance(value, _NUMBERS) or not 1e-30 <= value <= 1e30:
            raise self._fault(f"{_WEIGHT!r} must be a positive number, found {value!r:.80}", line)
        return float(value)

    def _in_order(self, values: Mapping[str, object], line: int) -> Sequence[object]:
        if self.column is None:
            return [values.get(column) for column in self._class_columns]
        if self.column not in values:
            raise self._fault(f"no {self.column!r} in this row", line)
        found = values[self.column]
        if isinstance(found, Mapping):
            return self._by_name(found, line)
        if isinstance(found, list):
            return self._by_place(found, line)
        raise self._fault(f"{self.column!r} must hold a probability for each class, found {found!r:.80}; {_FORM}", line)

    def _by_name(self, found: Mapping[str, object], line: int) -> list[object]:
        if tuple(found) != self._keys:
            self._keys = tuple(found)
            self._numbers = match_names(self._keys, self._names)
        ordered: list[object] = [None] * len(self._names)
        for (name, value), number in zip(found.items(), self._numbers, strict=True):
            if number is None:
                raise self._fault(f"unknown class {name!r:.80}: expected {listed(self._names, 20)}", line)
            ordered[number] = value
        return ordered

    def _by_place(self, found: list[object], line: int) -> list[object]:
        if self._order is None:
            raise self._fault(
                "probabilities in a list are in the order of --labels: give it, or name the classes", line
            )
        if len(found) != len(self._order):
            raise self._fault(
                f"expected {len(self._order)} probabilities, as many as --labels, found {len(found)}", line
            )
        return self._by_name(dict(zip(self._order, found, strict=True)), line)

    def _fault(self, message: str, line: int) -> DataError:
        return DataError(message, self._path, line)
