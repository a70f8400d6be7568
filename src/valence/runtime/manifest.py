"""onnx/manifest.json: which engines a model folder holds, how they were made and how well they agree."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from valence.errors import EngineError
from valence.files import read_json, refuse_lfs_pointer, sha256, write_json
from valence.folder import ModelFolder

__all__ = ["Export", "Format", "Manifest", "Precision", "read_manifest", "source_hash"]

Precision = Literal["fp32", "int8"]
Format = Literal["onnx", "openvino"]
_FORMAT = 2


@dataclass(frozen=True)
class Export:
    """One exported engine.

    Args:
        file: its name within the onnx folder.
        beside: the file that holds its tensors, in the same folder; None where they are in `file`.
        format: "onnx", or "openvino" for .xml.
        precision: of its products.
        n_classes: the width of its logits.
        bytes: the size of its files.
        sha256: of their content, one after the other.
        source_sha256: of the weights it was made from.
        source_fingerprint: of the same files; see `valence.files.fingerprint`.
        sample: what texts it was compared with its source on.
        agreement: by engine that runs it, how that compared with the source in fp32; see
            `valence.runtime.export.agreement`. Only an engine named here is chosen without being asked for.
        two_steps: products whose activations had to be taken in two steps by ONNX Runtime.
        versions: of the packages that made it.
    """

    file: str
    beside: str | None
    format: Format
    precision: Precision
    n_classes: int
    bytes: int
    sha256: str
    source_sha256: str
    source_fingerprint: str
    sample: str
    agreement: dict[str, dict[str, Any]]
    two_steps: list[str]
    versions: dict[str, str]

    @property
    def files(self) -> tuple[str, ...]:
        """Its files in the onnx folder."""
        return (self.file,) if self.beside is None else (self.file, self.beside)


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
    content: dict[str, Any] = read_json(path)
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
        for part in export.files:
            if export.file != file or not isinstance(part, str) or Path(part).name != part:
                raise EngineError(f"{path}: an engine must lie beside its manifest, found {part!r}")
            if not (path.parent / part).is_file():
                raise EngineError(f"{path}: {part} is not there")
            refuse_lfs_pointer(path.parent / part, EngineError)
        if export.format not in get_args(Format) or export.precision not in get_args(Precision):
            raise EngineError(f"{path}: {file}: unknown format {export.format!r} or precision {export.precision!r}")
        if not isinstance(export.bytes, int) or not _is_agreement(export.agreement):
            raise EngineError(f"{path}: {file}: expected its size and the agreement of each engine as numbers")
    return manifest


def source_hash(folder: ModelFolder, files: Sequence[Path]) -> str | None:
    """Hash the weights that a model runs from: those that an export was made from, or the checkpoint's own.

    Of what another program exported nobody knows the weights, so its files stand for them.

    Args:
        folder: the model.
        files: what its engine runs from.

    Returns:
        The SHA-256; None if it is not known.
    """
    manifest = read_manifest(folder)
    exports = {} if manifest is None else manifest.exports
    if any(tuple(files) == folder.plain_onnx(precision) != () for precision in (None, "int8")):
        return sha256(files)
    return next((exports[file.name].source_sha256 for file in files if file.name in exports), folder.weights_hash())


def _is_agreement(value: object) -> bool:
    names = ("n_texts", "labels", "largest_difference", "p99_difference")
    return isinstance(value, dict) and all(
        isinstance(figures, dict) and all(isinstance(figures.get(name), int | float) for name in names)
        for figures in value.values()
    )
