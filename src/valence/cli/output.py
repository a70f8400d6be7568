"""What commands print: JSON, and text that keeps to its line."""

import json
from typing import Any

import click

__all__ = ["echo_json", "one_line"]

_ESCAPES = str.maketrans({"\n": "\\n", "\r": "\\r", "\x0b": "\\x0b", "\x0c": "\\x0c", "\x85": "\\x85",
                          "\u2028": "\\u2028", "\u2029": "\\u2029", "\x1b": "\\x1b", "\x00": "\\x00"})


def echo_json(value: Any, indent: int | None = 2) -> None:
    """Print one JSON value.

    Args:
        value: what to print.
        indent: spaces per level; None for a single line.
    """
    click.echo(json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False))


def one_line(text: str) -> str:
    """Write a text so that it takes one line and cannot steer a terminal.

    Args:
        text: any text.

    Returns:
        The text with line ends and escape characters written out.
    """
    return text.translate(_ESCAPES)
