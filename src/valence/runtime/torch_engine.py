"""The PyTorch engine: the model itself, on the CPU or a GPU, or wherever a module in memory lies.

In fp32 on the CPU it is the reference that every export is compared with. In bf16, and on a GPU, batches run without
padding.
"""

from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from valence.checkpoint.checkpoint import load_model
from valence.errors import EngineError, InputError
from valence.folder import ModelFolder
from valence.model.heads import FirstTokenHead, Task, TaskModel
from valence.model.unpadded import UnpaddedClassifier, UnpaddedTexts
from valence.runtime.threads import thread_count
from valence.text.batching import TokenBatch

__all__ = ["Precision", "TorchEngine", "has_bf16", "has_gpu", "limit_threads"]

Precision = Literal["fp32", "bf16"]
_TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def has_gpu() -> bool:
    """Tell whether PyTorch can use an NVIDIA GPU.

    Returns:
        Whether it can.
    """
    return torch.cuda.is_available()


def has_bf16(device: str) -> bool:
    """Tell whether products in bf16 are made in hardware.

    Args:
        device: "cpu" or "cuda".

    Returns:
        Whether they are: AVX512-BF16 or AMX on a CPU, Ampere or newer on a GPU.
    """
    if device == "cuda":
        return torch.cuda.get_device_capability() >= (8, 0)
    return torch.backends.mkldnn.is_available() and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())  # type: ignore[no-untyped-call]


def limit_threads(threads: int | None) -> None:
    """Set how many threads PyTorch uses on the CPU, from now on in the whole process.

    Args:
        threads: how many. None: no more than there are processors, in a container too.
    """
    wanted = thread_count(torch.get_num_threads() if threads is None else threads)
    if wanted != torch.get_num_threads():
        torch.set_num_threads(wanted)


class TorchEngine:
    """Runs a model of ours.

    Args:
        model: a classifier. It runs where its weights lie and keeps its training mode between batches.
        files: what it was loaded from, if it was.
        unpadded: run the tokens of all texts in one row.
    """

    sessions = 1

    def __init__(self, model: TaskModel, files: tuple[Path, ...] = (), unpadded: bool = False) -> None:
        assert isinstance(model.head, FirstTokenHead), "not a classifier"
        self._model = model
        self._unpadded = UnpaddedClassifier(model) if unpadded else None
        self.files = files
        self._n_classes = model.head.classifier.out_features
        weight = model.head.classifier.weight
        precision = "bf16" if weight.dtype == torch.bfloat16 else "fp32"
        self.name = f"torch {precision}" + ("" if weight.device.type == "cpu" else f" {weight.device.type}")

    @classmethod
    def from_folder(
        cls,
        folder: ModelFolder,
        precision: Precision | None = None,
        device: Literal["cpu", "cuda"] | None = None,
        threads: int | None = None,
        task: Task = "classification",
    ) -> "TorchEngine":
        """Load a checkpoint.

        Args:
            folder: the model.
            precision: of the weights and all sums over tokens. None: bf16 on a GPU that has it, otherwise fp32.
            device: None for the GPU where there is one, otherwise the CPU.
            threads: see `limit_threads`.
            task: which of its heads; "next-sentence" is one that classifies, too.

        Returns:
            The engine.

        Raises:
            EngineError: if this machine lacks the device or the precision asked for.
            InputError: if there is no such device or precision.
        """
        if device not in (None, "cpu", "cuda"):
            raise InputError(f"device must be 'cpu' or 'cuda', found {device!r}")
        if precision not in (None, *_TYPES):
            raise InputError(f"precision of the torch engine must be 'fp32' or 'bf16', found {precision!r}")
        if device == "cuda" and not has_gpu():
            raise EngineError("the torch engine was asked for a GPU, and PyTorch finds none")
        device = device or ("cuda" if has_gpu() else "cpu")
        if precision == "bf16" and not has_bf16(device):
            raise EngineError(
                f"this {'GPU' if device == 'cuda' else 'processor'} has no bf16 products (AVX512-BF16, AMX, or a GPU "
                "from Ampere on); use fp32"
            )
        precision = precision or ("bf16" if device == "cuda" and has_bf16(device) else "fp32")
        if device == "cpu":
            limit_threads(threads)
        model = load_model(folder, task).eval().to(device=device, dtype=_TYPES[precision])
        return cls(model, folder.weight_files, unpadded=device == "cuda" or precision == "bf16")

    @property
    def model(self) -> TaskModel:
        """The model that runs, for what logits alone do not tell, such as gradients."""
        return self._model

    @property
    def n_classes(self) -> int:
        """C, the width of the logits."""
        return self._n_classes

    def logits(self, batch: TokenBatch, side_by_side: bool = False) -> NDArray[np.float32]:
        """Run one batch. Only a model that stays in evaluation mode may be run by several threads at the same time.

        Args:
            batch: B texts.
            side_by_side: of no effect: PyTorch has one pool of threads for the whole process.

        Returns:
            [B, C].
        """
        was_training = self._model.training
        if was_training:
            self._model.eval()
        try:
            with torch.inference_mode():
                logits = self._run_padded(batch) if self._unpadded is None else self._run_unpadded(batch)
        finally:
            if was_training:
                self._model.train()
        result: NDArray[np.float32] = logits.float().cpu().numpy()
        return result

    @property
    def _device(self) -> torch.device:
        return next(self._model.parameters()).device

    def _run_padded(self, batch: TokenBatch) -> torch.Tensor:
        types = None if batch.token_type_ids is None else torch.from_numpy(batch.token_type_ids).to(self._device)
        full = bool(batch.attention_mask.all())
        logits: torch.Tensor = self._model(
            torch.from_numpy(batch.input_ids).to(self._device),
            None if full else torch.from_numpy(batch.attention_mask).to(self._device),
            types,
        )
        return logits

    def _run_unpadded(self, batch: TokenBatch) -> torch.Tensor:
        assert self._unpadded is not None
        texts = remove_padding(batch, self._device)
        if max(texts.lengths) > self._model.config.max_positions:  # on a GPU it would end the process's use of it
            raise EngineError(
                f"a text of {max(texts.lengths)} tokens, and the model reads {self._model.config.max_positions}"
            )
        logits: torch.Tensor = self._unpadded(texts)
        return logits


def remove_padding(batch: TokenBatch, device: torch.device) -> UnpaddedTexts:
    """Put the tokens of a batch in one row.

    Args:
        batch: B texts, padded on the right.
        device: where the tensors shall lie.

    Returns:
        The texts, in order.
    """
    present = batch.attention_mask.astype(bool)  # [B, T]
    lengths = present.sum(axis=1)  # [B]
    rows, columns = np.nonzero(present)
    starts = np.concatenate([[0], lengths.cumsum()]).astype(np.int32)
    types = None if batch.token_type_ids is None else batch.token_type_ids[rows, columns]
    return UnpaddedTexts(
        _to(batch.input_ids[rows, columns], device),
        _to(columns, device),
        None if types is None else _to(types, device),
        _to(starts, device),
        lengths.tolist(),
    )


def _to(values: NDArray[np.generic], device: torch.device) -> torch.Tensor:
    tensor = torch.from_numpy(values)
    # From pinned memory the copy does not wait for the GPU, which still works on the batch before.
    return tensor if device.type == "cpu" else tensor.pin_memory().to(device, non_blocking=True)
