"""Masked words: what a raw model expects where a word is missing, and how likely it finds a whole text.

Source: Devlin et al. 2019, "BERT"; Salazar et al. 2020, "Masked Language Model Scoring" (pseudo-log-likelihood).

Shapes: B batch, T tokens, M places, V vocabulary.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from valence.errors import EngineError, InputError, ModelError
from valence.text.batching import TokenBatch, collate
from valence.text.tokenizer import TokenizedText, Tokenizer

__all__ = ["MaskFill", "MaskFiller"]

_MASK = "[MASK]"  # what every model's mask may be called
_BATCH_TOKENS = 8192
_BATCH_PLACES = 256  # each is a row as wide as the vocabulary


class MaskedLMEngine(Protocol):
    """Runs a raw model."""

    def log_probabilities(
        self, batch: TokenBatch, rows: NDArray[np.int64], columns: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Score every word at chosen places.

        Args:
            batch: B texts.
            rows: [M], the text of each place.
            columns: [M], which token of the text.

        Returns:
            [M, V], natural logarithms.
        """
        ...


@dataclass(frozen=True, slots=True)
class MaskFill:
    """A word for a masked place."""

    mask: int
    """Which [MASK] of the text, from 0."""
    token: str
    """The word, or with ## the part that continues the word before it."""
    token_id: int
    """Its number in the vocabulary."""
    score: float
    """Its probability among all words of the vocabulary."""
    text: str
    """The text with this place filled; other masks stay."""


