"""The PyTorch engine: the model itself, in fp32 on the CPU, or wherever a module in memory lies."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from valence.checkpoint.checkpoint import load_model
from valence.folder import ModelFolder
from valence.model.heads import FirstTokenHead, TaskModel
from valence.text.batching import TokenBatch

__all__ = ["TorchEngine"]


class TorchEngine:
    """Runs a model of ours.

    Args:
        model: a classifier. It runs where its weights lie and keeps its training mode between batches.
        files: what it was loaded from, if it was.
    """

    name = "torch fp32"

    def __init__(self, model: TaskModel, files: tuple[Path, ...] = ()) -> None:
        assert isinstance(model.head, FirstTokenHead), "not a classifier"
        self._model = model
        self.files = files
        self._n_classes = model.head.classifier.out_features

    @classmethod
    def from_folder(cls, folder: ModelFolder) -> "TorchEngine":
        """Load a checkpoint.

        Args:
            folder: the model.

        Returns:
            The engine.
        """
        return cls(load_model(folder, "classification"), folder.weight_files)

    @property
    def n_classes(self) -> int:
        """C, the width of the logits."""
        return self._n_classes

    def logits(self, batch: TokenBatch) -> NDArray[np.float32]:
        """Run one batch.

        Args:
            batch: B texts.

        Returns:
            [B, C].
        """
        device = next(self._model.parameters()).device
        was_training = self._model.training
        self._model.eval()
        full = bool(batch.attention_mask.all())
        types = None if batch.token_type_ids is None else torch.from_numpy(batch.token_type_ids).to(device)
        with torch.inference_mode():
            logits = self._model(
                torch.from_numpy(batch.input_ids).to(device),
                None if full else torch.from_numpy(batch.attention_mask).to(device),
                types,
            )
        self._model.train(was_training)
        result: NDArray[np.float32] = logits.float().cpu().numpy()
        return result
