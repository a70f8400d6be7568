"""The objective that makes a classifier answer alike for counterfactual texts, beside what it is trained for.

The loss of a step is that of the objective within, plus for each set of texts that differ in a country, a name or a
gendered word alone: how far each answer is from the set's mean, and where the set has a label, cross-entropy with it.

Source: consistency between counterfactual versions as in Garg et al. 2019, "Counterfactual Fairness in Text
Classification through Robustness" (there of logits); the divergence is that of Jensen and Shannon.

Shapes: S texts of all sets, C classes.
"""

from collections.abc import Sequence
from random import Random

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from valence.text.batching import collate
from valence.text.tokenizer import Tokenizer
from valence.training.counterfactuals import Counterfactuals
from valence.training.objective import Objective, to_tensors
from valence.training.task_distillation import UNLABELLED

__all__ = ["Debiased", "consistency_loss"]


class Debiased:
    """An objective, and the same answer to counterfactual texts; see `Objective`.

    Args:
        objective: what else is learnt; it and the network take tokens and give logits.
        counterfactuals: draws the sets.
        tokenizer: of the classifier.
        weight: of the divergence.
    """

    def __init__(
        self, objective: Objective, counterfactuals: Counterfactuals, tokenizer: Tokenizer, weight: float
    ) -> None:
        self._objective = objective
        self._counterfactuals = counterfactuals
        self._tokenizer = tokenizer
        self._weight = weight

    @property
    def lengths(self) -> Sequence[int]:
        """Tokens per example of the objective."""
        return self._objective.lengths

    def loss(
        self, network: nn.Module, examples: NDArray[np.intp], random: np.random.Generator, device: torch.device
    ) -> Tensor:
        """Compute the sum of the losses.

        Args:
            network: gives logits.
            examples: numbers of texts.
            random: draws the sets.
            device: where the network is.

        Returns:
            In nats.
        """
        loss = self._objective.loss(network, examples, random, device)
        sets = self._counterfactuals.draw(Random(int(random.integers(2**63))), examples.tolist())
        tokens = self._tokenizer([text for one in sets for text in one.texts])
        network.eval()  # dropout would be one more difference between the texts of a set
        logits = network(*to_tensors(collate(tokens, self._tokenizer.pad_token_id), device)).float()  # [S, C]
        network.train()
        sizes = [len(one.texts) for one in sets]
        labels = [UNLABELLED if one.label is None else one.label for one in sets for _ in one.texts]
        answers = F.cross_entropy(
            logits, torch.tensor(labels, device=device), ignore_index=UNLABELLED, reduction="sum"
        ) / len(labels)
        return loss + answers + self._weight * consistency_loss(logits, sizes)


def consistency_loss(logits: Tensor, sizes: Sequence[int]) -> Tensor:
    """Compute how far answers that should be the same are from each other.

    Args:
        logits: of all sets, one set after the other, [S, C].
        sizes: texts in each set.

    Returns:
        The Jensen-Shannon divergence, the mean over the sets, in nats; 0 where all answers of each set are equal.
    """
    log_probabilities = F.log_softmax(logits.float(), dim=-1)
    found = []
    for one in torch.split(log_probabilities, list(sizes)):
        mean = one.exp().mean(dim=0, keepdim=True)
        found.append(F.kl_div(mean.clamp_min(1e-12).log().expand_as(one), one, log_target=True, reduction="batchmean"))
    return torch.stack(found).mean()
