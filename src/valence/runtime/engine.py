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

    def logits(self, batch: TokenBatch) -> NDArray[np.float32]:
        """Run one batch.

        Args:
            batch: B texts.

        Returns:
            [B, C].
        """
        ...
