"""What a run minimises: the loop knows the order of the examples and the optimiser, an objective knows the loss."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from valence.text.batching import TokenBatch

__all__ = ["Objective", "to_tensors"]


class Objective(Protocol):
    """Examples and the loss on them."""

    @property
    def lengths(self) -> Sequence[int]:
        """Tokens per example."""
        ...

    def loss(
        self, network: nn.Module, examples: NDArray[np.intp], random: np.random.Generator, device: torch.device
    ) -> Tensor:
        """Compute the loss of one step.

        Args:
            network: what is trained; in several processes wrapped, so that only calling it is allowed.
            examples: their numbers.
            random: for everything random but dropout.
            device: where the network is.

        Returns:
            The mean over the examples, in fp32.
        """
        ...


def to_tensors(batch: TokenBatch, device: torch.device) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Move a batch to the device; a mask without padding is left out, which is faster.

    Args:
        batch: B texts.
        device: where to.

    Returns:
        Token ids, attention mask and token types, each [B, T].
    """
    full = bool(batch.attention_mask.all())
    return (
        torch.from_numpy(batch.input_ids).to(device),
        None if full else torch.from_numpy(batch.attention_mask).to(device),
        None if batch.token_type_ids is None else torch.from_numpy(batch.token_type_ids).to(device),
    )
