"""onnx/manifest.json: which engines a model folder holds, how they were made and how well they agree."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from valence.errors import EngineError
from valence.files import read_json, write_json
from valence.folder import ModelFolder

__all__ = ["Export", "Manifest", "Precision", "read_manifest"]

Precision = Literal["fp32", "int8"]
_FORMAT = 1


@dataclass(frozen=True)
class Export:
    """One exported engine.

    Args:
        file: its name within the onnx folder.
        precision: of its products.
        n_classes: the width of its logits.
        bytes: its size.
        sha256: of its content.
        source_sha256: of the weights it was made from.
        source_fingerprint: of the same files; see `valence.files.fingerprint`.
        agreement: how it compared with the source in fp32; see `valence.runtime.export.agreement`.
        versions: of the packages that made it.
    """

    file: str
    precision: Precision
    n_classes: int
    bytes: int
    sha256: str
    source_sha256: str
    source_fingerprint: str
    agreement: dict[str, Any]
    versions: dict[str, str]


@dataclass(frozen=True)
class Manifest:
    """All exported engines of a folder.

    Args:
        default: the file that runs unless another is asked for.
        exports: the engines, by file.
    """

    default: str
    exports: dict[str, Export]

    def write(self, folder: ModelFolder) -> None:
        """Write the manifest into a model folder.

        Args:
            folder: the model.
        """
        content = {
            "format": _FORMAT,
            "default": self.default,
            "exports": {file: asdict(export) for file, export in self.exports.items()},
        }
        write_json(folder.manifest_file, content)


def read_manifest(folder: ModelFolder) -> Manifest | None:
    """Read a folder's manifest.

    Args:
        folder: the model.

    Returns:
        The manifest, or None where nothing was exported.

    Raises:
        EngineError: if it cannot be understood, or names a file that is not there.
    """
    path = folder.manifest_file
    if not path.is_file():
        return None
    content = read_json(path)
    if content.get("format") != _FORMAT:
        raise EngineError(
            f"{path}: format {content.get('format')!r} is not {_FORMAT}: export the model again with this version"
        )
    try:
        exports = {str(file): Export(**entry) for file, entry in content["exports"].items()}
        manifest = Manifest(content["default"], exports)
    except (KeyError, TypeError, AttributeError) as problem:
        raise EngineError(f"{path}: not a manifest of exported engines: {problem}") from None
    if not isinstance(manifest.default, str) or manifest.default not in exports:
        raise EngineError(f"{path}: names {manifest.default!r} as its default, which it does not list")
    for file, export in exports.items():
        if export.file != file or Path(file).name != file:
            raise EngineError(f"{path}: an engine must lie beside its manifest, found {export.file!r}")
        if not (path.parent / file).is_file():
            raise EngineError(f"{path}: {file} is not there")
    return manifest
