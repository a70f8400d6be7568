"""The objective of fine-tuning, cross-entropy between a classifier's logits and the labels, and what measures it."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from valence.data.examples import Examples
from valence.evaluation.measure import f1_of_classes
from valence.model.heads import TaskModel
from valence.runtime.classifier import Classifier
from valence.runtime.torch_engine import TorchEngine
from valence.text.batching import collate
from valence.text.tokenizer import TokenizedText, Tokenizer
from valence.training.objective import to_tensors

__all__ = ["Classification", "Criterion", "choose_criterion", "classifier_evaluator", "shown_criterion"]

Criterion = Literal["accuracy", "macro_f1", "f1"]
"""What the best epoch is chosen by; a lower loss decides between equals."""
UNBALANCED = 1.5
"""From how many times the texts of the smallest class on the largest one makes accuracy a poor judge: it hardly changes
when the smallest one is never found."""


def choose_criterion(data: Examples, positive: str | None) -> Criterion:
    """Decide what the best epoch is chosen by.

    Args:
        data: what the epochs are measured on.
        positive: the class that the user wants found, if any was named.

    Returns:
        F1 of the class that was named; else macro F1 where one class has more than one and a half times the texts of
        another, and accuracy where none has.
    """
    if positive is not None:
        return "f1"
    counts = np.bincount(data.labels, minlength=len(data.names))
    return "macro_f1" if counts.max() > UNBALANCED * counts.min() else "accuracy"


def shown_criterion(criterion: str, positive: str | None = None) -> str:
    """Name what the best epoch was chosen by.

    Args:
        criterion: as a report has it.
        positive: the class that it is of, for F1.

    Returns:
        Words.
    """
    return {"macro_f1": "macro F1", "f1": f"F1 of {positive}"}.get(criterion, criterion)


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


def classifier_evaluator(
    data: Examples, tokenizer: Tokenizer, model: TaskModel, positive: str | None = None
) -> Callable[[], dict[str, float]]:
    """Make what measures a classifier while it is trained.

    Args:
        data: labelled texts.
        tokenizer: of the classifier.
        model: the classifier.
        positive: the class that the user wants found, if any was named.

    Returns:
        A function that gives its accuracy, macro F1, F1 of the class that was named, and its loss in nats; and how
        many classes of the data it never names, if there are any.
    """
    texts = tokenizer(data.texts)
    classifier = Classifier(tokenizer, TorchEngine(model), data.names)
    n_classes = len(data.names)
    support = np.bincount(data.labels, minlength=n_classes)
    if not support.all():
        absent = ", ".join(name for name, count in zip(data.names, support, strict=True) if not count)
        warnings.warn(f"{data.source.title} has no text of {absent:.200}: its F1 counts as 0", stacklevel=2)

    def evaluate() -> dict[str, float]:
        probabilities = classifier.probabilities(classifier.logits_of_tokens(texts))  # [N, C]
        predicted = probabilities.argmax(axis=1)  # [N]
        right = probabilities[np.arange(len(data)), data.labels]
        f1 = f1_of_classes(data.labels, predicted, n_classes)  # [C]
        never = int(((support > 0) & (np.bincount(predicted, minlength=n_classes) == 0)).sum())
        return {
            "accuracy": float((predicted == data.labels).mean()),
            "macro_f1": float(f1.mean()),
            **({} if positive is None else {"f1": float(f1[data.names.index(positive)])}),
            "loss": float(-np.log(np.maximum(right, 1e-12)).mean()),
            **({"classes_never_predicted": never} if never else {}),
        }

    return evaluate
