"""Small things done to files everywhere: JSON read and written safely, hashes."""

import errno
import hashlib
import json
import os
import re
import struct
import tempfile
from collections.abc import Iterable
from pathlib import Path

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
    "why_not_unicode",
    "why_not_writable",
    "write_json",
    "write_text",
]

_PROBE_BYTES = 4096  # a file without content fits on a full disk
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


def read_json(path: Path, error: type[ModelError] = ModelError) -> dict[str, object]:
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
        path: the file; its folder is created. What is no file but can be written, such as a device, is written to.
        text: its new content.
    """
    if _is_special(path):  # to replace /dev/null by a file would be the end of it
        with path.open("a", encoding="utf-8") as device:
            device.write(text)
        return
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


def why_not_writable(path: Path) -> str | None:
    """Find out whether `write_text` can write a file, by trying it in the nearest folder that is there.

    Permissions alone do not tell: the administrator may do everything, but not on a disk that is full or read-only.

    Args:
        path: the file; nothing is left behind, and it stays as it is.

    Returns:
        What is in the way, or None.
    """
    if os.path.isdir(path):
        return "it is a folder, and a file is expected"
    if _is_special(path):
        return None if os.access(path, os.W_OK) else os.strerror(errno.EACCES)
    nearest = next(parent for parent in path.absolute().parents if os.path.lexists(parent))
    if not os.path.isdir(nearest):
        return f"{os.strerror(errno.ENOTDIR)}: {nearest}"
    try:
        if os.path.isfile(path):  # one that is protected is meant to stay
            os.close(os.open(path, os.O_WRONLY | os.O_APPEND))
        handle, temporary = tempfile.mkstemp(dir=nearest, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(bytes(_PROBE_BYTES))
                file.flush()
                os.fsync(file.fileno())
        finally:
            os.unlink(temporary)
    except OSError as problem:
        return problem.strerror or str(problem)
    return None


def _is_special(path: Path) -> bool:
    """Tell a device or a pipe, or a name for one such as /dev/stdout, from a file, a folder, and nothing."""
    if not os.path.exists(path) or os.path.isdir(path):
        return False
    return not os.path.isfile(path) or (os.path.islink(path) and path.absolute().is_relative_to("/dev"))


def write_json(path: Path, content: object) -> None:
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
    return why_not_unicode(text) is None


def why_not_unicode(text: str) -> str | None:
    """Find half of a surrogate pair, which JSON can spell and command lines can bring.

    Args:
        text: any text.

    Returns:
        What is wrong with it, or None if it can be written as UTF-8.
    """
    try:
        _ = text.isascii() or text.encode("utf-8")
    except UnicodeEncodeError as problem:
        half = f"character {problem.start + 1} is {text[problem.start]!r}, half of a surrogate pair"
        return f"is not valid Unicode: {half}"
    return None
