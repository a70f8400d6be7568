"""The objective of distilling a raw model: DistilBERT's own.

loss = 5 x soft targets + 2 x masked words + 1 x cosine between the last hidden states, soft targets at temperature 2.
Source: Sanh et al. 2019, "DistilBERT", and the weights of its published training.

Shapes: B batch, T tokens, P places that are scored, V vocabulary, D width.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from valence.model.heads import TaskModel
from valence.text.batching import collate
from valence.training.masked_lm import mean_cross_entropy
from valence.training.masking import Masking
from valence.training.objective import to_tensors
from valence.training.packing import PackedText
from valence.training.soft_targets import soft_target_loss
from valence.training.student import projection

__all__ = ["COSINE_WEIGHT", "MASKED_LM_WEIGHT", "SOFT_WEIGHT", "TEMPERATURE", "RawDistillation", "RawStudent"]

SOFT_WEIGHT, MASKED_LM_WEIGHT, COSINE_WEIGHT = 5.0, 2.0, 1.0
TEMPERATURE = 2.0


class RawStudent(nn.Module):
    """A raw model as its distillation calls it.

    Args:
        model: the student, with a masked-LM head.
        teacher_width: hidden size of the teacher; where the student's differs, a projection that is learnt with it,
            and left behind, makes hidden states comparable.
        seed: for the projection.
    """

    def __init__(self, model: TaskModel, teacher_width: int, seed: int) -> None:
        super().__init__()
        self.model = model
        width = model.config.hidden_size
        self.projection = nn.Identity() if width == teacher_width else projection(model.config, teacher_width, seed)

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor | None, token_type_ids: Tensor | None, places: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Encode a batch and score words.

        Args:
            input_ids: int64 [B, T].
            attention_mask: [B, T], or None where nothing is padded.
            token_type_ids: int64 [B, T], or None.
            places: bool [B, T], where words are scored.

        Returns:
            Logits [P, V], and hidden states [B, T, D] as wide as the teacher's.
        """
        hidden = self.model.encoder(input_ids, attention_mask, token_type_ids)
        return self.model.masked_lm_head(hidden[places]), self.projection(hidden)


@dataclass(frozen=True)
class RawDistillation:
    """Text, and a teacher that says what it expects; see `Objective`.

    Args:
        corpus: sequences.
        masking: which words are hidden.
        pad_token_id: for batches.
        teacher: with a masked-LM head, in evaluation mode; lies where the student does.
        everywhere: whether soft targets are taken at every token, as DistilBERT's were, or where words are hidden
            alone, which costs half as much.
    """

    corpus: PackedText
    masking: Masking
    pad_token_id: int
    teacher: TaskModel
    everywhere: bool = True

    @property
    def lengths(self) -> Sequence[int]:
        """Tokens per sequence."""
        return self.corpus.lengths

    def loss(
        self, network: nn.Module, examples: NDArray[np.intp], random: np.random.Generator, device: torch.device
    ) -> Tensor:
        """Compute the weighted sum of the three losses.

        Args:
            network: a `RawStudent`.
            examples: numbers of sequences.
            random: draws which words are hidden.
            device: where network and teacher are.

        Returns:
            The loss.
        """
        texts, _ = self.corpus.draw(examples, random)
        masked = self.masking(collate(texts, self.pad_token_id), random)
        present = torch.from_numpy(masked.batch.attention_mask == 1).to(device)  # [B, T]
        hidden_words = torch.zeros_like(present)
        hidden_words[torch.from_numpy(masked.rows).to(device), torch.from_numpy(masked.columns).to(device)] = True
        places = present if self.everywhere else hidden_words
        tokens = to_tensors(masked.batch, device)
        with torch.no_grad():
            teacher_hidden = self.teacher.encoder(*tokens)  # [B, T, D]
            teacher_logits = self.teacher.masked_lm_head(teacher_hidden[places]).float()  # [P, V]
            expected = F.softmax(teacher_logits / TEMPERATURE, dim=-1)
        logits, hidden = network(*tokens, places)
        targets = torch.from_numpy(masked.targets).to(device)
        cosine = F.cosine_similarity(hidden[present].float(), teacher_hidden[present].float(), dim=-1)
        loss: Tensor = (
            SOFT_WEIGHT * soft_target_loss(logits, expected, TEMPERATURE)
            + MASKED_LM_WEIGHT * mean_cross_entropy(logits[hidden_words[places]], targets)
            + COSINE_WEIGHT * (1.0 - cosine).mean()
        )
        return loss
