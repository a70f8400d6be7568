"""What a user calls a data set (a file, a GLUE-style folder, a hub data set) to the files it stands for."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from valence import hub
from valence.data.tables import FORMATS, Table, open_table
from valence.errors import DataError
from valence.files import sha256

__all__ = ["DataSource", "Split", "find_source"]

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
        name: what the user called it.
        paths: its files, all with the same columns.
    """

    name: str
    paths: tuple[Path, ...]

    def tables(self) -> tuple[Table, ...]:
        """Open the files.

        Returns:
            One table per file.

        Raises:
            DataError: if a file cannot be opened, or its columns are not those of the first.
        """
        tables = tuple(open_table(path) for path in self.paths)
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
        if self.name.startswith("hub:"):
            return "-".join(self.name.removeprefix("hub:").replace(":", "/").split("/")).strip("-")
        return f"{path.absolute().parent.name}-{path.stem}" if path.stem in _GENERIC_STEMS else path.stem

    def sha256(self) -> str:
        """Hash the content of the files.

        Returns:
            64 hexadecimal digits.
        """
        return sha256(self.paths)


def find_source(name: str, split: Split) -> DataSource:
    """Find the files behind a name.

    Args:
        name: a file, a folder with train and dev files, or "hub:OWNER/NAME[@REVISION][:SPLIT]".
        split: which part of a folder or hub data set, unless the name says.

    Returns:
        The data set.

    Raises:
        DataError: if nothing usable is there.
    """
    if name.startswith("hub:"):
        repository, _, wanted = name.removeprefix("hub:").partition(":")
        paths = hub.fetch_dataset(repository, (wanted,) if wanted else _SPLIT_NAMES[split])
        return DataSource(name, paths)
    path = Path(os.path.expanduser(name))
    if not os.path.isdir(path):
        if not os.path.exists(path):
            raise DataError("no such file or folder", path)
        return DataSource(name, (path,))
    for stem in _SPLIT_NAMES[split]:
        for suffix in FORMATS:
            if (path / f"{stem}{suffix}").is_file():
                return DataSource(name, (path / f"{stem}{suffix}",))
    stems, endings = ", ".join(_SPLIT_NAMES[split]), ", ".join(FORMATS)
    raise DataError(f"no {split} file: expected one of {stems} ending in {endings}", path)
