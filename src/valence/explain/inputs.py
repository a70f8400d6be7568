"""What the model reads at once of a text, and where the text's tokens are in it.

Shapes: T tokens.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from valence.errors import ModelError
from valence.text.tokenizer import TokenizedText

__all__ = ["ModelInput", "Run", "inputs_of"]


@dataclass(frozen=True, slots=True)
class Run:
    """Tokens of a text that lie side by side in a reading."""

    part: int
    """In a pair 1 for tokens of the second text."""
    column: int
    """Where the reading has the first of them."""
    token: int
    """Which of the text's tokens the first is, special tokens not counted."""
    count: int


@dataclass(frozen=True, slots=True)
class ModelInput:
    """A text as the model reads it, or a window of one."""

    ids: NDArray[np.int32]
    """[T], with special tokens."""
    type_ids: NDArray[np.int32] | None
    """[T]; None where all are 0."""
    weight: float
    """In the mean over the windows; all weights add up to 1."""
    runs: tuple[Run, ...]


def inputs_of(text: TokenizedText, n_tokens: tuple[int, ...], stride: int, separators: int = 1) -> list[ModelInput]:
    """Find the text's tokens in what the model reads.

    Args:
        text: as the tokenizer gives it.
        n_tokens: how many the text has, special tokens not counted; of a pair both counts.
        stride: tokens that neighbouring windows share.
        separators: special tokens between the texts of a pair.

    Returns:
        One reading, or one for each window.

    Raises:
        ModelError: if the tokenizer joins texts in an unknown way.
    """
    if not text.windows:
        return [ModelInput(text.ids, text.type_ids, 1.0, _runs(text.ids, text.second, n_tokens, 0, separators))]
    total = sum(window.n_tokens for window in text.windows)
    step = text.windows[0].n_tokens - stride
    return [
        ModelInput(
            window.ids,
            window.type_ids,
            window.n_tokens / total,
            _runs(window.ids, window.second, n_tokens, number * step, separators),
        )
        for number, window in enumerate(text.windows)
    ]


def _runs(
    ids: NDArray[np.int32], second: int | None, n_tokens: tuple[int, ...], start: int, separators: int
) -> tuple[Run, ...]:
    """Read [CLS] text [SEP], or [CLS] first [SEP] second [SEP]; the window's own text starts at the token given."""
    if len(n_tokens) == 1:
        runs: tuple[Run, ...] = (Run(0, 1, start, len(ids) - 2),)
    else:
        place = second or 0
        runs = Run(0, 1, 0, place - 1 - separators), Run(1, place, start, len(ids) - 1 - place)
    if any(run.count < 0 or run.token + run.count > n_tokens[run.part] for run in runs):
        raise ModelError(
            "the tokenizer joins texts in an unknown way: expected [CLS] text [SEP], and for a pair [CLS] first [SEP] "
            "second [SEP]"
        )
    return runs
