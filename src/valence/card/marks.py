"""Figures in Markdown that a program finds again: each stands between two HTML comments that no reader sees.

    accuracy <!-- fact:evaluation.sst2-dev.accuracy -->0.9037<!-- end -->

A mark names its fact, in a table or a sentence, so that every figure is compared with its own report: a search for the
number alone could not tell 0.9037 of one data set from that of another.
"""

import re
from dataclasses import dataclass

__all__ = ["MarkedFigure", "MarkedText", "code", "escape", "mark", "read_marks", "slug"]

_MARKED = re.compile(r"<!-- fact:([^\s<>]{1,200}) -->([^<\n]{0,6000})<!-- end -->")
_OPEN = re.compile(r"<!-- fact:([^\s<>]{0,200})")
_MOST_CHARACTERS = 1000  # of a text that somebody else wrote
_MOST_OF_A_SLUG = 80
_HASH = re.compile(r"-[0-9a-f]{8}$")
_SPECIAL = re.compile(r"([\\`*_{}\[\]|~#!$])")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


@dataclass(frozen=True)
class MarkedFigure:
    """A figure as it stands in a card.

    Args:
        name: of its fact.
        text: what the card says.
        line: where, counted from 1.
    """

    name: str
    text: str
    line: int


@dataclass(frozen=True)
class MarkedText:
    """A card taken apart.

    Args:
        figures: the marked ones, in order.
        unclosed: names and lines of marks that do not end.
    """

    figures: tuple[MarkedFigure, ...]
    unclosed: tuple[tuple[str, int], ...]


def mark(name: str, text: str) -> str:
    """Write a figure so that it is found again. A line must not begin with one: it would be read as HTML.

    Args:
        name: of its fact.
        text: what readers see, not yet escaped.

    Returns:
        Markdown.
    """
    return f"<!-- fact:{name} -->{escape(text)}<!-- end -->"


def read_marks(markdown: str, first_line: int = 1) -> MarkedText:
    """Find the figures of a card.

    Args:
        markdown: the card.
        first_line: the line that it begins with.

    Returns:
        Its parts.
    """
    figures = []
    line, place = first_line, 0
    for match in _MARKED.finditer(markdown):
        line += markdown.count("\n", place, match.start())
        place = match.start()
        figures.append(MarkedFigure(match[1], match[2], line))
    rest = _MARKED.sub(" ", markdown)  # a mark lies within a line, so lines stay where they are
    unclosed = []
    line, place = first_line, 0
    for match in _OPEN.finditer(rest):
        line += rest.count("\n", place, match.start())
        place = match.start()
        unclosed.append((match[1], line))
    return MarkedText(tuple(figures), tuple(unclosed))


def escape(text: str) -> str:
    """Keep a text from being read as Markdown or HTML, and within its line.

    Args:
        text: any text, such as a label or the name of a file.

    Returns:
        Markdown that shows it.
    """
    plain = "".join(character if character.isprintable() else " " for character in text)
    shown = plain if len(plain) <= _MOST_CHARACTERS else f"{plain[:_MOST_CHARACTERS]}…"
    return _SPECIAL.sub(r"\\\1", re.sub("[&<>]", lambda match: _ENTITIES[match[0]], shown))


def code(text: str) -> str:
    """Keep a text within its line of a fenced block of code, where nothing can be escaped.

    Args:
        text: any text.

    Returns:
        The text, without what would end the line or look like a mark.
    """
    return "".join(character if character.isprintable() else "?" for character in text).replace("<!--", "< !--")


def slug(text: str) -> str:
    """Make a part of a fact's name out of a text.

    Args:
        text: any text.

    Returns:
        Letters, digits, dots, underscores and single hyphens, which an HTML comment may hold.
    """
    plain = re.sub(r"[^A-Za-z0-9_.]+", "-", text)
    ending = _HASH.search(plain) if len(plain) > _MOST_OF_A_SLUG else None  # what tells two reports of one name apart
    kept = plain[:_MOST_OF_A_SLUG] if ending is None else plain[: _MOST_OF_A_SLUG - len(ending[0])] + ending[0]
    return kept.strip("-.") or "unnamed"
