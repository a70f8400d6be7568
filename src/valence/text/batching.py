"""Batches of texts of nearly the same length, so that little of a batch is padding.

Shapes: B batch, T tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from valence.text.tokenizer import TokenizedText

__all__ = ["TokenBatch", "collate", "plan_batches"]


@dataclass(frozen=True, slots=True)
class TokenBatch:
    """What an engine reads."""

    input_ids: NDArray[np.int64]
    """[B, T]."""
    attention_mask: NDArray[np.int64]
    """[B, T], 1 for a token and 0 for padding."""
    token_type_ids: NDArray[np.int64] | None = None
    """[B, T]; None where every token is of type 0."""


def plan_batches(lengths: Sequence[int], max_tokens: int, max_texts: int = 512) -> list[NDArray[np.intp]]:
    """Group texts by length under a budget.

    Args:
        lengths: tokens per text.
        max_tokens: the most a batch may hold, padding counted; a longer text gets a batch of its own.
        max_texts: the most texts in a batch.

    Returns:
        For each batch the indices of its texts; longest first, so that too little memory shows at once.
    """
    order = np.argsort(-np.asarray(lengths, dtype=np.int64), kind="stable")
    batches: list[NDArray[np.intp]] = []
    start = 0
    while start < len(order):
        longest = max(lengths[order[start]], 1)
        size = min(max(max_tokens // longest, 1), max_texts)
        batches.append(order[start : start + size])
        start += size
    return batches


def collate(texts: Sequence[TokenizedText], pad_token_id: int) -> TokenBatch:
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
        input_ids[row, : len(text.ids)] = text.ids
        attention_mask[row, : len(text.ids)] = 1
        if token_type_ids is not None and text.type_ids is not None:
            token_type_ids[row, : len(text.ids)] = text.type_ids
    return TokenBatch(input_ids, attention_mask, token_type_ids)
