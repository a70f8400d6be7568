"""Files to lines of text: compression, encoding and line ends.

A file is UTF-8 unless its encoding is given, and decompressed if its first bytes say that it is compressed. Lines end
with a line feed; in a file without any, with a carriage return.
"""

import codecs
import io
import lzma
import warnings
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from valence.errors import DataError, InputError
from valence.files import refuse_lfs_pointer

__all__ = [
    "ARCHIVE",
    "UTF_8",
    "check_encoding",
    "decode_lines",
    "open_bytes",
    "read_lines",
    "unreadable",
    "warn_of_returns",
]

UTF_8 = "utf-8"
ARCHIVE = "a ZIP archive or a spreadsheet (.xlsx, .xls): unpack it, or save the sheet as CSV"
_BLOCK_BYTES = 1 << 16
_FIRST_LINE_BYTES = 1 << 20  # a line without an end by then, and with carriage returns in it, is many lines
_MAGIC = {b"\x1f\x8b": "gzip", b"\xfd7zXZ\0": "xz", b"\x28\xb5\x2f\xfd": "zstd"}
_BZIP2 = (b"BZh", b"1AY&SY")  # with a digit between them
_ARCHIVES = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")  # ZIP, .xlsx; .xls
# What reading a compressed file that is damaged raises; pyarrow's errors are OSErrors.
_DAMAGED = (EOFError, zlib.error, lzma.LZMAError)


def check_encoding(encoding: str) -> None:
    """Refuse what is no text encoding.

    Args:
        encoding: a name such as "cp1252".

    Raises:
        InputError: if Python knows no such encoding of text.
    """
    try:
        "".encode(encoding)  # also refuses what is no encoding of text, such as "rot13"
    except (LookupError, ValueError, UnicodeError):
        raise InputError(
            f"unknown encoding {encoding!r:.80}: expected utf-8, cp1252 (Windows), latin-1, utf-16, mac-roman, "
            "shift-jis or another that Python knows"
        ) from None


def open_bytes(path: Path) -> io.BufferedIOBase:
    """Open a file for reading, decompressed.

    Args:
        path: the file; gzip, bzip2, xz and Zstandard are known by their first bytes.

    Returns:
        The file, positioned at its start.

    Raises:
        DataError: if it cannot be opened, or holds something else than its content.
    """
    refuse_lfs_pointer(path, DataError)
    try:
        with path.open("rb") as file:
            start = file.read(16)
        if start.startswith(_ARCHIVES):
            raise DataError(ARCHIVE, path)
        return _opened(path, start)
    except OSError as problem:
        raise unreadable(path, problem) from None


def _opened(path: Path, start: bytes) -> io.BufferedIOBase:
    """Open a file of which the first bytes are known."""
    kind = next((kind for magic, kind in _MAGIC.items() if start.startswith(magic)), None)
    if kind == "gzip":
        import gzip

        return gzip.open(path)
    if kind == "xz":
        return lzma.open(path)
    if kind == "zstd":
        import pyarrow

        return io.BufferedReader(pyarrow.CompressedInputStream(pyarrow.OSFile(str(path)), "zstd"))
    if start[:3] == _BZIP2[0] and start[4:10] == _BZIP2[1]:
        import bz2

        return bz2.open(path)
    return path.open("rb")


def unreadable(path: object, problem: Exception) -> DataError:
    """Make the error for a file that cannot be read.

    Args:
        path: the file.
        problem: what reading it raised.

    Returns:
        The error.
    """
    if isinstance(problem, _DAMAGED):
        return DataError(f"the compressed file is damaged, or ends too early: {problem}", path)
    said = problem.strerror if isinstance(problem, OSError) and problem.strerror else str(problem)
    return DataError(f"cannot be read: {said}", path)


def read_lines(path: Path, encoding: str = UTF_8) -> Iterator[tuple[int, str]]:
    """Read a text file line by line.

    Args:
        path: the file.
        encoding: of its characters.

    Yields:
        The line's number from 1, and the line with its end.

    Raises:
        DataError: if the file cannot be read, or at a line that is not in the encoding.
    """
    with open_bytes(path) as file:
        source: io.BufferedIOBase = file
        if codecs.lookup(encoding).name not in ("utf-8", "utf-8-sig"):
            source = io.BufferedReader(_Transcoded(file, path, encoding))
        lines = decode_lines(_divided(source, path), path)
        while True:
            try:
                numbered = next(lines, None)
            except (OSError, *_DAMAGED) as problem:
                raise unreadable(path, problem) from None
            if numbered is None:
                return
            yield numbered


