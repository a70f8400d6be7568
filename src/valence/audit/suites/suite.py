"""What a published suite is, and how its files are checked.

Whatever is absent, broken or not as published raises `DataError`, which names the file, the line where there is one,
what was expected, and where its authors keep it.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from valence.data.rows import Row
from valence.data.tables import open_table
from valence.errors import DataError
from valence.files import refuse_lfs_pointer

__all__ = ["Suite", "check_counts", "check_file", "check_folder", "rows"]

Content_co = TypeVar("Content_co", covariant=True)

_MAX_BYTES = 64 << 20  # many times the largest of the published files


@dataclass(frozen=True)
class Suite(Generic[Content_co]):
    """A published suite.

    Args:
        name: as its folder is called.
        source: where its authors keep it.
        places: where it may lie in a folder of data, best first: by its name, or as its authors' repository is cloned.
        reader: from such a place to its content.
    """

    name: str
    source: str
    places: tuple[str, ...]
    reader: Callable[[Path], Content_co]

    def find(self, folder: str | os.PathLike[str]) -> Path | None:
        """Look whether a folder of data holds it.

        Args:
            folder: such a folder.

        Returns:
            What to read, if it is there.

        Raises:
            DataError: if there is no such folder.
        """
        root = Path(folder)
        if not os.path.isdir(root):
            raise DataError("not a folder" if os.path.exists(root) else "no such folder", root)
        return next((root / place for place in self.places if os.path.exists(root / place)), None)

    def read(self, path: Path) -> Content_co:
        """Read it.

        Args:
            path: where it lies.

        Returns:
            Its content.

        Raises:
            DataError: if it is not what was published; says where that is.
        """
        try:
            return self.reader(path)
        except DataError as problem:
            named = DataError(f"{problem}; the published files: {self.source}")
            named.path, named.line = problem.path, problem.line
            raise named from None


def check_file(path: Path) -> None:
    """Refuse what cannot be a file of a suite.

    Args:
        path: the file.

    Raises:
        DataError: if it is absent, empty, far too large or a pointer of Git LFS.
    """
    if not os.path.isfile(path):
        raise DataError("not a file" if os.path.exists(path) else "no such file", path)
    if (size := os.path.getsize(path)) > _MAX_BYTES:
        raise DataError(f"{size:,} bytes are far more than the published file has", path)
    if size == 0:
        raise DataError("the file is empty", path)
    refuse_lfs_pointer(path, DataError)


def check_folder(folder: Path, names: Sequence[str]) -> None:
    """Refuse a folder that lacks files of a suite.

    Args:
        folder: the folder.
        names: of its files.

    Raises:
        DataError: if it or one of them is absent, or no file of a suite.
    """
    if not os.path.isdir(folder):
        raise DataError("not a folder" if os.path.exists(folder) else "no such folder", folder)
    if absent := [name for name in names if not os.path.exists(folder / name)]:
        raise DataError(f"expected {len(names)} files, absent: {', '.join(absent)}", folder)
    for name in names:
        check_file(folder / name)


def check_counts(found: Mapping[str, int], published: Mapping[str, int], what: str, path: Path) -> None:
    """Compare numbers with the published ones.

    Args:
        found: by name.
        published: by name.
        what: is counted.
        path: the file, for messages.

    Raises:
        DataError: if they differ.
    """
    if dict(found) != dict(published):
        names = [*published, *sorted(set(found) - set(published))]
        differing = [
            f"{name[:40]} {found.get(name, 0):,} instead of {published.get(name, 0):,}"
            for name in names
            if found.get(name, 0) != published.get(name, 0)
        ]
        raise DataError(f"the numbers of {what} differ from the published ones: {', '.join(differing[:5])}", path)


def rows(path: Path, columns: Sequence[str]) -> Iterator[Row]:
    """Read the rows of a table.

    Args:
        path: the file.
        columns: that it must have.

    Yields:
        Its rows.

    Raises:
        DataError: if it lacks a column or cannot be read.
    """
    check_file(path)
    table = open_table(path)
    if absent := [column for column in columns if column not in table.columns]:
        raise DataError(
            f"the header lacks {', '.join(absent)}; it has {', '.join(map(repr, table.columns))[:200]}", path, 1
        )
    yield from table.rows()
