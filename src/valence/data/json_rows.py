"""JSON Lines, one object a line, and JSON arrays of objects."""

import json
from collections.abc import Iterator
from pathlib import Path

from valence.data.lines import UTF_8, read_lines
from valence.data.rows import Row
from valence.errors import DataError

__all__ = ["json_rows"]


def json_rows(path: Path, encoding: str = UTF_8) -> Iterator[Row]:
    """Read the objects of a file.

    Args:
        path: the file. One that begins with a bracket is read whole, as an array.
        encoding: of its characters.

    Yields:
        The rows in order.

    Raises:
        DataError: at a line or an element that is no JSON object.
    """
    lines = read_lines(path, encoding)
    is_first = True
    for number, line in lines:
        if not line.strip():
            continue
        if is_first and line.lstrip().startswith("["):
            text = line + "".join(later for _, later in lines)
            for row, values in enumerate(_array(text, path, number), start=1):
                yield Row(row, _object(values, path, row))
            return
        is_first = False
        yield Row(number, _object(_parse(line, path, number), path, number))


def _array(text: str, path: Path, line: int) -> list[object]:
    values = _parse(text, path, line)
    assert isinstance(values, list), "a JSON value that begins with a bracket"
    return values


def _parse(text: str, path: Path, line: int) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as problem:  # ValueError: also a number of too many digits
        hint = ""
        if text.strip() == "{":
            hint = "; expected an object a line, or an array of objects"
        raise DataError(f"not readable as JSON: {problem}{hint}", path, line) from None


def _object(values: object, path: Path, line: int) -> dict[str, object]:
    if not isinstance(values, dict):
        raise DataError(f"expected a JSON object, found {type(values).__name__}", path, line)
    return values
