"""Cutting a very long text where no token crosses, so that it is tokenised in pieces of bounded size."""

__all__ = ["segments"]


def segments(text: str, size: int) -> list[tuple[int, str]]:
    """Cut a text before spaces or line ends.

    Args:
        text: the text.
        size: the characters wanted in a segment; one without a place to cut is longer.

    Returns:
        For each segment where it starts, in characters, and the segment; together they are the text.
    """
    found = []
    start = 0
    while len(text) - start > size:
        cut = max(text.rfind(" ", start + 1, start + size), text.rfind("\n", start + 1, start + size))
        if cut < 0:
            later = [at for at in (text.find(" ", start + size), text.find("\n", start + size)) if at >= 0]
            if not later:
                break
            cut = min(later)
        found.append((start, text[start:cut]))
        start = cut
    found.append((start, text[start:]))
    return found