class MaskFiller:
    """Fills masked words.

    Args:
        tokenizer: of the model.
        engine: runs it.
    """

    def __init__(self, tokenizer: Tokenizer, engine: MaskedLMEngine) -> None:
        self.tokenizer = tokenizer
        self.engine = engine
        self._mask_id = tokenizer.special_id(_MASK)
        own = tokenizer.mask_token
        is_other = own != _MASK and len(tokenizer.contents([_MASK])[0]) == 1  # this model's vocabulary has another use
        self._masks = re.compile("|".join(map(re.escape, [own] if is_other else dict.fromkeys([own, _MASK]))))

    def fill(self, text: str, top_k: int = 5, candidates: Sequence[str] | None = None) -> list[MaskFill]:
        """Find the words that fit where a text says [MASK].

        Args:
            text: with one [MASK] or more, or with the model's own name for it, such as <mask>; each place is looked at
                with the others still masked.
            top_k: how many words for each, at most.
            candidates: consider these words alone; each must be one token of the model where it is to stand.

        Returns:
            One list for all masks: those of the first, most likely first, then those of the next.

        Raises:
            InputError: if the text has no [MASK] or is too long, or a candidate is not one token.
            ModelError: if the model's tokenizer does not know [MASK] as such.
        """
        if not isinstance(text, str):
            raise InputError(f"the text must be a string, found {text!r:.80}")
        if isinstance(top_k, bool) or not isinstance(top_k, int) or top_k < 1:
            raise InputError(f"top_k must be a whole number from 1, found {top_k!r}")
        if candidates is not None and (isinstance(candidates, str) or not candidates):
            raise InputError(f"candidates must be a list of at least one word, found {candidates!r}")
        parts, written = self._masks.split(text), self._masks.findall(text)
        own = self.tokenizer.mask_token
        if not written:
            raise InputError(f"no {own} in the text {text!r:.80}: write {own} where a word is missing")
        has_space = [self._has_space(before) for before in parts[:-1]]
        allowed = {one: None if candidates is None else self._candidate_ids(candidates, one) for one in set(has_space)}
        tokens = self._tokenize([own.join(parts)])[0]
        places = np.flatnonzero(tokens.ids == self._mask_id)  # [M]
        if len(places) != len(written):
            raise ModelError(f"the tokenizer finds {len(places)} masks where the text has {len(written)}")
        fills: list[MaskFill] = []
        for first in range(0, len(places), _BATCH_PLACES):
            group = places[first : first + _BATCH_PLACES]
            scores = self._log_probabilities([tokens], np.zeros(len(group), dtype=np.int64), group)
            fills += [
                self._fill(parts, written, mask, int(index), float(np.exp(row[index])))
                for mask, row in enumerate(scores, start=first)
                for index in _best(row, top_k, allowed[has_space[mask]])
            ]
        return fills

    def token_log_likelihoods(self, texts: Sequence[str]) -> list[NDArray[np.float64]]:
        """Mask each token of each text in turn, and score the token that was there.

        Args:
            texts: any number.

        Returns:
            For each text the natural logarithm of the probability of each of its tokens, in order; special tokens
            are left out, but for [UNK].

        Raises:
            InputError: if a text is no text, or too long.
        """
        if isinstance(texts, str) or not isinstance(texts, Sequence):
            raise InputError(f"expected a list of texts, found {texts!r:.80}: put a single text in a list")
        for number, text in enumerate(texts, start=1):
            if not isinstance(text, str):
                raise InputError(f"text {number} must be a string, found {text!r:.80}")
        tokenized = self._tokenize(texts)
        special = self.tokenizer.vocabulary.is_special.copy()
        if (unknown := self.tokenizer.unknown_id) is not None:
            special[unknown] = False
        places = [np.flatnonzero(~special[text.ids]) for text in tokenized]
        found = [np.zeros(len(columns)) for columns in places]
        for jobs in _batches([len(text.ids) for text in tokenized], [len(columns) for columns in places]):
            masked, columns, originals = [], [], []
            for number, which in jobs:
                column = int(places[number][which])
                ids = tokenized[number].ids.copy()
                originals.append(int(ids[column]))
                ids[column] = self._mask_id
                masked.append(TokenizedText(ids, None, len(ids)))
                columns.append(column)
            rows = np.arange(len(jobs))
            scores = self._log_probabilities(masked, rows, np.array(columns, dtype=np.int64))[rows, originals]
            for (number, which), score in zip(jobs, scores, strict=True):
                found[number][which] = score
        return found

    def pseudo_log_likelihood(self, texts: Sequence[str]) -> list[float]:
        """Say how likely the model finds texts: the sum over tokens, each masked in turn.

        Args:
            texts: any number. Only texts of about the same length can be compared.

        Returns:
            One natural logarithm per text; 0 for a text without tokens.

        Raises:
            InputError: if a text is no text, or too long.
        """
        return [float(scores.sum()) for scores in self.token_log_likelihoods(texts)]

    def _tokenize(self, texts: Sequence[str]) -> list[TokenizedText]:
        tokenized = self.tokenizer(texts)
        for number, text in enumerate(tokenized, start=1):
            if text.truncated:
                raise InputError(
                    f"text {number} has {text.n_tokens:,} tokens, the model reads {self.tokenizer.max_length}: "
                    "shorten it"
                )
        return tokenized

    def _log_probabilities(
        self, texts: Sequence[TokenizedText], rows: NDArray[np.int64], columns: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        scores = self.engine.log_probabilities(collate(texts, self.tokenizer.pad_token_id), rows, columns)
        if np.isnan(scores).any():
            raise EngineError("the model gives no numbers (NaN): its weights are damaged")
        return scores

    def word_ids(self, word: str, before: str) -> NDArray[np.int32]:
        """Tokenise a word as it stands in a mask's place.

        Args:
            word: without spaces around it.
            before: the text before the mask.

        Returns:
            Its ids, [W]; with the space before it where the mask takes that and tokens have it.
        """
        return self.tokenizer.contents([f" {word}" if self._has_space(before) else word])[0]

    def _has_space(self, before: str) -> bool:
        """Tell whether the token in a mask's place begins with a space."""
        tokenizer = self.tokenizer
        return tokenizer.vocabulary.mark != "##" and tokenizer.mask_takes_space and before[-1:].isspace()

    def _candidate_ids(self, candidates: Sequence[str], has_space: bool) -> NDArray[np.int64]:
        return np.array(list(dict.fromkeys(self._candidate_id(word, has_space) for word in candidates)))

    def _candidate_id(self, word: str, has_space: bool) -> int:
        self.tokenizer.check(word, 1)
        vocabulary = self.tokenizer.vocabulary
        is_wordpiece = vocabulary.mark == "##"
        if is_wordpiece and word in vocabulary.ids:
            return vocabulary.ids[word]
        text = word
        if not is_wordpiece and word.startswith("##"):
            text = word.removeprefix("##")
        elif has_space and word and word == word.lstrip():
            text = f" {word}"
        ids = self.tokenizer.contents([text])[0].tolist()
        if len(ids) == 1 and not vocabulary.is_special[ids[0]]:
            return int(ids[0])
        pieces = [vocabulary.tokens[index] if is_wordpiece else vocabulary.text([index]).strip() for index in ids]
        raise InputError(
            f"the candidate {word!r} is not one token of this model: it becomes {' '.join(pieces) or 'nothing'}"
        )

    def _fill(self, parts: Sequence[str], written: Sequence[str], mask: int, index: int, score: float) -> MaskFill:
        """Put a word in the place of one of the masks that stand between the parts of a text."""
        vocabulary, tokenizer = self.tokenizer.vocabulary, self.tokenizer
        before = "".join(part + name for part, name in zip(parts[:mask], written[:mask], strict=True))
        before += parts[mask]
        others = zip(written[mask + 1 :], parts[mask + 2 :], strict=True)
        after = parts[mask + 1] + "".join(name + part for name, part in others)
        word = vocabulary.text([index])
        if vocabulary.mark == "##":
            continues = bool(vocabulary.continues_word[index : index + 1].any())
            head = before.rstrip() if continues else before
        else:
            has_space = word[:1].isspace()
            head = before.rstrip() if has_space or tokenizer.mask_takes_space else before
            continues = not has_space and head[-1:].isalnum() and word[:1].isalnum()
            word = word if head else word.lstrip()
        token = f"##{word}" if continues else word.strip() or word
        return MaskFill(mask, token, index, score, head + word + after)


def _best(scores: NDArray[np.float32], top_k: int, allowed: NDArray[np.int64] | None) -> NDArray[np.int64]:
    """Choose the most likely words, best first; of equal ones the lower number."""
    ids = np.arange(len(scores)) if allowed is None else np.sort(allowed)
    if top_k < len(ids):  # so that not all of them are sorted
        threshold = np.partition(scores[ids], len(ids) - top_k)[len(ids) - top_k]
        ids = ids[scores[ids] >= threshold]
    return ids[np.argsort(-scores[ids], kind="stable")][:top_k]


def _batches(lengths: Sequence[int], counts: Sequence[int]) -> Iterator[list[tuple[int, int]]]:
    """Group (text, which of its places), long texts first, so that little is padding."""
    jobs: list[tuple[int, int]] = []
    size = 0
    for number in sorted(range(len(lengths)), key=lambda number: -lengths[number]):
        for which in range(counts[number]):
            if not jobs:
                size = max(1, min(_BATCH_PLACES, _BATCH_TOKENS // lengths[number]))
            jobs.append((number, which))
            if len(jobs) == size:
                yield jobs
                jobs = []
    if jobs:
        yield jobs
