"""The engine of raw models: PyTorch scores every word of the vocabulary at chosen places.

Shapes: B batch, T tokens, M places, V vocabulary.
"""

from pathlib import Path
from typing import SupportsIndex

import numpy as np
import torch
from numpy.typing import NDArray

from valence.checkpoint.checkpoint import load_model
from valence.folder import ModelFolder
from valence.forking import native_calls
from valence.model.heads import TaskModel
from valence.runtime.reopening import Reopening, reopening
from valence.runtime.torch_engine import check_fork, has_gpu, limit_threads, state_of
from valence.text.batching import TokenBatch

__all__ = ["TorchMaskedLM"]


class TorchMaskedLM:
    """Runs a model with a masked-LM head, in fp32.

    Args:
        model: the model. It runs where its weights lie.
    """

    def __init__(self, model: TaskModel) -> None:
        self._model = model
        self._loaded: tuple[list[object], Reopening] | None = None  # its state, and how to open it again

    @classmethod
    def from_folder(cls, folder: ModelFolder, threads: int | None = None) -> "TorchMaskedLM":
        """Load a checkpoint.

        Args:
            folder: the model.
            threads: see `limit_threads`.

        Returns:
            The engine.
        """
        device = "cuda" if has_gpu() else "cpu"
        check_fork(device)
        limit_threads(threads)
        with native_calls:
            engine = cls(load_model(folder, "masked-lm").to(device))
        files = folder.path / "config.json", *folder.weight_files
        engine._loaded = state_of(engine._model), reopening(_open_again, files, folder.name, folder.embedded, threads)
        return engine

    def __reduce_ex__(self, protocol: SupportsIndex) -> str | tuple[object, ...]:
        if self._loaded is not None and state_of(self._model) == self._loaded[0]:
            return self._loaded[1]
        return super().__reduce_ex__(protocol)  # a model that was made, or changed, in memory goes with its weights

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
        check_fork(device.type)

        def to_device(values: NDArray[np.int64]) -> torch.Tensor:
            return torch.from_numpy(values).to(device)

        full = bool(batch.attention_mask.all())
        with native_calls, torch.inference_mode():
            hidden = self._model.encoder(
                to_device(batch.input_ids),
                None if full else to_device(batch.attention_mask),
                None if batch.token_type_ids is None else to_device(batch.token_type_ids),
            )  # [B, T, D]
            logits = self._model.masked_lm_head(hidden[to_device(rows), to_device(columns)])  # [M, V]
            result: NDArray[np.float32] = logits.log_softmax(dim=-1).cpu().numpy()
        return result


def _open_again(config: Path, name: str, embedded: bool, threads: int | None) -> TorchMaskedLM:
    return TorchMaskedLM.from_folder(ModelFolder(config.parent, name, embedded), threads)
