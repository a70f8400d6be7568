"""What a text to learn from has in common with texts that are kept for measuring.

Texts are compared by their words: without case, accents, punctuation and markup, and alike however a tokeniser divided
them ("It's", "it 's"; "don't", "do n't").
"""

import collections
import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Literal, get_args

__all__ = ["REASONS", "RUN", "KeptTexts", "Reason", "words_of"]

RUN = 5  # words in a row
Reason = Literal["equal", "contained", "containing", "five words in a row"]
REASONS: tuple[Reason, ...] = get_args(Reason)
_WORD = re.compile(r"[^\W_]+")
_NOT = re.compile(r"n['’]t\b")
_MARKUP = re.compile(r"<br\s*/?>|-[lr]rb-")


def words_of(text: str) -> list[str]:
    """Divide a text into the words that it is compared by.

    Args:
        text: any text.

    Returns:
        Lower-case letters and digits; none for a text of punctuation alone.
    """
    text = text.lower()
    if not text.isascii():
        text = "".join(one for one in unicodedata.normalize("NFKD", text) if not unicodedata.combining(one))
    return _WORD.findall(_MARKUP.sub(" ", _NOT.sub(" nt", text)))


def _runs(words: Sequence[str], length: int) -> set[int]:
    """Hash every run of so many words; 64 bits are enough to tell a few million apart."""
    return set(map(hash, zip(*(words[start:] for start in range(length)), strict=False)))


class KeptTexts:
    """Texts that are kept for measuring, as an index.

    Args:
        texts: the texts.
        fewest: words that the smaller of two texts must have where one contains the other; of fewer words it is in many
            texts by chance.
        with_runs: whether five words in a row count. Two whole reviews share some by chance.
    """

    def __init__(self, texts: Iterable[str], fewest: int = 1, with_runs: bool = True) -> None:
        self._fewest = fewest
        self._with_runs = with_runs
        self._runs: set[int] = set()
        self._shorter: set[int] = set()  # runs of fewer than five words
        self._short_texts: dict[int, set[int]] = collections.defaultdict(set)  # texts of so many words, fewer than five
        self._by_first_run: dict[int, list[str]] = collections.defaultdict(list)  # the others
        found = dict.fromkeys(" ".join(words) for text in texts if (words := words_of(text)))
        self._texts = frozenset(found)
        self._all = f" {' | '.join(found)} "  # a bar stands in no text
        for text in found:
            words = text.split()
            self._runs |= _runs(words, RUN)
            for length in range(fewest, RUN):
                self._shorter |= _runs(words, length)
            if len(words) >= RUN:
                self._by_first_run[hash(tuple(words[:RUN]))].append(text)
            elif len(words) >= fewest:
                self._short_texts[len(words)].add(hash(tuple(words)))

    def reason_against(self, words: Sequence[str], runs: set[int]) -> Reason | None:
        """Say what a text to learn from has in common with these.

        Args:
            words: of the text.
            runs: hashes of its runs of five words, from `runs_of`.

        Returns:
            The first reason not to learn from it; None if there is none.
        """
        if not words:
            return None
        text = " ".join(words)
        if text in self._texts:
            return "equal"
        if len(words) < RUN:
            if hash(tuple(words)) in self._shorter:
                return "contained"
        elif runs <= self._runs and f" {text} " in self._all:
            return "contained"
        if any(not of_length.isdisjoint(_runs(words, length)) for length, of_length in self._short_texts.items()):
            return "containing"
        if runs.isdisjoint(self._runs):
            return None
        starts = self._by_first_run.keys() & runs
        if any(f" {kept} " in f" {text} " for start in starts for kept in self._by_first_run[start]):
            return "containing"
        return "five words in a row" if self._with_runs else None

    def reason(self, text: str) -> Reason | None:
        """Say the same of a text that is not divided into words yet.

        Args:
            text: to learn from.

        Returns:
            The reason, or None.
        """
        words = words_of(text)
        return self.reason_against(words, runs_of(words))


def runs_of(words: Sequence[str]) -> set[int]:
    """Hash the runs of five words, once for several `KeptTexts`.

    Args:
        words: of a text.

    Returns:
        The hashes.
    """
    return _runs(words, RUN)
