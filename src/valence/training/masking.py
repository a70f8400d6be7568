"""Choosing which tokens a model must guess, anew for every batch.

Of the tokens, 15 % are chosen; of these 80 % become [MASK], 10 % another token at random, 10 % stay.
Source: Devlin et al. 2019, "BERT"; Liu et al. 2019, "RoBERTa" (anew for every batch); whole words as
in BERT's later release.

Shapes: B batch, T tokens, M chosen tokens.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from valence.text.batching import TokenBatch
from valence.text.tokenizer import Tokenizer
from valence.text.vocabulary import Vocabulary

__all__ = ["MaskedBatch", "Masking"]

_MASKED, _REPLACED = 0.8, 0.1


@dataclass(frozen=True)
class MaskedBatch:
    """A batch with tokens hidden in it."""

    batch: TokenBatch
    rows: NDArray[np.int64]
    """[M], the text of each chosen token."""
    columns: NDArray[np.int64]
    """[M], its place in the text."""
    targets: NDArray[np.int64]
    """[M], the ids that were there."""


@dataclass(frozen=True)
class Masking:
    """How tokens are chosen.

    Args:
        vocabulary: of the model.
        mask_token_id: of [MASK].
        probability: of a token, or with whole words of a word.
        whole_words: choose all tokens of a word or none.
    """

    vocabulary: Vocabulary
    mask_token_id: int
    probability: float = 0.15
    whole_words: bool = False

    @classmethod
    def of(cls, tokenizer: Tokenizer, whole_words: bool = False) -> "Masking":
        """Make the masking for a tokenizer.

        Args:
            tokenizer: the model's.
            whole_words: see the class.

        Returns:
            The masking.
        """
        return cls(tokenizer.vocabulary, tokenizer.special_id("[MASK]"), whole_words=whole_words)

    def __call__(self, batch: TokenBatch, random: np.random.Generator) -> MaskedBatch:
        """Hide tokens of a batch; special tokens and padding are never chosen.

        Args:
            batch: B texts; not changed.
            random: the source of chance.

        Returns:
            The batch to show, and what was there. At least one token is chosen, if there is one to choose.
        """
        ids = batch.input_ids
        eligible = (batch.attention_mask == 1) & ~self.vocabulary.is_special[ids]  # [B, T]
        if self.whole_words:
            follows = np.zeros_like(eligible)
            follows[:, 1:] = self.vocabulary.continues_word[ids[:, 1:]] & eligible[:, :-1]
            word = np.cumsum(~follows.ravel()).reshape(ids.shape)
            chosen = eligible & (random.random(int(word[-1, -1]) + 1) < self.probability)[word]
        else:
            chosen = eligible & (random.random(ids.shape) < self.probability)
        if not chosen.any() and eligible.any():
            rows, columns = eligible.nonzero()
            one = random.integers(len(rows))
            chosen[rows[one], columns[one]] = True
        rows, columns = chosen.nonzero()
        fate = random.random(len(rows))
        anything = random.choice(np.flatnonzero(~self.vocabulary.is_special), len(rows))
        shown = np.where(
            fate < _MASKED, self.mask_token_id, np.where(fate < _MASKED + _REPLACED, anything, ids[rows, columns])
        )
        hidden = ids.copy()
        hidden[rows, columns] = shown
        return MaskedBatch(replace(batch, input_ids=hidden), rows, columns, ids[rows, columns])
