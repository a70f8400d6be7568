"""The words of a text, and which tokens belong to each."""

import unicodedata
from dataclasses import dataclass

from valence.errors import InputError
from valence.text.tokenizer import Text, Tokenizer

__all__ = ["Word", "token_counts", "words_of"]

_MAX_CHARACTERS = 1_000_000
_MAX_WORDS = 10_000  # each is work of its own
_WITHIN_WORDS = "'’-"  # between letters or digits, as in "don't" and "well-made"
_WITHIN_NUMBERS = ".,"


@dataclass(frozen=True, slots=True)
class Word:
    """A word, a number, or a punctuation mark."""

    text: str
    start: int
    """Its first character in the text, from 0."""
    end: int
    """The character after its last."""
    tokens: range
    """Which of the text's tokens are its own, special tokens not counted."""
    part: int = 0
    """In a pair 1 for a word of the second text."""


def words_of(tokenizer: Tokenizer, text: Text) -> list[Word]:
    """Divide a text into words so that every token belongs to one.

    Args:
        tokenizer: of the model.
        text: a text or a pair, checked.

    Returns:
        The words in order; in a pair those of the first text come first.

    Raises:
        InputError: if there are too many to explain each.
    """
    parts = (text,) if isinstance(text, str) else text
    words: list[Word] = []
    for number, part in enumerate(parts):
        if len(part) > _MAX_CHARACTERS:
            raise InputError(
                f"the text has {len(part):,} characters, and at most {_MAX_CHARACTERS:,} can be explained: "
                "explain a part of it"
            )
        words += _words_of_part(tokenizer, part, number)
    if len(words) > _MAX_WORDS:
        raise InputError(
            f"the text has {len(words):,} words, and at most {_MAX_WORDS:,} can be explained: explain a part of it"
        )
    return words


def token_counts(words: list[Word], text: Text) -> tuple[int, ...]:
    """Count the tokens of a text.

    Args:
        words: all words of it.
        text: the text or pair.

    Returns:
        Its tokens, special tokens not counted; of a pair both counts.
    """
    parts = range(1 if isinstance(text, str) else 2)
    return tuple(sum(len(word.tokens) for word in words if word.part == part) for part in parts)


def _words_of_part(tokenizer: Tokenizer, text: str, part: int) -> list[Word]:
    ids, starts, ends = (values.tolist() for values in tokenizer.contents_with_offsets(text))
    continues = tokenizer.vocabulary.continues_word
    words: list[Word] = []
    first = 0
    for after in range(1, len(ids) + 1):
        if after < len(ids) and (continues[ids[after]] or _is_within(text, ends[after - 1], starts[after])):
            continue
        start, end = starts[first], max(ends[first:after])
        while unicodedata.category(text[end : end + 1] or " ").startswith("M"):  # accents, which many models drop
            end += 1
        words.append(Word(text[start:end], start, end, range(first, after), part))
        first = after
    return words


def _is_within(text: str, end: int, start: int) -> bool:
    """Tell whether a word goes on from one token to the next: the first ends here, the next starts there."""
    if start != end:
        return start < end  # two tokens of one character
    last, following = text[end - 1 : end], text[start : start + 1]
    before, behind = text[max(end - 2, 0) : end - 1], text[start + 1 : start + 2]
    for mark, left, right in ((last, before, following), (following, last, behind)):
        if mark and mark in _WITHIN_WORDS and left.isalnum() and right.isalnum():
            return True
        if mark and mark in _WITHIN_NUMBERS and left.isdigit() and right.isdigit():
            return True
    return last == following and not last.isalnum()  # "..." and "!!!"