def _divided(file: io.BufferedIOBase, path: Path) -> Iterator[bytes]:
    """Divide a file into lines; by carriage returns where there is no line feed."""
    first = file.readline(_FIRST_LINE_BYTES)
    if first.endswith(b"\n") or b"\r" not in first:
        yield first if first.endswith(b"\n") else first + file.readline()
        yield from file
        return
    rest = first
    while block := file.read(_BLOCK_BYTES):
        *ends, rest = (rest + block).split(b"\r")
        for line in ends:
            if b"\n" in line:
                raise DataError("some lines end with a carriage return and some with a line feed", path)
            yield line + b"\r"
    yield from rest.splitlines(keepends=True)


class _Transcoded(io.RawIOBase):
    """A file in another encoding, as UTF-8."""

    def __init__(self, file: io.BufferedIOBase, path: Path, encoding: str) -> None:
        self._file = file
        self._path = path
        self._encoding = encoding
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._ready = b""
        self._line = 1
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # always a buffer of bytes
        while not self._ready and not self._ended:
            block = self._file.read(_BLOCK_BYTES)
            self._ended = not block
            try:
                self._ready = self._decoder.decode(block, final=not block).encode()
            except UnicodeError as problem:
                line = self._line
                if isinstance(problem, UnicodeDecodeError):
                    line += problem.object[: problem.start].count(b"\n")
                said = getattr(problem, "reason", problem)
                raise DataError(f"not {self._encoding}: {said}; is it another --encoding?", self._path, line) from None
            self._line += self._ready.count(b"\n")
        taken, self._ready = self._ready[: len(buffer)], self._ready[len(buffer) :]
        buffer[: len(taken)] = taken
        return len(taken)


def decode_lines(lines: Iterable[bytes], name: object) -> Iterator[tuple[int, str]]:
    """Read UTF-8 text line by line.

    Args:
        lines: the bytes, divided after each line feed. Where there is no line feed at all, so a single line, it is
            divided at carriage returns.
        name: what to call their source in messages.

    Yields:
        The line's number from 1, and the line with its end.

    Raises:
        DataError: at a line that is not UTF-8.
    """
    number = 0
    for raw in lines:
        if number == 0:
            raw = _without_mark(raw, name)
        divided = number == 0 and b"\n" not in raw and b"\r" in raw
        for line in raw.splitlines(keepends=True) if divided else (raw,):
            number += 1
            try:
                text = line.decode(UTF_8)
            except UnicodeDecodeError as problem:
                found = f"not UTF-8: byte {problem.start + 1} of the line is 0x{line[problem.start]:02x}"
                raise DataError(f"{found}; {_advice(name, 'cp1252')}", name, number) from None
            yield number, text


def _without_mark(line: bytes, name: object) -> bytes:
    """Remove a byte order mark from the first line, and refuse UTF-16 and UTF-32."""
    if line.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        raise DataError(f"not UTF-8 but UTF-32; {_advice(name, 'utf-32')}", name)
    # UTF-16 has a mark of two bytes, or without it a NUL beside each letter of plain text.
    start = line[:8]
    beside = len(start) == 8 and (any(start[::2]), any(start[1::2])) in ((True, False), (False, True))
    if line.startswith((b"\xff\xfe", b"\xfe\xff")) or beside:
        raise DataError(f"not UTF-8 but UTF-16; {_advice(name, 'utf-16')}", name)
    return line.removeprefix(codecs.BOM_UTF8)


def _advice(name: object, encoding: str) -> str:
    if not isinstance(name, Path):  # standard input, line by line
        return f"make it UTF-8 first: iconv -f {encoding} -t utf-8"
    often = " (files of Windows and Excel are often cp1252)" if encoding == "cp1252" else ""
    said = "name what it is with --encoding" if often else f"read it with --encoding {encoding}"
    return f"save the file as UTF-8, or {said}{often}"


def warn_of_returns(lines: Iterable[tuple[int, str]], name: object) -> Iterator[tuple[int, str]]:
    """Say where carriage returns stand within lines, which are read as part of the text.

    Args:
        lines: numbers and lines, as `decode_lines` yields them.
        name: what to call their source in the message, which comes once.

    Yields:
        The same.
    """
    warned = False
    for number, line in lines:
        if not warned and "\r" in line.rstrip("\r\n"):
            warned = True
            warnings.warn(
                f"{name}, line {number}: carriage returns within the line are read as part of the text; if they end "
                "lines, save the file with line feeds",
                stacklevel=2,
            )
        yield number, line
