"""The objective that makes a classifier answer alike for counterfactual texts, beside what it is trained for.

The loss of a step is that of the objective within, plus for each set of texts that differ in a country, a name or a
gendered word alone: how far each answer is from the set's mean, and where the set has a label, cross-entropy with it.

Source: consistency between counterfactual versions as in Garg et al. 2019, "Counterfactual Fairness in Text
Classification through Robustness" (there of logits); the divergence is that of Jensen and Shannon.

Shapes: S texts of all sets, C classes.
"""

from collections.abc import Iterator, Sequence
from random import Random

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from valence.data.positive import positive_sentiment
from valence.text.batching import collate
from valence.text.tokenizer import Text, Tokenizer
from valence.training.counterfactuals import Counterfactuals, CounterfactualSet
from valence.training.objective import Objective, to_tensors
from valence.training.task_distillation import UNLABELLED

__all__ = ["Debiased", "consistency_loss", "debiased"]

_SETS_AT_ONCE = 5


class Debiased:
    """An objective, and the same answer to counterfactual texts; see `Objective`.

    Args:
        objective: what else is learnt, of a network that takes tokens and gives logits, or these and more.
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
        sets.sort(key=lambda one: max(map(len, one.texts)))
        logits = torch.cat([self._logits(network, part, device) for part in _parts(sets)])  # [S, C]
        labels = [UNLABELLED if one.label is None else one.label for one in sets for _ in one.texts]
        answers = F.cross_entropy(
            logits, torch.tensor(labels, device=device), ignore_index=UNLABELLED, reduction="sum"
        ) / len(labels)
        return loss + answers + self._weight * consistency_loss(logits, [len(one.texts) for one in sets])

    def _logits(self, network: nn.Module, sets: Sequence[CounterfactualSet], device: torch.device) -> Tensor:
        """Read the texts of some sets without dropout, which would be one more difference between them."""
        tokens = self._tokenizer([text for one in sets for text in one.texts])
        network.eval()
        output = network(*to_tensors(collate(tokens, self._tokenizer.pad_token_id), device))
        network.train()
        logits: Tensor = output[0] if isinstance(output, tuple) else output
        return logits.float()


def _parts(sets: Sequence[CounterfactualSet]) -> Iterator[Sequence[CounterfactualSet]]:
    """Divide sets, short ones first, so that short texts are not padded to the length of long ones."""
    for first in range(0, len(sets), _SETS_AT_ONCE):
        yield sets[first : first + _SETS_AT_ONCE]


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


def debiased(
    objective: Objective,
    kinds: Sequence[str],
    weight: float,
    texts: Sequence[Text],
    labels: Sequence[int],
    names: Sequence[str],
    tokenizer: Tokenizer,
) -> Debiased:
    """Add the same answer to counterfactual texts to an objective.

    Args:
        objective: of a classifier.
        kinds: some of `DEBIAS`.
        weight: of the divergence.
        texts: the objective's.
        labels: class numbers; a negative one is no label.
        names: of the classes, by number.
        tokenizer: of the classifier.

    Returns:
        The objective with both.
    """
    sets = Counterfactuals(kinds, texts, labels, positive_sentiment(names))
    return Debiased(objective, sets, tokenizer, weight)
