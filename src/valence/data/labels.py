"""Labels as they stand in a table to class numbers: names, numbers, and what they are called.

One rule says whether two names are of one class, everywhere: if they are equal; else if they differ only in what
cannot be seen (zero-width characters, kinds of spaces, Unicode's composed and decomposed forms); else if they differ
only in case. The second and third hold only where they leave no doubt which class is meant.
"""

import collections
import itertools
import os
import re
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from valence.data.lines import read_lines
from valence.data.visible import visible
from valence.errors import DataError, InputError
from valence.files import is_unicode

__all__ = [
    "Label",
    "Place",
    "check_label",
    "class_numbers",
    "find_names",
    "index_numbers",
    "match_names",
    "parse_label_names",
    "read_label_names",
    "translate",
]

Label = str | int | float
"""A label as it stands in a table: a name or a number."""
Place = tuple[Path, int]
"""A file and a line, for messages."""

_WHOLE = re.compile(r"-?[0-9]{1,15}(\.0+)?")
_FRACTION = re.compile(r"-?[0-9]*\.[0-9]+(e-?[0-9]+)?", re.IGNORECASE)
_LISTED = 20  # names that a message lists
_MANY_CLASSES = 50  # and more than half of the rows: perhaps no classes


def parse_label_names(option: str) -> tuple[str, ...]:
    """Read the value of --labels.

    Args:
        option: a file of one name a line, or names divided by commas.

    Returns:
        The names in order.

    Raises:
        InputError: if a name is empty or stands there twice.
    """
    if os.path.isfile(option):
        return read_label_names(Path(option))
    names = tuple(name.strip() for name in option.split(","))
    if "" in map(visible, names) or len(set(map(visible, names))) < len(names) or not all(map(is_unicode, names)):
        raise InputError(
            f"labels must be different names divided by commas, or a file of one name a line; found {option!r:.200}"
        )
    return names


def read_label_names(path: Path) -> tuple[str, ...]:
    """Read class names from a file of one name a line, from class 0.

    Args:
        path: the file.

    Returns:
        The names in order.

    Raises:
        DataError: if a line is blank, a name stands there twice, or there is none.
    """
    names: list[str] = []
    seen: set[str] = set()
    blank = 0
    for number, line in read_lines(path):
        name = line.strip()
        if not visible(name):
            blank = blank or number
        elif blank:
            raise DataError("expected a class name on each line, found a blank line", path, blank)
        elif visible(name) in seen:
            raise DataError(f"the name {name!r} stands here a second time", path, number)
        else:
            names.append(name)
            seen.add(visible(name))
    if not names:
        raise DataError("expected a class name on each line, found none", path)
    return tuple(names)


def check_label(value: object, path: Path, line: int) -> Label:
    """Check that a value can be a label.

    Args:
        value: from the label column.
        path: the file, for messages.
        line: its line, for messages.

    Returns:
        A name without spaces around it, or a number.

    Raises:
        DataError: if there is no label, or it is neither a name nor a number.
    """
    if isinstance(value, str):
        value = value.strip()
    is_blank = isinstance(value, str) and not visible(value)
    if value is None or value != value or is_blank:  # NaN, a table's "nothing", differs from itself
        raise DataError("the row has no label", path, line)
    if not isinstance(value, str | int | float):
        raise DataError(f"a label must be a name or a whole number, found {value!r:.80}", path, line)
    return value


def find_names(labels: Sequence[Label], places: Sequence[Place], is_sure: bool = False) -> tuple[str, ...]:
    """Find the class names in the labels themselves: the numbers as text, or the names in alphabetical order.

    Args:
        labels: all labels.
        places: where each stands.
        is_sure: whether the user named the column; otherwise hardly a name that occurs twice is a sign of another one.

    Returns:
        The class names in order.

    Raises:
        DataError: if the labels do not make plain what the classes are.
    """
    indices = [None if isinstance(label, bool) else _index(label) for label in labels]
    numbers = [index for index in indices if index is not None]
    if numbers and len(numbers) < len(labels):
        odd = next(i for i, index in enumerate(indices) if (index is None) != (indices[0] is None))
        raise DataError(
            f"label {labels[odd]!r:.80}: some labels are numbers and some are names; "
            "if all of them are names, list them with --labels",
            *places[odd],
        )
    names = _names_of_numbers(numbers, places) if numbers else _names_of_names(labels, places, is_sure)
    if len(names) < 2:
        raise DataError(f"only one class, {names[0]!r}: nothing to tell apart", places[0][0])
    if numbers:
        warnings.warn(
            f"{places[0][0]}: the classes have no names, so they are called {names[0]} to {names[-1]}; "
            "name them with --labels or a labels.txt beside the data",
            stacklevel=3,
        )
    return names


