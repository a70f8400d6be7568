"""An engine without weights, for tests of everything around an engine."""

import numpy as np
from numpy.typing import NDArray

from valence.text.batching import TokenBatch

__all__ = ["FakeEngine"]


class FakeEngine:
    """Gives logits that depend on a text's tokens and on nothing else.

    Args:
        n_classes: C.
        sessions: how many batches are to run side by side.
    """

    name = "fake"
    files = ()

    def __init__(self, n_classes: int = 2, sessions: int = 1) -> None:
        self._n_classes = n_classes
        self.sessions = sessions
        self.batches: list[tuple[int, int]] = []
        """The shape of every batch so far."""

    @property
    def n_classes(self) -> int:
        """C, the width of the logits."""
        return self._n_classes

    def logits(self, batch: TokenBatch, side_by_side: bool = False) -> NDArray[np.float32]:
        """Give class c of a text the sine of c + 1 times the sum of its token ids, [B, C]."""
        self.batches.append((batch.input_ids.shape[0], batch.input_ids.shape[1]))
        sums = (batch.input_ids * batch.attention_mask).sum(axis=1, keepdims=True)  # [B, 1]
        logits: NDArray[np.float32] = np.sin(sums * np.arange(1, self._n_classes + 1)).astype(np.float32)
        return logits
