"""Names as a reader sees them: without the differences that no screen shows."""

import functools
import unicodedata

__all__ = ["visible"]

_VARIATION_SELECTORS = range(0xFE00, 0xFE10)


@functools.lru_cache(4096)
def visible(name: str) -> str:
    """Remove from a name what cannot be seen.

    Args:
        name: a class's or a column's name.

    Returns:
        In Unicode's composed form (NFC), without format characters (zero-width ones, byte order and direction marks,
        soft hyphens) and variation selectors, with single plain spaces, and none around it.
    """
    if name.isascii() and name.isprintable() and "  " not in name:
        return name.strip()
    kept = (
        character
        for character in unicodedata.normalize("NFC", name)
        if unicodedata.category(character) != "Cf" and ord(character) not in _VARIATION_SELECTORS
    )
    return " ".join("".join(kept).split())
