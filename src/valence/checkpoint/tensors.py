"""Tensor files: safetensors, sharded safetensors, and old PyTorch files without executing anything."""

import os
import pickle
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from valence.errors import CheckpointError, ModelNotFoundError
from valence.files import read_json, sync_folder
from valence.folder import ModelFolder

__all__ = ["read_tensors", "write_tensors"]


def read_tensors(folder: ModelFolder) -> dict[str, Tensor]:
    """Read every tensor of a checkpoint, under the names in its files.

    Args:
        folder: the model.

    Returns:
        Tensors on the CPU, in the files' own types.

    Raises:
        ModelNotFoundError: if the folder has no tensor file.
        CheckpointError: if files cannot be read; all of them are named.
    """
    if not folder.weight_files:
        raise ModelNotFoundError(
            f"{folder.path}: no weights: expected model.safetensors (or a sharded one with its index, "
            "or pytorch_model.bin)"
        )
    tensors: dict[str, Tensor] = {}
    problems: list[str] = []
    for path in folder.weight_files:
        try:
            part = _read_safetensors(path) if path.suffix == ".safetensors" else _read_pytorch(path)
        except CheckpointError as problem:
            problems.append(str(problem))
            continue
        if repeated := sorted(part.keys() & tensors.keys()):
            problems.append(f"{path}: tensors that an earlier shard holds too: {', '.join(repeated)}")
        tensors.update(part)
    if problems:
        raise CheckpointError("\n".join(problems))
    _check_index(folder, tensors)
    return tensors


def _check_index(folder: ModelFolder, tensors: dict[str, Tensor]) -> None:
    index = folder.weight_files[0].parent / f"model{folder.weight_files[0].suffix}.index.json"
    if len(folder.weight_files) == 1 or not index.is_file():
        return
    promised = set(read_json(index, CheckpointError).get("weight_map", {}))
    if absent := sorted(promised - tensors.keys()):
        raise CheckpointError(f"{index}: tensors that no shard holds: {', '.join(absent)}")


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as problem:
        raise CheckpointError(f"{path}: not a whole safetensors file: {problem}") from None


def _read_pytorch(path: Path) -> dict[str, Tensor]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise CheckpointError(
            f"{path}: holds something other than tensors; it was not executed. "
            "Ask its author for model.safetensors"
        ) from None
    except (RuntimeError, OSError, EOFError, ValueError, KeyError) as problem:
        raise CheckpointError(f"{path}: not a whole PyTorch file: {problem}") from None
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise CheckpointError(f"{path}: expected a dictionary of tensors")
    return content


def write_tensors(path: Path, tensors: dict[str, Tensor]) -> None:
    """Write a safetensors file beside its place, make it durable, then move it there.

    Args:
        path: the file.
        tensors: what goes in; made contiguous.
    """
    temporary = path.with_name(f".{path.name}.partial")
    try:
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, temporary, {"format": "pt"})
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except SafetensorError as problem:  # safetensors reports a full disk as its own error
        temporary.unlink(missing_ok=True)
        raise OSError(f"{path}: {problem}") from None
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)

