"""What the tokens of a vocabulary are: their text, which are special, which continue a word."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from valence.forking import cached_property

__all__ = ["CONTINUATION", "Vocabulary"]

CONTINUATION = "##"
"""How WordPiece marks a token that continues a word."""


@dataclass(frozen=True)
class Vocabulary:
    """The tokens of a WordPiece tokenizer.

    Args:
        ids: token to id.
        special: tokens that stand for no text, such as [CLS].
    """

    ids: dict[str, int]
    special: frozenset[str]

    @cached_property
    def tokens(self) -> dict[int, str]:
        """Id to token."""
        return {index: token for token, index in self.ids.items()}

    @cached_property
    def size(self) -> int:
        """One more than the largest id."""
        return max(self.ids.values()) + 1

    @cached_property
    def is_special(self) -> NDArray[np.bool_]:
        """[V], by id."""
        return self._marked(lambda token: token in self.special)

    @cached_property
    def continues_word(self) -> NDArray[np.bool_]:
        """[V], by id."""
        return self._marked(lambda token: token.startswith(CONTINUATION) and len(token) > len(CONTINUATION))

    def _marked(self, holds: Callable[[str], bool]) -> NDArray[np.bool_]:
        marks = np.zeros(self.size, dtype=bool)
        marks[[index for token, index in self.ids.items() if holds(token)]] = True
        return marks
