"""A model's name to a classifier: which folder, which engine, which labels."""

import os
import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Literal

from valence.errors import ConfigError, EngineError, InputError, MissingExtraError
from valence.files import fingerprint
from valence.folder import ModelFolder
from valence.hub import DEFAULT, find_model
from valence.runtime.classifier import Classifier
from valence.runtime.engine import Engine
from valence.runtime.manifest import read_manifest
from valence.runtime.onnx_engine import OnnxEngine
from valence.text.tokenizer import LongText, Tokenizer

__all__ = ["EngineName", "load", "load_folder", "open_engine"]

EngineName = Literal["onnx", "torch"]


def load(
    name: str | os.PathLike[str] = DEFAULT,
    *,
    revision: str | None = None,
    engine: EngineName | None = None,
    labels: Sequence[str] | None = None,
    max_length: int | None = None,
    long_text: LongText = "truncate",
    threads: int | None = None,
) -> Classifier:
    """Load a classifier.

    Args:
        name: "default" (part of the package), a model folder, or a hub id; a `Path` is always a folder.
        revision: a branch, tag or commit, for a hub id.
        engine: "onnx" or "torch". None: the export that the folder's manifest names, else torch.
        labels: class names to use instead of the model's own.
        max_length: the most tokens read of a text; the model's limit if None.
        long_text: "truncate" or "error".
        threads: for the ONNX engine; its own choice if None.

    Returns:
        The classifier.

    Raises:
        ModelError: if there is no such model, or it is not a classifier that can be loaded.
        EngineError: if the engine asked for cannot run this model.
        MissingExtraError: if torch is needed and not installed; says what to type.
        InputError: if an argument is of no use.
    """
    return _load(find_model(name, revision), engine, labels, max_length, long_text, threads)


def load_folder(
    folder: ModelFolder,
    *,
    engine: EngineName | None = None,
    labels: Sequence[str] | None = None,
    max_length: int | None = None,
    long_text: LongText = "truncate",
    threads: int | None = None,
) -> Classifier:
    """Load a classifier from a folder; see `load`.

    Args:
        folder: the model.
        engine: see `load`.
        labels: see `load`.
        max_length: see `load`.
        long_text: see `load`.
        threads: see `load`.

    Returns:
        The classifier.
    """
    return _load(folder, engine, labels, max_length, long_text, threads)


def _load(
    folder: ModelFolder,
    engine: EngineName | None,
    labels: Sequence[str] | None,
    max_length: int | None,
    long_text: LongText,
    threads: int | None,
) -> Classifier:
    running = open_engine(folder, engine, threads)
    return Classifier(
        Tokenizer.from_folder(folder, max_length),
        running,
        _choose_labels(folder, labels, running.n_classes),
        folder.problem_type,
        long_text,
    )


def open_engine(folder: ModelFolder, engine: EngineName | None = None, threads: int | None = None) -> Engine:
    """Open the engine that runs a model.

    Args:
        folder: the model.
        engine: see `load`.
        threads: see `load`.

    Returns:
        The engine.

    Raises:
        EngineError: if the folder has nothing that the engine asked for can run.
        MissingExtraError: if torch is needed and not installed.
        InputError: if there is no such engine, or no such number of threads.
    """
    if engine not in (None, "onnx", "torch"):
        raise InputError(f"engine must be 'onnx' or 'torch', found {engine!r}")
    if threads is not None and (not isinstance(threads, int) or threads < 1):
        raise InputError(f"threads must be a whole number from 1, found {threads!r}")
    manifest = None if engine == "torch" else read_manifest(folder)
    if manifest is not None:
        export = manifest.exports[manifest.default]
        if folder.weight_files and fingerprint(folder.weight_files) != export.source_fingerprint:
            raise EngineError(
                f"{folder.name}: {export.file} was exported from other weights than the folder holds now; "
                f"export them: valence export {folder.name}"
            )
        return OnnxEngine(folder.manifest_file.parent / export.file, export.precision, threads)
    if engine == "onnx":
        raise EngineError(f"{folder.name}: no ONNX export; make one with: valence export {folder.name}")
    if not folder.weight_files:
        raise EngineError(
            f"{folder.name}: it holds {'exported engines only' if folder.manifest_file.is_file() else 'no weights'}, "
            "so torch cannot run it"
        )
    if find_spec("torch") is None or find_spec("safetensors") is None:
        no_export = "" if folder.manifest_file.is_file() else f"{folder.name} has no ONNX export, and "
        raise MissingExtraError("train", f"{no_export}running weights with torch")
    from valence.runtime.torch_engine import TorchEngine

    return TorchEngine.from_folder(folder)


def _choose_labels(folder: ModelFolder, labels: Sequence[str] | None, n_classes: int) -> tuple[str, ...]:
    if labels is not None:
        names = () if isinstance(labels, str) else tuple(labels)
        if len(names) != n_classes or not all(isinstance(name, str) for name in names):
            raise InputError(f"{folder.name} has {n_classes} classes; expected as many labels, found {labels!r}")
        if len(set(names)) < n_classes or "" in names:
            raise InputError(f"expected {n_classes} different labels, none of them empty, found {labels!r}")
        return names
    names = folder.labels or tuple(f"LABEL_{index}" for index in range(n_classes))
    if len(names) != n_classes:
        raise ConfigError(f"{folder.path}: config.json names {len(names)} labels, the model has {n_classes} classes")
    if folder.labels is None or folder.labels_are_placeholders:
        warnings.warn(
            f"{folder.name} does not name its classes; they are called {', '.join(names[:3])}"
            f"{', …' if n_classes > 3 else ''}. Name them with labels=[…] or --labels A,B",
            stacklevel=4,
        )
    return names
