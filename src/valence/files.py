"""Small things done to files everywhere: JSON read and written safely, hashes."""

import hashlib
import json
import os
import re
import struct
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from valence.errors import CheckpointError, DataError, ModelError, ValenceError

__all__ = [
    "fingerprint",
    "is_unicode",
    "lfs_pointer",
    "read_json",
    "refuse_lfs_pointer",
    "sha256",
    "sync_folder",
    "tensor_shapes",
    "write_json",
    "write_text",
]

_FINGERPRINT_BLOCKS = 64
_FINGERPRINT_BYTES = 1 << 14
_MAX_HEADER_BYTES = 100_000_000  # the limit that safetensors itself has
_MAX_POINTER_BYTES = 1024  # the limit that git-lfs itself has
_POINTER_START = b"version https://git-lfs.github.com/spec/"
_POINTER_SIZE = re.compile(rb"^size (\d{1,18})\r?$", re.MULTILINE)


def lfs_pointer(path: Path) -> int | None:
    """Tell a git-lfs pointer, which a clone without git-lfs leaves in place of a large file, from the file itself.

    Args:
        path: a file, present or not.

    Returns:
        The bytes of the file that the pointer stands for; None where this is no pointer.
    """
    try:
        if path.stat().st_size > _MAX_POINTER_BYTES or not path.is_file():
            return None
        content = path.read_bytes()
    except OSError:
        return None  # whoever reads it says so
    size = _POINTER_SIZE.search(content)
    return int(size[1]) if size and content.removeprefix(b"\xef\xbb\xbf").startswith(_POINTER_START) else None


def refuse_lfs_pointer(path: Path, error: type[ValenceError] = ModelError) -> None:
    """Refuse a git-lfs pointer, and say how to get the file that it stands for.

    Call it before a file is read where a pointer could be read as what is expected (text, tables), and once
    reading has failed where it could not.

    Args:
        path: a file, present or not.
        error: what to raise.

    Raises:
        ValenceError: if it is a pointer (of the subclass asked for).
    """
    size = lfs_pointer(path)
    if size is None:
        return
    megabytes = f"{size / 1e6:,.1f} MB" if size >= 100_000 else f"{size:,} bytes"
    message = (
        f"a git-lfs pointer stands in place of the file ({megabytes}): in its folder run "
        "`git lfs install && git lfs pull`, then try again"
    )
    raise DataError(message, path) if issubclass(error, DataError) else error(f"{path}: {message}")


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
        refuse_lfs_pointer(path, error)
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
        refuse_lfs_pointer(path, CheckpointError)
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
