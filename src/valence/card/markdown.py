"""Markdown whose texts stay texts: whatever is inserted is escaped, unless it is Markdown already."""

import re
from collections.abc import Iterable, Sequence

from valence.reports.printing import markdown_table

__all__ = ["Markdown", "code", "escape", "fenced", "joined", "table"]

_MOST_CHARACTERS = 1000  # of a text that somebody else wrote
_SPECIAL = re.compile(r"([\\`*_{}\[\]|~#!$])")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


class Markdown(str):
    """Text that is Markdown already. Joining or cutting it gives a plain text, which is escaped again."""

    __slots__ = ()


def escape(text: object) -> Markdown:
    """Keep a text from being read as Markdown or HTML, and within its line.

    Args:
        text: any text, such as a label or the name of a file. Markdown stays what it is.

    Returns:
        Markdown that shows it.
    """
    if isinstance(text, Markdown):
        return text
    plain = "".join(character if character.isprintable() else " " for character in str(text))
    shown = plain if len(plain) <= _MOST_CHARACTERS else f"{plain[:_MOST_CHARACTERS]}…"
    return Markdown(_SPECIAL.sub(r"\\\1", re.sub("[&<>]", lambda match: _ENTITIES[match[0]], shown)))


def code(text: str) -> Markdown:
    """Keep a text within its line of a fenced block of code, where nothing can be escaped.

    Args:
        text: any text.

    Returns:
        The text, without what would end the line or look like a mark.
    """
    plain = "".join(character if character.isprintable() else "?" for character in text)
    return Markdown(plain.replace("<!--", "< !--"))


def fenced(text: str) -> Markdown:
    """Keep a text within a fenced block of code.

    Args:
        text: any text of any lines.

    Returns:
        Its lines as code; one that would end the block is turned into a comment.
    """
    lines = map(code, text.splitlines())
    return Markdown("\n".join(f"# {line}" if line.lstrip().startswith(("```", "~~~")) else line for line in lines))


def joined(parts: Iterable[object], by: str = ", ", last: str | None = None) -> Markdown:
    """Put texts and Markdown into a line.

    Args:
        parts: each is escaped by itself, unless it is Markdown.
        by: stands between them.
        last: stands before the last one instead.

    Returns:
        Markdown.
    """
    shown = list(map(escape, parts))
    if last is None or len(shown) < 2:
        return Markdown(by.join(shown))
    return Markdown(by.join(shown[:-1]) + last + shown[-1])


def table(rows: Sequence[Sequence[object]]) -> Markdown:
    """Print a table.

    Args:
        rows: the first is the head. Cells are texts, or Markdown.

    Returns:
        Its lines.
    """
    return Markdown(markdown_table([list(map(escape, row)) for row in rows]))
