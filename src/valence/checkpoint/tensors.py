"""Tensor files: safetensors, sharded safetensors, and old PyTorch files without executing anything."""

import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from valence.errors import CheckpointError, ModelNotFoundError, listed
from valence.files import read_json, refuse_lfs_pointer, sync_folder
from valence.folder import ModelFolder

__all__ = ["read_safetensors", "read_tensors", "write_tensors"]

_MOST_PROBLEMS = 5  # of as many files


def read_tensors(folder: ModelFolder) -> dict[str, Tensor]:
    """Read every tensor of a checkpoint, under the names in its files.

    Args:
        folder: the model.

    Returns:
        Tensors on the CPU, in the files' own types.

    Raises:
        ModelNotFoundError: if the folder has no tensor file.
        CheckpointError: if files cannot be read; the first of them are named.
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
            part = read_safetensors(path) if path.suffix == ".safetensors" else _read_pytorch(path)
        except CheckpointError as problem:
            problems.append(str(problem))
            continue
        if repeated := sorted(part.keys() & tensors.keys()):
            problems.append(f"{path}: tensors that an earlier shard holds too: {listed(repeated)}")
        tensors.update(part)
    if problems:
        more = len(problems) - _MOST_PROBLEMS
        raise CheckpointError(
            "\n".join(problems[:_MOST_PROBLEMS]) + (f"\nand {more:,} more files like these" if more > 0 else "")
        )
    _check_index(folder, tensors)
    return tensors


def _check_index(folder: ModelFolder, tensors: dict[str, Tensor]) -> None:
    first = folder.weight_files[0]
    single = "model.safetensors" if first.suffix == ".safetensors" else "pytorch_model.bin"
    if first.name == single:
        return
    index = folder.path / f"{single}.index.json"
    promised = read_json(index, CheckpointError).get("weight_map")  # an object, or the folder would know no shards
    if absent := sorted(set(promised if isinstance(promised, dict) else ()) - tensors.keys()):
        raise CheckpointError(f"{index}: tensors that no shard holds: {listed(absent)}")


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file.

    Args:
        path: the file.

    Returns:
        Its tensors, on the CPU.

    Raises:
        CheckpointError: if it is damaged, or is not there.
    """
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as problem:
        refuse_lfs_pointer(path, CheckpointError)
        raise CheckpointError(f"{path}: not a whole safetensors file: {problem}") from None


def _read_pytorch(path: Path) -> dict[str, Tensor]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as problem:  # a damaged or hostile file can end in almost any error
        refuse_lfs_pointer(path, CheckpointError)
        raise CheckpointError(
            f"{path}: damaged, or holds something other than tensors, which is never executed; "
            f"ask its author for model.safetensors ({str(problem).partition('. ')[0]:.200})"
        ) from None
    if not isinstance(content, dict) or not all(isinstance(name, str) for name in content):
        raise CheckpointError(f"{path}: expected a dictionary of tensors")
    content = _unwrapped(path, content)
    tensors = {name: value for name, value in content.items() if _is_plain(value)}
    if odd := sorted(content.keys() - tensors.keys()):
        raise CheckpointError(f"{path}: expected plain tensors only; other things: {listed(odd):.1000}")
    return tensors


def _unwrapped(path: Path, content: dict[str, Any]) -> dict[str, Any]:
    """Take the weights out of a trainer's checkpoint, which keeps them beside its own state (Lightning: state_dict)."""
    if any(isinstance(value, Tensor) and "." in name for name, value in content.items()):
        return content  # these are the weights
    held = sorted(name for name, value in content.items() if _holds_weights(value))
    if len(held) > 1:
        raise CheckpointError(
            f"{path}: holds several sets of tensors, and which of them is the model it does not say: {listed(held)}; "
            "save the one that is meant alone: torch.save(content[NAME], FILE)"
        )
    return content[held[0]] if held else content


def _holds_weights(value: object) -> bool:
    return (
        isinstance(value, dict)
        and bool(value)
        and all(isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in value.items())
    )


def _is_plain(value: object) -> bool:
    """Tell whether this is a tensor that holds its values one after the other, in memory."""
    return (
        isinstance(value, Tensor)
        and value.layout is torch.strided
        and value.device.type == "cpu"
        and not value.is_quantized
    )


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
