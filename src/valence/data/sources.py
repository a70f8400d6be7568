"""What a user calls a data set (a file, standard input, a GLUE-style folder, a hub data set) to its files."""

import functools
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Literal

from valence import hub
from valence.data.lines import open_bytes, unreadable
from valence.data.tables import COMPRESSED, ENDINGS, Table, TableOptions, open_table
from valence.errors import DataError
from valence.files import sha256

__all__ = ["STANDARD_INPUT", "DataSource", "Split", "find_source"]

STANDARD_INPUT = "-"
_START_BYTES = 1 << 16

Split = Literal["train", "eval"]
# A folder's files by the names that are in use for each split, best first.
_SPLIT_NAMES: dict[Split, tuple[str, ...]] = {
    "train": ("train",),
    "eval": ("dev", "validation", "valid", "val", "test"),
}
_GENERIC_STEMS = frozenset({"train", "dev", "validation", "valid", "val", "test", "data", "sample"})


@dataclass(frozen=True)
class DataSource:
    """A data set on disk.

    Args:
        name: what the user called it; "-" for what can be read only once.
        paths: its files, all with the same columns.
        options: how they are read.
    """

    name: str
    paths: tuple[Path, ...]
    options: TableOptions = field(default=TableOptions())

    def tables(self) -> tuple[Table, ...]:
        """Open the files.

        Returns:
            One table per file.

        Raises:
            DataError: if a file cannot be opened, or its columns are not those of the first.
        """
        tables = tuple(open_table(path, self.options) for path in self.paths)
        for table in tables[1:]:
            if set(table.columns) != set(tables[0].columns):
                raise DataError(
                    f"columns {', '.join(table.columns)} differ from those of {tables[0].path.name}: "
                    f"{', '.join(tables[0].columns)}",
                    table.path,
                )
        return tables

    @property
    def labels_file(self) -> Path | None:
        """The labels.txt beside the data, if there is one."""
        path = self.paths[0].parent / "labels.txt"
        return path if path.is_file() else None

    @property
    def title(self) -> str:
        """A short name for reports: the file's, with the folder's where the file's says little."""
        path = self.paths[0]
        if self.name == STANDARD_INPUT:
            return "standard-input"
        if self.name.startswith("hub:"):
            return "-".join(self.name.removeprefix("hub:").replace(":", "/").split("/")).strip("-")
        return f"{path.absolute().parent.name}-{path.stem}" if path.stem in _GENERIC_STEMS else path.stem

    def sha256(self) -> str:
        """Hash the content of the files.

        Returns:
            64 hexadecimal digits.
        """
        return sha256(self.paths)


def find_source(name: str, split: Split, options: TableOptions = TableOptions()) -> DataSource:  # noqa: B008  # frozen
    """Find the files behind a name.

    Args:
        name: a file, "-" for standard input, a folder with train and dev files, or
            "hub:OWNER/NAME[@REVISION][:SPLIT]". What can be read only once (standard input, a named pipe) is copied to
            a temporary file, which lasts as long as the process.
        split: which part of a folder or hub data set, unless the name says.
        options: how to read tables.

    Returns:
        The data set.

    Raises:
        DataError: if nothing usable is there.
    """
    if name.startswith("hub:"):
        repository, _, wanted = name.removeprefix("hub:").partition(":")
        paths = hub.fetch_dataset(repository, (wanted,) if wanted else _SPLIT_NAMES[split])
        return DataSource(name, paths, options)
    if name == STANDARD_INPUT:
        if sys.stdin is None:
            raise DataError("standard input is closed", name)
        return DataSource(name, (_copied(sys.stdin.buffer, "standard input", options),), options)
    path = Path(os.path.expanduser(name))
    if not os.path.isdir(path):
        if not os.path.exists(path):
            raise DataError("no such file or folder", path)
        if not os.path.isfile(path) or path.is_relative_to("/dev") or path.is_relative_to("/proc"):
            try:
                with path.open("rb") as file:
                    return DataSource(STANDARD_INPUT, (_copied(file, name, options),), options)
            except OSError as problem:
                raise unreadable(path, problem) from None
        return DataSource(name, (path,), options)
    for stem in _SPLIT_NAMES[split]:
        for ending in ENDINGS:
            for compressed in ("", *COMPRESSED):
                if (path / f"{stem}{ending}{compressed}").is_file():
                    return DataSource(name, (path / f"{stem}{ending}{compressed}",), options)
    stems, endings = ", ".join(_SPLIT_NAMES[split]), ", ".join(ENDINGS)
    raise DataError(f"no {split} file: expected one of {stems} ending in {endings}", path)


def _copied(file: BinaryIO, name: object, options: TableOptions) -> Path:
    """Copy what can be read only once to a file, whose ending says what it looks like."""
    folder = Path(_temporary_folder().name)
    path = folder / f"{len(list(folder.iterdir()))}"
    try:
        with path.open("wb") as copy:
            shutil.copyfileobj(file, copy)
    except OSError as problem:
        raise DataError(f"cannot be copied to {folder}: {problem.strerror or problem}", name) from None
    if path.stat().st_size == 0:
        raise DataError("nothing in it", name)
    named = path.with_name(f"standard-input-{path.name}{'' if options.format else _ending(path)}")
    return path.rename(named)


def _ending(path: Path) -> str:
    with open_bytes(path) as file:
        try:
            start = file.read(_START_BYTES)
        except (OSError, EOFError, ValueError) as problem:
            raise unreadable(path, problem) from None
    if start.startswith(b"PAR1"):
        return ".parquet"
    if start.removeprefix(b"\xef\xbb\xbf").lstrip().startswith((b"{", b"[")):
        return ".jsonl"
    return ".tsv" if b"\t" in start.partition(b"\n")[0] else ".csv"


@functools.cache
def _temporary_folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="valence-")  # removed when the process ends
