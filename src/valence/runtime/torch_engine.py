"""The PyTorch engine: the model itself, on the CPU or a GPU, or wherever a module in memory lies.

In fp32 on the CPU it is the reference that every export is compared with. In bf16, and on a GPU, batches run without
padding.
"""

import ctypes
import functools
import os
from pathlib import Path
from typing import Any, Literal, SupportsIndex

import numpy as np
import torch
from numpy.typing import NDArray

from valence.checkpoint.checkpoint import load_model
from valence.errors import EngineError, InputError
from valence.families import Task
from valence.folder import ModelFolder
from valence.forking import native_calls
from valence.model.heads import FirstTokenHead, TaskModel
from valence.model.unpadded import UnpaddedClassifier, UnpaddedTexts
from valence.runtime.reopening import Reopening, reopening
from valence.runtime.threads import thread_count
from valence.text.batching import TokenBatch

__all__ = ["Precision", "TorchEngine", "check_fork", "has_bf16", "has_gpu", "limit_threads", "state_of"]

Precision = Literal["fp32", "bf16"]
_TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def has_gpu() -> bool:
    """Tell whether PyTorch can use an NVIDIA GPU.

    Returns:
        Whether it can, but for a forked process, of which `check_fork` tells.
    """
    return torch.cuda._is_in_bad_fork() or torch.cuda.is_available()


def check_fork(device: str) -> None:
    """Refuse to run in a forked process in which PyTorch may fail or wait for ever.

    Args:
        device: "cpu" or "cuda".

    Raises:
        EngineError: if the parent had begun to use the GPU that is asked for, or ran a model with lists of buffers by
            thread: MKL, inside PyTorch, was seen to search one for ever in a forked process. It keeps none if
            MKL_DISABLE_FAST_MM is set when PyTorch is imported, as it is where valence is imported first.
    """
    if device == "cuda" and torch.cuda._is_in_bad_fork():
        raise EngineError(
            "PyTorch cannot use a GPU in a forked process after its parent did: start processes with 'spawn' "
            "(multiprocessing.get_context), or load the model in each of them and not before the fork"
        )
    if device == "cpu" and _forked and _lists_buffers():
        raise EngineError(
            "PyTorch may wait for ever in a forked process where it was imported before valence: import valence first "
            "or set MKL_DISABLE_FAST_MM=1, or start processes with 'spawn'"
        )


@functools.cache
def _lists_buffers() -> bool:
    """Tell whether MKL keeps its lists; a PyTorch without MKL has none."""
    try:
        library = ctypes.CDLL(str(Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"))
        return not library.mkl_serv_get_fast_mm_status()
    except (OSError, AttributeError):
        return False


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


_forked = False


def _after_fork() -> None:
    """Use one thread: OpenMP would wait for those of the parent, whose models used them while they were loaded."""
    global _forked
    _forked = True
    torch.set_num_threads(1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def limit_threads(threads: int | None) -> None:
    """Set how many threads PyTorch uses on the CPU, from now on in the whole process; in a forked process it is one.

    Args:
        threads: how many. None: no more than there are processors, in a container too.
    """
    wanted = 1 if _forked else thread_count(torch.get_num_threads() if threads is None else threads)
    if wanted != torch.get_num_threads():
        torch.set_num_threads(wanted)


def state_of(model: TaskModel) -> list[object]:
    """Tell whether a model is as it was loaded, without looking at its values.

    Args:
        model: any.

    Returns:
        What a change of its values, type, place or mode changes.
    """
    parameters = [(p.data_ptr(), 0 if p.is_inference() else p._version, p.dtype) for p in model.parameters()]
    return [model.training, *parameters]


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
        self._loaded: tuple[list[object], Reopening] | None = None  # its state, and how to open it again
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
        check_fork(device)
        if precision == "bf16" and not has_bf16(device):
            raise EngineError(
                f"this {'GPU' if device == 'cuda' else 'processor'} has no bf16 products (AVX512-BF16, AMX, or a GPU "
                "from Ampere on); use fp32"
            )
        precision = precision or ("bf16" if device == "cuda" and has_bf16(device) else "fp32")
        if device == "cpu":
            limit_threads(threads)
        with native_calls:
            model = load_model(folder, task).eval().to(device=device, dtype=_TYPES[precision])
        engine = cls(model, folder.weight_files, unpadded=device == "cuda" or precision == "bf16")
        files = folder.path / "config.json", *folder.weight_files
        options = folder.name, folder.embedded, precision, device, threads, task
        engine._loaded = state_of(model), reopening(_open_again, files, *options)
        return engine

    def __reduce_ex__(self, protocol: SupportsIndex) -> str | tuple[object, ...]:
        if self._loaded is not None and state_of(self._model) == self._loaded[0]:
            return self._loaded[1]
        return super().__reduce_ex__(protocol)  # a model that was made, or changed, in memory goes with its weights

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

        Raises:
            EngineError: if the model lies on a GPU, and the process was forked since.
        """
        check_fork(self._device.type)
        was_training = self._model.training
        if was_training:
            self._model.eval()
        try:
            with native_calls, torch.inference_mode():
                logits = self._run_padded(batch) if self._unpadded is None else self._run_unpadded(batch)
                result: NDArray[np.float32] = logits.float().cpu().numpy()
        finally:
            if was_training:
                self._model.train()
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
        if max(texts.lengths) > self._model.config.longest_text:  # on a GPU it would end the process's use of it
            raise EngineError(
                f"a text of {max(texts.lengths)} tokens, and the model reads {self._model.config.longest_text}"
            )
        logits: torch.Tensor = self._unpadded(texts)
        return logits


def _open_again(config: Path, name: str, embedded: bool, *options: Any) -> TorchEngine:
    return TorchEngine.from_folder(ModelFolder(config.parent, name, embedded), *options)


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
