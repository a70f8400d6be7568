"""Documents to what a model is pretrained on: full sequences, or pairs of neighbouring passages.

Source: full sequences across documents as in Liu et al. 2019, "RoBERTa"; pairs as in Devlin et al. 2019, "BERT".
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from valence.errors import InputError
from valence.text.sentences import split_sentences
from valence.text.tokenizer import TokenizedText, Tokenizer

__all__ = ["Corpus", "PackedText", "Pairs", "pack", "pair_up"]

_SHORTEST_PAIR = 16
_SHORT_PAIRS = 0.5  # the share made of two single sentences, as users will ask about


class Corpus(Protocol):
    """Examples to hide words in."""

    @property
    def lengths(self) -> Sequence[int]:
        """Tokens per example."""
        ...

    def draw(
        self, examples: NDArray[np.intp], random: np.random.Generator
    ) -> tuple[list[TokenizedText], NDArray[np.int64] | None]:
        """Give the texts of examples.

        Args:
            examples: their numbers.
            random: the source of chance.

        Returns:
            One text each; and for pairs 0 where the second passage follows the first, 1 where it does not.
        """
        ...


@dataclass(frozen=True)
class PackedText:
    """Sequences of one length.

    Args:
        texts: [CLS] tokens [SEP], whatever the model calls these; a [SEP] between two documents too.
    """

    texts: Sequence[TokenizedText]

    @property
    def lengths(self) -> Sequence[int]:
        """Tokens per sequence."""
        return [len(text.ids) for text in self.texts]

    def draw(self, examples: NDArray[np.intp], random: np.random.Generator) -> tuple[list[TokenizedText], None]:
        """Give sequences.

        Args:
            examples: their numbers.
            random: not needed.

        Returns:
            The sequences.
        """
        return [self.texts[index] for index in examples], None


def pack(documents: Sequence[str], tokenizer: Tokenizer, what: str = "the text") -> PackedText:
    """Pack documents into sequences as long as the tokenizer's limit.

    Args:
        documents: one after the other; one without a token is left out.
        tokenizer: with the length wanted as its limit.
        what: what to call the documents in messages.

    Returns:
        The sequences; only the last may be shorter.

    Raises:
        InputError: if there is no word in any document.
    """
    begin, end = tokenizer.special_id("[CLS]"), tokenizer.special_id("[SEP]")
    divider = np.array([end], dtype=np.int32)
    special = tokenizer.vocabulary.is_special
    full = [ids for ids in tokenizer.contents(documents) if not special[ids].all()]
    if not full:
        raise InputError(f"{what} holds no words to hide")
    parts = [part for ids in full for part in (ids, divider)]
    stream = np.concatenate(parts)[:-1]
    room = tokenizer.max_length - 2
    return PackedText([_framed(begin, stream[start : start + room], end) for start in range(0, len(stream), room)])


def _framed(begin: int, ids: NDArray[np.int32], end: int) -> TokenizedText:
    framed = np.concatenate([[begin], ids, [end]]).astype(np.int32)
    return TokenizedText(framed, None, len(framed))


@dataclass(frozen=True)
class Pairs:
    """Passages and those that follow them.

    Args:
        first: N passages, [T] each.
        second: N passages, each following the first of its number.
        documents: int64 [N], where they come from; in ascending order.
        begin: the id of [CLS].
        end: the id of [SEP].
        separators: how many of these stand between the passages.
    """

    first: Sequence[NDArray[np.int32]]
    second: Sequence[NDArray[np.int32]]
    documents: NDArray[np.int64]
    begin: int
    end: int
    separators: int = 1

    @property
    def lengths(self) -> Sequence[int]:
        """Tokens per pair, while the second passage is the one that follows."""
        return [len(a) + len(b) + 2 + self.separators for a, b in zip(self.first, self.second, strict=True)]

    def draw(
        self, examples: NDArray[np.intp], random: np.random.Generator
    ) -> tuple[list[TokenizedText], NDArray[np.int64]]:
        """Give pairs; of half of them the second passage is one of another document.

        Args:
            examples: their numbers.
            random: the source of chance.

        Returns:
            The pairs; 0 where the second passage follows the first, 1 where it does not.
        """
        is_random = random.integers(0, 2, len(examples))
        texts = []
        for example, elsewhere in zip(examples, is_random, strict=True):
            second = self._elsewhere(int(example), random) if elsewhere else int(example)
            texts.append(self._framed(self.first[example], self.second[second]))
        return texts, is_random

    def _elsewhere(self, example: int, random: np.random.Generator) -> int:
        """Choose a pair of another document."""
        own = self.documents[example]
        start, stop = np.searchsorted(self.documents, [own, own + 1])
        chosen = int(random.integers(len(self.documents) - (stop - start)))
        return chosen if chosen < start else chosen + int(stop - start)

    def _framed(self, first: NDArray[np.int32], second: NDArray[np.int32]) -> TokenizedText:
        between = [self.end] * self.separators
        ids = np.concatenate([[self.begin], first, between, second, [self.end]]).astype(np.int32)
        types = (np.arange(len(ids)) > len(first) + self.separators).astype(np.int32)
        return TokenizedText(ids, types, len(ids))


def pair_up(documents: Sequence[str], tokenizer: Tokenizer, seed: int, what: str = "the text") -> Pairs:
    """Divide documents into passages of whole sentences, two by two.

    Half of the pairs are two single sentences; the others fill half of the tokenizer's limit each.

    Args:
        documents: of several sentences.
        tokenizer: with the length wanted of a pair as its limit.
        seed: decides which pairs are short.
        what: what to call the documents in messages.

    Returns:
        The pairs.

    Raises:
        InputError: if not at least two documents have two sentences, or the limit leaves no room for pairs.
    """
    if tokenizer.max_length < _SHORTEST_PAIR:
        raise InputError(f"pairs need a length of at least {_SHORTEST_PAIR} tokens, found {tokenizer.max_length}")
    random = np.random.default_rng(seed)
    half = (tokenizer.max_length - 2 - tokenizer.separators) // 2
    first, second, origin = [], [], []
    for number, document in enumerate(documents):
        sentences = [ids for ids in tokenizer.contents(split_sentences(document)) if len(ids)]
        for before, after in _passages(sentences, half, random):
            first.append(before[-half:])  # what lies next to the second passage
            second.append(after[:half])
            origin.append(number)
    if len(set(origin)) < 2:
        raise InputError(
            f"next sentences need at least two documents of two sentences or more, and {what} has fewer: in a .txt "
            "file a blank line ends a document"
        )
    ends = tokenizer.special_id("[CLS]"), tokenizer.special_id("[SEP]")
    return Pairs(first, second, np.array(origin, dtype=np.int64), *ends, tokenizer.separators)


def _passages(
    sentences: Sequence[NDArray[np.int32]], half: int, random: np.random.Generator
) -> Iterator[tuple[NDArray[np.int32], NDArray[np.int32]]]:
    """Give neighbouring passages of a document until fewer than two sentences are left."""
    start = 0
    while len(sentences) - start >= 2:
        wanted = 1 if random.random() < _SHORT_PAIRS else half
        middle = _fill(sentences, start, wanted, len(sentences) - 1)
        stop = _fill(sentences, middle, wanted, len(sentences))
        yield np.concatenate(sentences[start:middle]), np.concatenate(sentences[middle:stop])
        start = stop


def _fill(sentences: Sequence[NDArray[np.int32]], start: int, wanted: int, limit: int) -> int:
    """Take sentences until they have the tokens wanted; at least one. Returns where the next passage begins."""
    stop, n_tokens = start + 1, len(sentences[start])
    while n_tokens < wanted and stop < limit:
        n_tokens += len(sentences[stop])
        stop += 1
    return stop
