"""Batches of texts of nearly the same length, so that little of a batch is padding.

Shapes: B batch, T tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["TokenBatch", "Tokens", "collate", "plan_batches"]


class Tokens(Protocol):
    """A tokenised text, or a window of one."""

    @property
    def ids(self) -> NDArray[np.int32]:
        """[T]."""
        ...

    @property
    def type_ids(self) -> NDArray[np.int32] | None:
        """[T]; None where all are 0."""
        ...


@dataclass(frozen=True, slots=True)
class TokenBatch:
    """What an engine reads."""

    input_ids: NDArray[np.int64]
    """[B, T]."""
    attention_mask: NDArray[np.int64]
    """[B, T], 1 for a token and 0 for padding."""
    token_type_ids: NDArray[np.int64] | None = None
    """[B, T]; None where every token is of type 0."""


def plan_batches(
    lengths: Sequence[int], max_tokens: int, max_texts: int = 512, max_padding: int | None = None, min_batches: int = 1
) -> list[NDArray[np.intp]]:
    """Group texts by length under a budget.

    Args:
        lengths: tokens per text.
        max_tokens: the most a batch may hold, padding counted; a longer text gets a batch of its own.
        max_texts: the most texts in a batch.
        max_padding: the padding of a batch, in tokens, from which another batch is cheaper; no limit if None.
        min_batches: how many batches of about equal size are wanted at least, where there are as many texts.

    Returns:
        For each batch the indices of its texts; longest first, so that too little memory shows at once.
    """
    order = np.argsort(-np.asarray(lengths, dtype=np.int64), kind="stable")
    budget = max_tokens if min_batches == 1 else min(max_tokens, -(-sum(lengths) // min_batches))
    batches: list[NDArray[np.intp]] = []
    start = 0
    while start < len(order):
        longest = max(lengths[order[start]], 1)
        end = min(start + min(max(budget // longest, 1), max_texts), len(order))
        if max_padding is not None and (end - start) * (longest - lengths[order[end - 1]]) > max_padding:
            padding = 0
            for stop in range(start + 1, end):
                padding += longest - lengths[order[stop]]
                if padding > max_padding:
                    end = stop
                    break
        batches.append(order[start:end])
        start = end
    return batches


def collate(texts: Sequence[Tokens], pad_token_id: int) -> TokenBatch:
    """Put texts in one batch, padded on the right to the longest.

    Args:
        texts: at least one.
        pad_token_id: the id of the padding token.

    Returns:
        The batch, in the order given.
    """
    longest = max(len(text.ids) for text in texts)
    input_ids = np.full((len(texts), longest), pad_token_id, dtype=np.int64)
    attention_mask = np.zeros((len(texts), longest), dtype=np.int64)
    has_types = any(text.type_ids is not None for text in texts)
    token_type_ids = np.zeros((len(texts), longest), dtype=np.int64) if has_types else None
    for row, text in enumerate(texts):
        n = len(text.ids)
        input_ids[row, :n] = text.ids
        attention_mask[row, :n] = 1
        if token_type_ids is not None and text.type_ids is not None:
            token_type_ids[row, :n] = text.type_ids
    return TokenBatch(input_ids, attention_mask, token_type_ids)
