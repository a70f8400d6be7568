"""The objective of pretraining: guess hidden words, and with pairs whether the second passage follows the first.

Source: Devlin et al. 2019, "BERT".

Shapes: B batch, T tokens, M hidden words, D width, V vocabulary.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from valence.model.heads import PretrainingHeads, TaskModel
from valence.text.batching import collate
from valence.training.masking import MaskedBatch, Masking
from valence.training.objective import to_tensors
from valence.training.packing import Corpus

__all__ = ["MaskedLM", "PretrainingNetwork", "evaluate_masked_lm"]

_EVALUATION_SEED = 0
_TOP = 5


class PretrainingNetwork(nn.Module):
    """A model as pretraining calls it: words are scored where one is hidden and nowhere else.

    Args:
        model: with a masked-LM head, or with that and the next-sentence head.
    """

    def __init__(self, model: TaskModel) -> None:
        super().__init__()
        self.model = model

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None,
        token_type_ids: Tensor | None,
        rows: Tensor,
        columns: Tensor,
    ) -> tuple[Tensor, Tensor | None]:
        """Encode a batch and run its heads.

        Args:
            input_ids: int64 [B, T].
            attention_mask: [B, T], or None where nothing is padded.
            token_type_ids: int64 [B, T], or None.
            rows: int64 [M], the text of each hidden word.
            columns: int64 [M], its place.

        Returns:
            Logits [M, V] of words; and [B, 2] of whether the second passage follows, if there is a head for it.
        """
        hidden = self.model.encoder(input_ids, attention_mask, token_type_ids)  # [B, T, D]
        words = self.model.masked_lm_head(hidden[rows, columns])
        head = self.model.head
        return words, head.next_sentence(hidden) if isinstance(head, PretrainingHeads) else None


def places(masked: MaskedBatch, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Move what is hidden to the device.

    Args:
        masked: a batch.
        device: where to.

    Returns:
        Rows, columns and targets, int64 [M] each.
    """
    rows, columns, targets = (
        torch.from_numpy(values).to(device) for values in (masked.rows, masked.columns, masked.targets)
    )
    return rows, columns, targets


def mean_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Compute the mean cross-entropy over hidden words.

    Args:
        logits: [M, V].
        targets: int64 [M].

    Returns:
        In nats; 0 where nothing is hidden.
    """
    return F.cross_entropy(logits.float(), targets, reduction="sum") / max(1, len(targets))


@dataclass(frozen=True)
class MaskedLM:
    """Hidden words of a corpus; see `Objective`.

    Args:
        corpus: the texts.
        masking: which words are hidden.
        pad_token_id: for batches.
    """

    corpus: Corpus
    masking: Masking
    pad_token_id: int

    @property
    def lengths(self) -> Sequence[int]:
        """Tokens per example."""
        return self.corpus.lengths

    def loss(
        self, network: nn.Module, examples: NDArray[np.intp], random: np.random.Generator, device: torch.device
    ) -> Tensor:
        """Compute the loss: the mean over hidden words, plus for pairs the mean over pairs.

        Args:
            network: a `PretrainingNetwork`.
            examples: numbers of texts.
            random: draws partners of pairs, and which words are hidden.
            device: where the network is.

        Returns:
            In nats.
        """
        texts, is_random = self.corpus.draw(examples, random)
        masked = self.masking(collate(texts, self.pad_token_id), random)
        rows, columns, targets = places(masked, device)
        words, follows = network(*to_tensors(masked.batch, device), rows, columns)
        loss = mean_cross_entropy(words, targets)
        if is_random is not None and follows is not None:
            loss = loss + F.cross_entropy(follows.float(), torch.from_numpy(is_random).to(device))
        return loss


@torch.inference_mode()
def evaluate_masked_lm(
    model: TaskModel, corpus: Corpus, masking: Masking, pad_token_id: int, batch_tokens: int = 4096
) -> dict[str, float]:
    """Measure a model on held-out text; the same words are hidden every time.

    Args:
        model: with a masked-LM head; it is put back into the mode it was in.
        corpus: the text.
        masking: which words are hidden.
        pad_token_id: for batches.
        batch_tokens: about how many tokens at a time.

    Returns:
        "loss" (mean over hidden words, in nats), "perplexity" (its exponential), "top1" and "top5" (shares of hidden
        words that are the most likely one, or among the five most likely), and for pairs and a model with that head
        "next_sentence_accuracy".
    """
    was_training, network = model.training, PretrainingNetwork(model).eval()
    device = next(model.parameters()).device
    random = np.random.default_rng(_EVALUATION_SEED)
    lengths = np.asarray(corpus.lengths)
    order = np.argsort(lengths, kind="stable")
    n_words = n_pairs = n_first = n_top = n_right = 0
    total = 0.0
    size = max(1, batch_tokens // max(1, int(lengths.max())))
    for start in range(0, len(order), size):
        texts, is_random = corpus.draw(order[start : start + size], random)
        masked = masking(collate(texts, pad_token_id), random)
        rows, columns, targets = places(masked, device)
        words, follows = network(*to_tensors(masked.batch, device), rows, columns)
        total += float(F.cross_entropy(words.float(), targets, reduction="sum"))
        best = words.topk(min(_TOP, words.shape[1])).indices  # [M, 5]
        n_words += len(targets)
        n_first += int((best[:, 0] == targets).sum())
        n_top += int((best == targets[:, None]).any(dim=1).sum())
        if is_random is not None and follows is not None:
            n_pairs += len(is_random)
            n_right += int((follows.argmax(dim=1).cpu().numpy() == is_random).sum())
    network.train(was_training)
    loss = total / max(1, n_words)
    figures = {
        "loss": loss,
        "perplexity": math.exp(min(loss, 700.0)),
        "top1": n_first / max(1, n_words),
        "top5": n_top / max(1, n_words),
    }
    return figures | ({"next_sentence_accuracy": n_right / n_pairs} if n_pairs else {})
