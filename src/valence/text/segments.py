"""Cutting a very long text where no token crosses, so that it is tokenised in pieces of bounded size."""

import re

__all__ = ["BEFORE_SPACE", "BETWEEN_WORDS", "segments"]

BEFORE_SPACE = re.compile("[ \n]")
"""Where tokens are parts of words, and nothing is made of spaces."""
BETWEEN_WORDS = re.compile(r"(?<=\S)[ \n]")
"""Where spaces are parts of tokens too, alone or with the word behind them: only before the first of several."""


def segments(text: str, size: int, places: re.Pattern[str] = BEFORE_SPACE) -> list[tuple[int, str]]:
    """Cut a text before spaces or line ends.

    Args:
        text: the text.
        size: the characters wanted in a segment; one without a place to cut is longer.
        places: before what it may be cut.

    Returns:
        For each segment where it starts, in characters, and the segment; together they are the text.
    """
    found = []
    start = 0
    while len(text) - start > size:
        cut = _last(text, start + 1, start + size, places)
        if cut is None:
            later = places.search(text, start + size)
            if later is None:
                break
            cut = later.start()
        found.append((start, text[start:cut]))
        start = cut
    found.append((start, text[start:]))
    return found


def _last(text: str, start: int, stop: int, places: re.Pattern[str]) -> int | None:
    for first in (max(start, stop - 128), start):  # most often it is near
        if found := [match.start() for match in places.finditer(text, first, stop)]:
            return found[-1]
    return None
