"""Statements in Markdown that a program finds again: each stands between two HTML comments that no reader sees.

    accuracy <!-- fact:evaluation.sst2-dev.accuracy -->0.9037<!-- end -->

The comments, its anchor, name the statement, in a table or a sentence, so that each is compared with its own source: a
search for the number alone could not tell 0.9037 of one data set from that of another.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Anchored", "Anchors", "anchored", "read_anchors", "slug"]

_ANCHORED = re.compile(r"<!-- fact:([^\s<>]{1,200}) -->([^<\n]{0,6000})<!-- end -->")
_OPEN = re.compile(r"<!-- fact:([^\s<>]{0,200})")
_MOST_OF_A_SLUG = 80
_HASH = re.compile(r"-[0-9a-f]{8}$")


@dataclass(frozen=True)
class Anchored:
    """A printed statement as it stands in a card.

    Args:
        name: of the statement.
        text: what the card says.
        line: where, counted from 1.
    """

    name: str
    text: str
    line: int


@dataclass(frozen=True)
class Anchors:
    """The anchors of a card.

    Args:
        statements: what stands between them, in order.
        unclosed: names and lines of anchors that do not end.
    """

    statements: tuple[Anchored, ...]
    unclosed: tuple[tuple[str, int], ...]


def anchored(name: str, markdown: str) -> str:
    """Write a statement so that it is found again. A line must not begin with one: it would be read as HTML.

    Args:
        name: of the statement.
        markdown: what readers see.

    Returns:
        Markdown.
    """
    return f"<!-- fact:{name} -->{markdown}<!-- end -->"


def read_anchors(markdown: str, first_line: int = 1) -> Anchors:
    """Find the statements of a card.

    Args:
        markdown: the card.
        first_line: the line that it begins with.

    Returns:
        Its anchors.
    """
    found = tuple(Anchored(match[1], match[2], line) for match, line in _with_lines(_ANCHORED, markdown, first_line))
    rest = _ANCHORED.sub(" ", markdown)  # an anchor lies within a line, so lines stay where they are
    return Anchors(found, tuple((match[1], line) for match, line in _with_lines(_OPEN, rest, first_line)))


def _with_lines(pattern: re.Pattern[str], text: str, line: int) -> Iterator[tuple[re.Match[str], int]]:
    place = 0
    for match in pattern.finditer(text):
        line += text.count("\n", place, match.start())
        place = match.start()
        yield match, line


def slug(text: str) -> str:
    """Make a part of an anchor out of a text.

    Args:
        text: any text.

    Returns:
        Letters, digits, dots, underscores and single hyphens, which an HTML comment may hold.
    """
    plain = re.sub(r"[^A-Za-z0-9_.]+", "-", text)
    ending = _HASH.search(plain) if len(plain) > _MOST_OF_A_SLUG else None  # what tells two reports of one name apart
    kept = plain[:_MOST_OF_A_SLUG] if ending is None else plain[: _MOST_OF_A_SLUG - len(ending[0])] + ending[0]
    return kept.strip("-.") or "unnamed"
