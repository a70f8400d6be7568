"""What commands print: JSON, and text that keeps to its line."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import click

from valence.errors import ValenceError
from valence.files import why_not_writable

__all__ = ["echo_json", "json_line", "one_line", "require_writable", "show_and_keep"]

# What would break a line or steer a terminal: controls other than the tab, two separators, marks of direction.
_CONTROLS = [
    *(code for code in (*range(0x20), *range(0x7F, 0xA0)) if code != ord("\t")),
    *(0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A)),
]
_ESCAPES = {code: repr(chr(code))[1:-1] for code in _CONTROLS}
_JSON_ESCAPES = {code: f"\\u{code:04x}" for code in _CONTROLS if code >= 0x7F}  # json escapes the others itself


def echo_json(value: object, indent: int | None = 2) -> None:
    """Print one JSON value.

    Args:
        value: what to print.
        indent: spaces per level; None for a single line.
    """
    click.echo(json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False))


def json_line(value: object) -> str:
    """Write a JSON value so that it takes one line everywhere and cannot steer a terminal.

    Args:
        value: what to write.

    Returns:
        The line, without its end.
    """
    return json.dumps(value, ensure_ascii=False, allow_nan=False).translate(_JSON_ESCAPES)


def one_line(text: str) -> str:
    """Write a text so that it takes one line and cannot steer a terminal.

    Args:
        text: any text.

    Returns:
        The text with control characters other than the tab written out as Python writes them.
    """
    return text.translate(_ESCAPES)


def require_writable(out: Path) -> None:
    """Refuse a file that cannot be written before the work is done, not after.

    Args:
        out: the file.

    Raises:
        ValenceError: if it cannot be written.
    """
    if (why_not := why_not_writable(out)) is not None:
        raise ValenceError(f"{out}: cannot be written: {why_not}; expected a file in a folder that may be written to")


def show_and_keep(show: Callable[[], None], target: Path | None, write: Callable[[Path], None]) -> None:
    """Print what was found, and write it, whichever of the two fails: the work is not lost.

    Args:
        show: prints it.
        target: the file or folder to write; None for none.
        write: writes it.

    Raises:
        ValenceError: if it was printed and cannot be written.
    """
    try:
        show()
    finally:
        shown = sys.exc_info()[0] is None
        if target is not None:
            try:
                write(target)
            except OSError as problem:
                if shown:
                    said = f"{target}: cannot be written: {problem.strerror or problem}"
                    raise ValenceError(f"{said}; what was found is printed, and not kept") from None