def _names_of_names(labels: Sequence[Label], places: Sequence[Place], is_sure: bool) -> tuple[str, ...]:
    path = places[0][0]
    for label, place in zip(labels, places, strict=True):
        if isinstance(label, float) or (isinstance(label, str) and _FRACTION.fullmatch(label)):
            raise DataError(
                f"label {label!r:.80}: expected a name or a whole number; if it is a name, list it with --labels",
                *place,
            )
    found = _spellings(labels, places)
    if not is_sure and len(found) > max(_MANY_CLASSES, len(labels) // 2):
        raise DataError(
            f"{len(found)} different labels in {len(labels)} rows: is this the label column? If it is, name it with "
            "--label-column",
            path,
        )
    folded = collections.Counter(visible(name).casefold() for name in found)
    if alike := [name for name in found if folded[visible(name).casefold()] > 1]:
        raise DataError(
            f"labels differ only in case: {', '.join(map(repr, alike[:_LISTED]))}; list the classes with --labels",
            path,
        )
    return tuple(found)


def _spellings(labels: Sequence[Label], places: Sequence[Place]) -> list[str]:
    """List the names in alphabetical order, one for those that look alike: as it is seen, or else the most frequent."""
    spelled: dict[str, collections.Counter[str]] = {}
    for name, count in collections.Counter(map(str, labels)).items():
        spelled.setdefault(visible(name), collections.Counter())[name] = count
    chosen = {}
    for seen, counts in spelled.items():
        chosen[seen] = seen if seen in counts else counts.most_common(1)[0][0]
        if len(counts) > 1:
            other = next(name for name in counts if name != chosen[seen])
            path, line = next(place for label, place in zip(labels, places, strict=True) if str(label) == other)
            warnings.warn(
                f"{path}, line {line}: the labels {other!a} and {chosen[seen]!a} look alike and are read as one class",
                stacklevel=5,
            )
    return sorted(chosen.values())


def match_names(names: Sequence[str], known: Sequence[str]) -> list[int | None]:
    """Find which of the known classes each name means.

    Args:
        names: different names.
        known: the names of the classes.

    Returns:
        For each name the number of the class of exactly that name; else of the name that looks the same; else of the
        name that is the same but for case. None where there is none, or where several names or classes would do.
    """
    found: list[int | None] = [None] * len(names)
    for form in (str, visible, _folded):
        of_names, of_known = _numbers_by(form, names), _numbers_by(form, known)
        for index, name in enumerate(names):
            classes = of_known[form(name)]
            if found[index] is None and len(classes) == len(of_names[form(name)]) == 1:
                found[index] = classes[0]
    return found


def _folded(name: str) -> str:
    return visible(name).casefold()


def _numbers_by(form: Callable[[str], str], names: Sequence[str]) -> collections.defaultdict[str, list[int]]:
    numbers = collections.defaultdict[str, list[int]](list)
    for number, name in enumerate(names):
        numbers[form(name)].append(number)
    return numbers


def _names_of_numbers(numbers: Sequence[int], places: Sequence[Place]) -> tuple[str, ...]:
    advice = "if these numbers are names, list them with --labels"
    for number, place in zip(numbers, places, strict=True):
        if number < 0:
            raise DataError(f"label {number}: class numbers start at 0; {advice}", *place)
    present, highest = set(numbers), max(numbers)
    if len(present) <= highest:
        absent = itertools.islice((number for number in range(highest) if number not in present), 10)
        raise DataError(
            f"labels are class numbers from 0 to {highest}, but no row has {', '.join(map(str, absent))}; {advice}",
            places[0][0],
        )
    return tuple(str(number) for number in range(highest + 1))


def _index(label: Label) -> int | None:
    """Read a label as a whole number, as written or as a spreadsheet writes it (1.0)."""
    if isinstance(label, int):
        return int(label)
    if isinstance(label, float):
        return int(label) if label.is_integer() else None
    return int(float(label)) if _WHOLE.fullmatch(label) else None


def class_numbers(labels: Sequence[Label], places: Sequence[Place], names: tuple[str, ...]) -> NDArray[np.int64]:
    """Find the class number of every label.

    A label is the class of that name, else of the one name that looks the same or differs only in case, else the class
    of that number. Where a class name is itself a number (stars called 1 to 5), a number is only ever a name.

    Args:
        labels: N labels.
        places: where each stands.
        names: the class names in order.

    Returns:
        int64 [N].

    Raises:
        DataError: at the first label that is no class.
    """
    by_name = _by_name(dict.fromkeys(map(str, labels)), names, places[0][0] if places else None)
    exact = {name: number for number, name in enumerate(names)}
    numbers_are_names = any(_index(name) is not None for name in names)

    def find(label: Label) -> int | None:
        if (number := by_name[str(label)]) is not None:
            return number
        index = _index(label)
        if numbers_are_names:
            return None if index is None else exact.get(str(index))
        return index if index is not None and index in range(len(names)) else None

    found = np.empty(len(labels), dtype=np.int64)
    for position, label in enumerate(labels):
        number = find(label)
        if number is None:
            listed = ", ".join(names[:_LISTED]) + (", …" if len(names) > _LISTED else "")
            numbered = "" if numbers_are_names else f", or a number from 0 to {len(names) - 1}"
            if _index(label) == -1:
                numbered += " (in data sets of the hub -1 means that the row has no label)"
            raise DataError(f"unknown label {label!r:.80}: expected one of {listed}{numbered}", *places[position])
        found[position] = number
    return found


def index_numbers(labels: Sequence[Label], places: Sequence[Place], names: tuple[str, ...]) -> NDArray[np.int64]:
    """Read labels of a column whose numbers are class numbers, whatever the classes are called.

    Args:
        labels: N labels.
        places: where each stands.
        names: the class names in order.

    Returns:
        int64 [N].

    Raises:
        DataError: at the first label that is no class number.
    """
    for label, place in zip(labels, places, strict=True):
        if isinstance(label, bool) or not isinstance(label, int) or label not in range(len(names)):
            none = " (in data sets of the hub -1 means that the row has no label)" if label == -1 else ""
            raise DataError(
                f"unknown label {label!r:.80}: expected a class number from 0 to {len(names) - 1}{none}", *place
            )
    return np.array(labels, dtype=np.int64)


def _by_name(labels: Iterable[str], names: Sequence[str], path: Path | None) -> dict[str, int | None]:
    """Find the class that each of some different labels names; several may name one, in other spellings."""
    forms = [(form, _numbers_by(form, names)) for form in (str, visible, _folded)]
    found: dict[str, int | None] = {}
    spellings = collections.defaultdict[int, dict[str, None]](dict)  # of each class, what can be told apart
    for label in labels:
        alike = (classes[form(label)] for form, classes in forms)
        number = found[label] = next((numbers[0] for numbers in alike if len(numbers) == 1), None)
        if number is not None:
            spellings[number][visible(label)] = None
    for number, spelled in spellings.items():
        if len(spelled) > 1:
            warnings.warn(
                f"{path}: the labels {', '.join(map(repr, list(spelled)[:_LISTED]))} are read as one class, "
                f"{names[number]!r}",
                stacklevel=4,
            )
    return found


def translate(
    numbers: NDArray[np.int64], places: Sequence[Place], names: tuple[str, ...], known: tuple[str, ...]
) -> NDArray[np.int64]:
    """Turn the data's class numbers into a model's by name; by number where the names have nothing in common.

    Args:
        numbers: [N], the data's class numbers.
        places: where each stands.
        names: the data's class names.
        known: the model's class names.

    Returns:
        int64 [N], the model's class numbers.

    Raises:
        DataError: at the first row whose class is none of the model's.
    """
    table = match_names(names, known)
    if all(number is None for number in table) and len(names) == len(known):
        warnings.warn(
            f"{places[0][0]}: the data's classes ({', '.join(names)}) are matched to the model's "
            f"({', '.join(known)}) by number",
            stacklevel=3,
        )
        return numbers
    for number, place in zip(numbers, places, strict=True):
        if table[number] is None:
            raise DataError(f"label {names[number]!r} is none of the model's: {', '.join(known)}", *place)
    return np.array([table[number] for number in numbers], dtype=np.int64)
