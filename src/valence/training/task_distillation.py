"""The objective of distilling a classifier: its teachers' probabilities or given ones, labels where known, its layers.

Given probabilities are learnt as they are, at temperature 1: a text of 0.5 and 0.5 teaches 0.5 and 0.5, and one of 0.8
teaches 0.8, which at a higher temperature would be the target of a far surer answer.

Source: Hinton et al. 2015, "Distilling the Knowledge in a Neural Network"; layer by layer as in Sun et al. 2019,
"Patient Knowledge Distillation", and Jiao et al. 2020, "TinyBERT" (every token; a projection where widths differ).

Shapes: N texts, B batch, T tokens, C classes, D width.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from valence.model.heads import TaskModel
from valence.text.batching import collate
from valence.text.tokenizer import TokenizedText
from valence.training.objective import to_tensors
from valence.training.soft_targets import soft_target_loss, weighted_soft_target_loss
from valence.training.student import matching_layers, projection

__all__ = ["UNLABELLED", "GivenTargets", "TaskDistillation", "TaskStudent"]

UNLABELLED = -1
"""Stands for a label that is not known."""


class TaskStudent(nn.Module):
    """A classifier as its distillation calls it.

    Args:
        model: the student.
        teacher_width: of a teacher whose layers are to be matched; see `RawStudent`. None: none are.
        seed: for the projections.
    """

    def __init__(self, model: TaskModel, teacher_width: int | None, seed: int) -> None:
        super().__init__()
        self.model = model
        self.projections: nn.ModuleList | None = None
        if teacher_width is not None and teacher_width != model.config.hidden_size:
            self.projections = nn.ModuleList(
                projection(model.config, teacher_width, seed + number) for number in range(len(model.encoder.layers))
            )

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        with_layers: bool = False,
    ) -> tuple[Tensor, list[Tensor]]:
        """Classify a batch.

        Args:
            input_ids: int64 [B, T].
            attention_mask: [B, T], or None where nothing is padded.
            token_type_ids: int64 [B, T], or None.
            with_layers: whether the layers' outputs are wanted.

        Returns:
            Logits [B, C]; and the outputs of the layers, [B, T, D] each and as wide as the teacher's.
        """
        if not with_layers:
            return self.model(input_ids, attention_mask, token_type_ids), []
        outputs = self.model.encoder.layer_outputs(input_ids, attention_mask, token_type_ids)
        logits = self.model.head(outputs[-1])
        if self.projections is None:
            return logits, outputs
        return logits, [project(output) for project, output in zip(self.projections, outputs, strict=True)]


@dataclass(frozen=True)
class GivenTargets:
    """How texts of a run differ where not all soft targets are the teachers'.

    Args:
        temperatures: [N], of the soft targets: 1 of those that were given.
        weights: [N], how much the soft target of each text counts; 0 where it has none.
    """

    temperatures: NDArray[np.float32]
    weights: NDArray[np.float32]


@dataclass(frozen=True)
class TaskDistillation:
    """Texts, what teachers say of them, and labels where they are known; see `Objective`.

    Args:
        texts: N texts.
        labels: N class numbers, or `UNLABELLED`.
        soft_targets: [N, C], the teachers' mean probabilities at the temperature, or those that were given.
        pad_token_id: for batches.
        temperature: of the teachers' soft targets.
        soft_weight: of the soft targets; the labels weigh 1 minus that.
        teacher: whose layers are matched, if they are to be; in evaluation mode, with the student's vocabulary.
        layer_weight: of the mean squared difference between layers.
        given: which soft targets are not the teachers', if some are not.
    """

    texts: Sequence[TokenizedText]
    labels: Sequence[int]
    soft_targets: NDArray[np.float32]
    pad_token_id: int
    temperature: float
    soft_weight: float
    teacher: TaskModel | None = None
    layer_weight: float = 1.0
    given: GivenTargets | None = None

    @cached_property
    def lengths(self) -> Sequence[int]:
        """Tokens per text."""
        return [len(text.ids) for text in self.texts]

    def loss(
        self, network: nn.Module, examples: NDArray[np.intp], random: np.random.Generator, device: torch.device
    ) -> Tensor:
        """Compute the weighted sum of the losses.

        Args:
            network: a `TaskStudent`.
            examples: numbers of texts.
            random: not needed.
            device: where network and teacher are.

        Returns:
            The mean over the examples; a text without a label adds nothing for labels.
        """
        batch = collate([self.texts[index] for index in examples], self.pad_token_id)
        tokens = to_tensors(batch, device)
        labels = torch.tensor([self.labels[index] for index in examples], device=device)
        logits, layers = network(*tokens, self.teacher is not None)
        soft = self._soft_loss(logits, examples)
        hard = F.cross_entropy(logits.float(), labels, ignore_index=UNLABELLED, reduction="sum") / len(examples)
        loss = self.soft_weight * soft + (1.0 - self.soft_weight) * hard
        if self.teacher is not None:
            present = torch.from_numpy(batch.attention_mask == 1).to(device)
            with torch.no_grad():
                theirs = self.teacher.encoder.layer_outputs(*tokens)
            pairs = zip(layers, matching_layers(len(layers), len(theirs)), strict=True)
            differences = [F.mse_loss(own[present].float(), theirs[layer][present].float()) for own, layer in pairs]
            loss = loss + self.layer_weight * torch.stack(differences).mean()
        return loss

    def _soft_loss(self, logits: Tensor, examples: NDArray[np.intp]) -> Tensor:
        targets = torch.from_numpy(self.soft_targets[examples]).to(logits.device)
        if self.given is None:
            return soft_target_loss(logits, targets, self.temperature)
        own = (self.given.temperatures, self.given.weights)
        temperatures, weights = (torch.from_numpy(values[examples]).to(logits.device) for values in own)
        return weighted_soft_target_loss(logits, targets, temperatures, weights)
