"""The words of a text, and which tokens belong to each."""

import unicodedata
from collections.abc import Iterator
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
    spans = [_without_spaces(text, *span) for span in zip(starts, ends, strict=True)]
    vocabulary = tokenizer.vocabulary
    goes_on = [False] * len(ids)
    for after in range(1, len(ids)):
        end, start = spans[after - 1][1], spans[after][0]
        continues = vocabulary.continues_word[ids[after]] and (vocabulary.mark == "##" or _is_one(text, end, start))
        goes_on[after] = bool(continues) or _is_within(text, end, start)
    words: list[Word] = []
    for tokens in _groups(goes_on, [start == end for start, end in spans]):
        own = [spans[token] for token in tokens if spans[token][0] < spans[token][1]] or [
            (starts[tokens[0]], ends[tokens[-1]])
        ]
        start, end = own[0][0], max(end for _, end in own)
        while _is_accent(text[end : end + 1]):  # which many models drop
            end += 1
        words.append(Word(text[start:end], start, end, tokens, part))
    return words


def _groups(goes_on: list[bool], is_blank: list[bool]) -> Iterator[range]:
    """Divide tokens into words; those of spaces alone belong to the word behind them, the last to the one before."""
    n = len(goes_on)
    last = max((token for token in range(n) if not is_blank[token]), default=n)
    first, has_text = 0, False
    for after in range(1, n):
        has_text = has_text or not is_blank[after - 1]
        if has_text and not goes_on[after] and after <= last:
            yield range(first, after)
            first, has_text = after, False
    if n:
        yield range(first, n)


def _without_spaces(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start].isspace():
        start += 1
    while start < end and text[end - 1].isspace():
        end -= 1
    return start, end


def _is_one(text: str, end: int, start: int) -> bool:
    """Tell whether what ends here and what starts there are parts of one word, where tokens mark spaces alone."""
    if start != end:
        return start < end  # parts of one character
    last, following = text[end - 1 : end], text[start : start + 1]
    return _is_accent(following) or all(_is_of_word(letter) for letter in (last, following))


def _is_accent(letter: str) -> bool:
    return unicodedata.category(letter or " ").startswith("M")


def _is_of_word(letter: str) -> bool:
    return (letter.isalnum() or _is_accent(letter)) and not _is_ideograph(letter)


def _is_ideograph(letter: str) -> bool:
    """Tell letters that are words of their own, as in Chinese."""
    return "\u3400" <= letter <= "\u9fff" or letter >= "\U00020000"


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
