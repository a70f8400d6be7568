"""Asks a model many texts at once: a classifier its probabilities, a raw model the words at masked places.

Shapes: N texts, T tokens, W words, V vocabulary.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from valence.audit.probe import Need, Scorer
from valence.errors import EngineError, InputError
from valence.progress import OnProgress
from valence.runtime.mask_filler import MaskFiller
from valence.runtime.next_sentence import NextSentencePredictor
from valence.text.batching import collate
from valence.text.tokenizer import TokenizedText

__all__ = [
    "MaskedPlace",
    "Progress",
    "next_sentence_probabilities",
    "positive_probabilities",
    "require",
    "token_log_probabilities",
]

_CHUNK_TEXTS = 512  # scored between two reports of progress
_BATCH_TOKENS = 8192
_BATCH_PLACES = 256  # each is a row as wide as the vocabulary

Asked = TypeVar("Asked")


def require(what: Asked | None, need: Need) -> Asked:
    """Refuse to probe a subject that lacks what the probe asks.

    Args:
        what: the part of the subject.
        need: its name.

    Returns:
        It.

    Raises:
        InputError: if it is not there.
    """
    if what is None:
        raise InputError(f"this probe asks a {need}, and the model audited has none")
    return what


class Progress:
    """Counts what is scored.

    Args:
        total: how many texts there are.
        on_progress: is told.
    """

    def __init__(self, total: int, on_progress: OnProgress | None) -> None:
        self.total = total
        self._done = 0
        self._on_progress = on_progress

    def advance(self, n: int) -> None:
        """Count more of them as done.

        Args:
            n: how many.
        """
        self._done += n
        if self._on_progress is not None:
            self._on_progress(self._done, self.total)


@dataclass(frozen=True)
class MaskedPlace:
    """A masked place in a text, and the words to score there."""

    ids: NDArray[np.int32]
    """[T], the text with special tokens and the mask in its place."""
    column: int
    """Where the mask is."""
    words: tuple[int, ...]
    """[W], token ids."""


def positive_probabilities(scorer: Scorer, texts: Sequence[str], progress: Progress) -> NDArray[np.float64]:
    """Score texts with a classifier; the same text is scored once.

    Args:
        scorer: the classifier.
        texts: any number.
        progress: is told.

    Returns:
        [N], P(POSITIVE).

    Raises:
        EngineError: if the classifier gives something else than a probability for each text.
    """
    places: dict[str, list[int]] = {}
    for number, text in enumerate(texts):
        places.setdefault(text, []).append(number)
    different = list(places)
    found = np.zeros(len(texts))
    for first in range(0, len(different), _CHUNK_TEXTS):
        chunk = different[first : first + _CHUNK_TEXTS]
        scores = np.asarray(scorer(chunk), dtype=np.float64)
        if scores.shape != (len(chunk),) or not np.isfinite(scores).all():
            raise EngineError(f"the classifier gives no probability for each of {len(chunk)} texts")
        for text, score in zip(chunk, scores, strict=True):
            found[places[text]] = score
        progress.advance(sum(len(places[text]) for text in chunk))
    return found


def token_log_probabilities(
    masked_lm: MaskFiller, places: Sequence[MaskedPlace], progress: Progress
) -> list[NDArray[np.float64]]:
    """Score words at masked places; words of the same place are scored together.

    Args:
        masked_lm: the raw model.
        places: any number.
        progress: is told.

    Returns:
        For each place the natural logarithms of the probabilities of its words, [W].

    Raises:
        EngineError: if the model gives no numbers.
    """
    same: dict[tuple[bytes, int], list[int]] = {}
    for number, place in enumerate(places):
        same.setdefault((place.ids.tobytes(), place.column), []).append(number)
    groups = sorted(same.values(), key=lambda group: -len(places[group[0]].ids))  # long first: little is padding
    found: list[NDArray[np.float64]] = [np.zeros(0)] * len(places)
    start = 0
    while start < len(groups):
        longest = len(places[groups[start][0]].ids)
        batch = groups[start : start + max(1, min(_BATCH_PLACES, _BATCH_TOKENS // longest))]
        start += len(batch)
        leaders = [places[group[0]] for group in batch]
        texts = [TokenizedText(leader.ids, None, len(leader.ids)) for leader in leaders]
        scores = masked_lm.engine.log_probabilities(
            collate(texts, masked_lm.tokenizer.pad_token_id),
            np.arange(len(batch)),
            np.array([leader.column for leader in leaders], dtype=np.int64),
        )
        for row, group in zip(scores, batch, strict=True):
            for number in group:
                found[number] = row[list(places[number].words)].astype(np.float64)
                if np.isnan(found[number]).any():
                    raise EngineError("the model gives no numbers (NaN): its weights are damaged")
        progress.advance(sum(map(len, batch)))
    return found


def next_sentence_probabilities(
    predictor: NextSentencePredictor, pairs: Sequence[tuple[str, str]], progress: Progress
) -> NDArray[np.float64]:
    """Score pairs of passages with a next-sentence head.

    Args:
        predictor: the raw model.
        pairs: any number.
        progress: is told.

    Returns:
        [N], the probability that the second follows the first.
    """
    found = np.zeros(len(pairs))
    for first in range(0, len(pairs), _CHUNK_TEXTS):
        chunk = list(pairs[first : first + _CHUNK_TEXTS])
        for number, answer in enumerate(predictor.predict(chunk), start=first):
            found[number] = answer.probability
        progress.advance(len(chunk))
    return found
