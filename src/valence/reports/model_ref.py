"""How a report names a model: as its user did, never by a path of this machine, and by what it consists of."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from valence.files import sha256
from valence.folder import ModelFolder

__all__ = ["ModelRef", "model_name"]


class ModelRef(msgspec.Struct, frozen=True, kw_only=True):
    """A model that was measured.

    Args:
        name: how it is called; None where it comes from no folder.
        engine: what ran it, with its precision ("native int8").
        engine_sha256: of the files that it ran from, if it did.
        weights_sha256: of the weights that those were made from, or of the checkpoint; None where neither is known.
    """

    name: str | None = None
    engine: str
    engine_sha256: str | None = None
    weights_sha256: str | None = None

    @classmethod
    def of(
        cls, folder: ModelFolder | None, engine: str, files: Sequence[Path], weights_sha256: str | None
    ) -> "ModelRef":
        """Describe a model as it runs.

        Args:
            folder: where it comes from, if it comes from a folder.
            engine: what runs it.
            files: what it runs from.
            weights_sha256: of its weights.

        Returns:
            The description.
        """
        return cls(
            name=None if folder is None else model_name(folder),
            engine=engine,
            engine_sha256=sha256(files) if files else None,
            weights_sha256=weights_sha256,
        )


def model_name(folder: ModelFolder) -> str:
    """Name a model in a report.

    Args:
        folder: the model.

    Returns:
        "default", the id on the hub, or the name of the folder without the way to it.
    """
    is_path = not folder.embedded and Path(folder.name).expanduser() == folder.path
    return (folder.path.resolve().name or folder.name) if is_path else folder.name
