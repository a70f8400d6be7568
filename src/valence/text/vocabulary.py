"""What the tokens of a vocabulary are: their text, which are special, which continue a word."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from valence.forking import cached_property

__all__ = ["WORD_MARKS", "Vocabulary", "WordMark"]

WordMark = Literal["##", "\u0120", "\u2581"]
WORD_MARKS: tuple[WordMark, ...] = ("##", "\u0120", "\u2581")
"""How tokens tell words apart: those that continue one begin with ## (WordPiece), or those that begin one with what
stands for the space before it (byte-level BPE, sentencepiece)."""
# Byte-level BPE writes bytes as letters: those that can be seen as themselves, the others as those from 256 on.
_VISIBLE = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
_HIDDEN = [byte for byte in range(256) if byte not in set(_VISIBLE)]
_BYTES = {chr(byte): byte for byte in _VISIBLE} | {chr(256 + place): byte for place, byte in enumerate(_HIDDEN)}


@dataclass(frozen=True)
class Vocabulary:
    """The tokens of a tokenizer.

    Args:
        ids: token to id.
        special: tokens that stand for no text, such as [CLS].
        mark: how tokens tell words apart.
        whole: tokens that stand for the text that they are, without a mark.
    """

    ids: dict[str, int]
    special: frozenset[str]
    mark: WordMark = "##"
    whole: frozenset[str] = frozenset()

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
        """[V], by id; where tokens mark spaces, also those that begin a text."""
        return self._marked(self._continues)

    def text(self, ids: Iterable[int]) -> str:
        """Write tokens as the text that they stand for.

        Args:
            ids: of tokens that follow each other.

        Returns:
            The text. It begins with a space where the first token says that there is one; a WordPiece does not.
        """
        tokens = [self.tokens.get(int(index), f"[unused-{index}]") for index in ids]
        if self.mark == "##":
            parts = (token.removeprefix("##") if self._continues(token) else f" {token}" for token in tokens)
            return "".join(parts).removeprefix(" ")
        if self.mark == "\u2581":
            return "".join(token if self._is_whole(token) else token.replace(self.mark, " ") for token in tokens)
        return b"".join(map(self._bytes, tokens)).decode("utf-8", "replace")

    def _bytes(self, token: str) -> bytes:
        if self._is_whole(token) or any(letter not in _BYTES for letter in token):
            return token.encode()
        return bytes(_BYTES[letter] for letter in token)

    def _is_whole(self, token: str) -> bool:
        return token in self.special or token in self.whole

    def _continues(self, token: str) -> bool:
        if self._is_whole(token):
            return False
        if self.mark == "##":
            return token.startswith("##") and len(token) > len("##")
        return not (token.startswith(self.mark) or (self.mark == "\u0120" and self._bytes(token)[:1].isspace()))

    def _marked(self, holds: Callable[[str], bool]) -> NDArray[np.bool_]:
        marks = np.zeros(self.size, dtype=bool)
        marks[[index for token, index in self.ids.items() if holds(token)]] = True
        return marks
