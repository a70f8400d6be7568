"""Dividing English text into sentences, well enough to make pairs of neighbours for training."""

import re

__all__ = ["split_sentences"]

# After a full stop, question or exclamation mark (and closing quotes), before what can begin a sentence; not after
# an initial or a common abbreviation. A line break always divides.
_END = re.compile(
    r"(?:(?<=[.!?])|(?<=[.!?][\"')\]]))"
    r"(?<!\b[A-Z]\.)(?<!\bMr\.)(?<!\bDr\.)(?<!\bMs\.)(?<!\bSt\.)(?<!\bvs\.)(?<!\bNo\.)(?<!\bMrs\.)(?<!\bU\.S\.)"
    r"\s+(?=[\"'(\[]?[A-Z0-9])"
)


def split_sentences(text: str) -> list[str]:
    """Divide a text into sentences.

    Args:
        text: English text.

    Returns:
        The sentences in order, none blank.
    """
    parts = (part for line in text.split("\n") for part in _END.split(line))
    return [sentence for part in parts if (sentence := part.strip())]
