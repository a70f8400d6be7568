"""README.md as it is found: anybody may have changed it, and it may be no text at all."""

from dataclasses import dataclass
from pathlib import Path

from valence.card.anchors import Anchors, read_anchors
from valence.card.front_matter import ParsedCard, parse_card
from valence.errors import DataError
from valence.files import refuse_lfs_pointer

__all__ = ["Readme", "parse_readme", "read_readme"]

_MOST_BYTES = 1 << 20  # ten times what a card with everything takes
_MOST_LINES = 10_000


@dataclass(frozen=True)
class Readme:
    """A card and its statements.

    Args:
        card: metadata and text.
        anchors: of the statements in the text.
        lines: all of it, metadata too.
    """

    card: ParsedCard
    anchors: Anchors
    lines: tuple[str, ...]


def read_readme(path: Path) -> Readme:
    """Read a card.

    Args:
        path: README.md.

    Returns:
        The card.

    Raises:
        DataError: if there is none, or it is no text, too large, or its metadata are broken; names the line.
    """
    refuse_lfs_pointer(path, DataError)
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        raise DataError("there is no card to check; valence card MODEL writes one", path) from None
    except OSError as problem:
        raise DataError(f"cannot be read: {problem.strerror or problem}", path) from None
    if len(content) > _MOST_BYTES:
        raise DataError(f"too large for a card: more than {_MOST_BYTES:,} bytes", path)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = content.count(b"\n", 0, problem.start) + 1
        raise DataError("not UTF-8, as a card must be; save it in that encoding", path, line) from None
    return parse_readme(text, path)


def parse_readme(text: str, path: object) -> Readme:
    """Take a card's text apart.

    Args:
        text: of the card.
        path: where it lies, for messages.

    Returns:
        The card.

    Raises:
        DataError: if its metadata are broken, or it is too large.
    """
    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    if plain.count("\n") > _MOST_LINES:
        raise DataError(f"too large for a card: more than {_MOST_LINES:,} lines", path)
    card = parse_card(plain, path)
    return Readme(card, read_anchors(card.text, card.text_line), tuple(plain.split("\n")))
