"""The objective of fine-tuning, cross-entropy between a classifier's logits and the labels, and what measures it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from valence.data.examples import Examples
from valence.model.heads import TaskModel
from valence.runtime.classifier import Classifier
from valence.runtime.torch_engine import TorchEngine
from valence.text.batching import collate
from valence.text.tokenizer import TokenizedText, Tokenizer
from valence.training.objective import to_tensors

__all__ = ["Classification", "classifier_evaluator"]


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


def classifier_evaluator(data: Examples, tokenizer: Tokenizer, model: TaskModel) -> Callable[[], dict[str, float]]:
    """Make what measures a classifier while it is trained.

    Args:
        data: labelled texts.
        tokenizer: of the classifier.
        model: the classifier.

    Returns:
        A function that gives its accuracy, and its loss in nats.
    """
    texts = tokenizer(data.texts)
    classifier = Classifier(tokenizer, TorchEngine(model), data.names)

    def evaluate() -> dict[str, float]:
        probabilities = classifier.probabilities(classifier.logits_of_tokens(texts))  # [N, C]
        right = probabilities[np.arange(len(data)), data.labels]
        return {
            "accuracy": float((probabilities.argmax(axis=1) == data.labels).mean()),
            "loss": float(-np.log(np.maximum(right, 1e-12)).mean()),
        }

    return evaluate
