"""The objective of fine-tuning: cross-entropy between a classifier's logits and the labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from valence.text.batching import collate
from valence.text.tokenizer import TokenizedText
from valence.training.objective import to_tensors

__all__ = ["Classification"]


@dataclass(frozen=True)
class Classification:
    """Labelled texts; see `Objective`.

    Args:
        texts: N texts.
        labels: N class numbers.
        pad_token_id: for batches.
    """

    texts: Sequence[TokenizedText]
    labels: Sequence[int]
    pad_token_id: int

    @cached_property
    def lengths(self) -> Sequence[int]:
        """Tokens per text."""
        return [len(text.ids) for text in self.texts]

    def loss(
        self, network: nn.Module, examples: NDArray[np.intp], random: np.random.Generator, device: torch.device
    ) -> Tensor:
        """Compute the mean cross-entropy.

        Args:
            network: gives logits.
            examples: numbers of texts.
            random: not needed.
            device: where the network is.

        Returns:
            In nats.
        """
        tokens = collate([self.texts[index] for index in examples], self.pad_token_id)
        labels = torch.tensor([self.labels[index] for index in examples], device=device)
        logits = network(*to_tensors(tokens, device))  # [B, C]
        return F.cross_entropy(logits.float(), labels)
