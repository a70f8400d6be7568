"""The engine of raw models: PyTorch scores every word of the vocabulary at chosen places.

Shapes: B batch, T tokens, M places, V vocabulary.
"""

import numpy as np
import torch
from numpy.typing import NDArray

from valence.checkpoint.checkpoint import load_model
from valence.folder import ModelFolder
from valence.model.heads import TaskModel
from valence.runtime.torch_engine import has_gpu, limit_threads
from valence.text.batching import TokenBatch

__all__ = ["TorchMaskedLM"]


class TorchMaskedLM:
    """Runs a model with a masked-LM head, in fp32.

    Args:
        model: the model. It runs where its weights lie.
    """

    def __init__(self, model: TaskModel) -> None:
        self._model = model

    @classmethod
    def from_folder(cls, folder: ModelFolder, threads: int | None = None) -> "TorchMaskedLM":
        """Load a checkpoint.

        Args:
            folder: the model.
            threads: see `limit_threads`.

        Returns:
            The engine.
        """
        limit_threads(threads)
        model = load_model(folder, "masked-lm")
        return cls(model.to("cuda" if has_gpu() else "cpu"))

    @torch.inference_mode()
    def log_probabilities(
        self, batch: TokenBatch, rows: NDArray[np.int64], columns: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Score every word at chosen places.

        Args:
            batch: B texts.
            rows: [M], the text of each place.
            columns: [M], which token of the text.

        Returns:
            [M, V], natural logarithms.
        """
        device = next(self._model.parameters()).device

        def to_device(values: NDArray[np.int64]) -> torch.Tensor:
            return torch.from_numpy(values).to(device)

        full = bool(batch.attention_mask.all())
        hidden = self._model.encoder(
            to_device(batch.input_ids),
            None if full else to_device(batch.attention_mask),
            None if batch.token_type_ids is None else to_device(batch.token_type_ids),
        )  # [B, T, D]
        logits = self._model.masked_lm_head(hidden[to_device(rows), to_device(columns)])  # [M, V]
        result: NDArray[np.float32] = logits.log_softmax(dim=-1).cpu().numpy()
        return result
