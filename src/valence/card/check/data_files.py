"""Files found by their content: which file of a folder has this SHA-256?"""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from valence.errors import InputError
from valence.files import sha256

__all__ = ["DataFiles"]

_MOST_FILES = 100_000


class DataFiles:
    """The files below some folders. Each is hashed at most once, the likely ones first.

    Args:
        folders: where to look, with everything below.

    Raises:
        InputError: if a folder is none, or holds too many files to look through.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self.folders = tuple(folders)
        self._hashes: dict[Path, str] = {}
        self._files: list[tuple[int, Path]] = []
        for folder in folders:
            if not folder.is_dir():
                raise InputError(f"{folder}: no such folder of data")
            for place, _, names in os.walk(folder):
                for path in (Path(place, name) for name in names):
                    if path.is_file():
                        self._files.append((path.stat().st_size, path))
                if len(self._files) > _MOST_FILES:
                    raise InputError(f"{folder}: more than {_MOST_FILES:,} files; name the folder of the data itself")

    def find(self, digest: str, name: str) -> Path | None:
        """Find a file by its content.

        Args:
            digest: its SHA-256.
            name: what a report calls it; files whose path has words of it are looked at first.

        Returns:
            The file, or None.
        """
        for path, known in self._hashes.items():
            if known == digest:
                return path
        words = set(re.findall(r"[a-z0-9]+", name.lower()))
        left = [
            (-len(words & set(re.findall(r"[a-z0-9]+", str(path).lower()))), size, path)
            for size, path in self._files
            if path not in self._hashes
        ]
        for _, _, path in sorted(left):
            try:
                self._hashes[path] = sha256(path)
            except OSError:  # not ours to read, or gone
                self._hashes[path] = ""
            if self._hashes[path] == digest:
                return path
        return None

    def where(self) -> str:
        """Name the folders.

        Returns:
            For a message.
        """
        return ", ".join(map(str, self.folders))
