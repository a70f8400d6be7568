"""Small things done to files everywhere: JSON read and written safely, hashes."""

import hashlib
import json
import os
import struct
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from valence.errors import CheckpointError, ModelError

__all__ = [
    "fingerprint",
    "is_unicode",
    "read_json",
    "sha256",
    "sync_folder",
    "tensor_shapes",
    "write_json",
    "write_text",
]

_FINGERPRINT_BLOCKS = 64
_FINGERPRINT_BYTES = 1 << 14
_MAX_HEADER_BYTES = 100_000_000  # the limit that safetensors itself has


def read_json(path: Path, error: type[ModelError] = ModelError) -> dict[str, Any]:
    """Read a JSON file that holds one object.

    Args:
        path: the file.
        error: what to raise when it is not such a file.

    Returns:
        The object.

    Raises:
        ModelError: if the file is absent, unreadable or not a JSON object (or the subclass asked for).
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise error(f"{path}: no such file") from None
    except (OSError, ValueError, RecursionError) as problem:  # ValueError: not UTF-8, not JSON, too many digits
        raise error(f"{path}: not readable as JSON: {problem}") from None
    if not isinstance(content, dict):
        raise error(f"{path}: expected a JSON object, found {type(content).__name__}")
    return content


def write_text(path: Path, text: str) -> None:
    """Write a text file so that a reader sees the old or the new content, never half of it.

    Args:
        path: the file; its folder is created.
        text: its new content.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)  # mkstemp makes private files; a model folder is not private
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_json(path: Path, content: Any) -> None:
    """Write one JSON value, indented, with a final line break; see `write_text`.

    Args:
        path: the file; its folder is created.
        content: what to write.
    """
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable, as `fsync` does for a file's content.

    Args:
        path: the folder.
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sha256(paths: Path | Iterable[Path]) -> str:
    """Hash the content of one file, or of several in the order given.

    Args:
        paths: a file, or files.

    Returns:
        64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for path in [paths] if isinstance(paths, Path) else paths:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def fingerprint(paths: Iterable[Path]) -> str:
    """Tell large files apart quickly: hash their sizes and blocks spread over each, not the whole content.

    Other weights of the same shape differ in every block, so this notices them in milliseconds; it is no proof
    against somebody who changes a file on purpose, as `sha256` is.

    Args:
        paths: files.

    Returns:
        64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for path in paths:
        size = path.stat().st_size
        digest.update(f"{path.name} {size}\n".encode())
        with path.open("rb") as file:
            for block in range(_FINGERPRINT_BLOCKS):
                file.seek(max(0, size - _FINGERPRINT_BYTES) * block // (_FINGERPRINT_BLOCKS - 1))
                digest.update(file.read(_FINGERPRINT_BYTES))
    return digest.hexdigest()


def tensor_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Read the header of a safetensors file, and none of its tensors.

    Args:
        path: the file.

    Returns:
        Names to shapes.

    Raises:
        CheckpointError: if it is no such file.
    """
    try:
        with path.open("rb") as file:
            (size,) = struct.unpack("<Q", file.read(8))
            if size > _MAX_HEADER_BYTES:
                raise ValueError(f"a header of {size} bytes")
            header = json.loads(file.read(size))
        return {name: tuple(map(int, tensor["shape"])) for name, tensor in header.items() if name != "__metadata__"}
    except (OSError, struct.error, ValueError, KeyError, TypeError, AttributeError, RecursionError) as problem:
        raise CheckpointError(f"{path}: not a readable safetensors file: {problem}") from None


def is_unicode(text: str) -> bool:
    """Tell text that can be written from text that holds half of a surrogate pair.

    Args:
        text: any text, such as JSON and command lines bring.

    Returns:
        Whether it can be written as UTF-8.
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
