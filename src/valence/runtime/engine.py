"""What an engine is: token ids in, logits out. One file per engine; nothing else knows which one runs."""

from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from valence.text.batching import TokenBatch

__all__ = ["Engine"]


@runtime_checkable
class Engine(Protocol):
    """Runs a classifier's network."""

    @property
    def name(self) -> str:
        """What runs it and how, such as "onnx int8"."""
        ...

    @property
    def files(self) -> tuple[Path, ...]:
        """What was loaded; empty for a model that was made in memory."""
        ...

    @property
    def n_classes(self) -> int:
        """C, the width of the logits."""
        ...

    @property
    def sessions(self) -> int:
        """How many batches are best run side by side on this machine; 1 where one batch takes all threads itself."""
        ...

    def logits(self, batch: TokenBatch, side_by_side: bool = False) -> NDArray[np.float32]:
        """Run one batch. Threads may call this at the same time.

        Args:
            batch: B texts.
            side_by_side: whether other batches run at the same time; this one then uses a single thread.

        Returns:
            [B, C].
        """
        ...
