"""A model's name to a classifier: which folder, which engine, which labels."""

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

from valence.errors import ConfigError, InputError
from valence.folder import ModelFolder
from valence.hub import DEFAULT, find_model
from valence.reading import Aggregation, LongText, Reading
from valence.runtime.calibration import read_calibration
from valence.runtime.choice import EngineName, open_engine
from valence.runtime.classifier import Classifier
from valence.runtime.engine import Precision
from valence.runtime.threads import thread_count
from valence.text.tokenizer import Tokenizer

__all__ = ["Loading", "load", "load_folder", "load_with"]


@dataclass(frozen=True)
class Loading:
    """How a model is loaded, whole; see `load`."""

    engine: EngineName
    precision: Precision | None
    labels: Sequence[str] | None
    threads: int | None
    reading: Reading
    calibrated: bool = True


def load(
    name: str | os.PathLike[str] = DEFAULT,
    *,
    revision: str | None = None,
    engine: EngineName = "auto",
    precision: Precision | None = None,
    labels: Sequence[str] | None = None,
    max_length: int | None = None,
    long_text: LongText = "window",
    stride: int = 0,
    aggregation: Aggregation = "mean",
    threads: int | None = None,
    calibrated: bool = True,
) -> Classifier:
    """Load a classifier.

    Args:
        name: "default" (part of the package), a model folder, or a hub id; a `Path` is always a folder.
        revision: a branch, tag or commit, for a hub id.
        engine: "native" (int8 kernels of our own), "onnx", "openvino", "torch", or "auto"; see `choose_engine`.
        precision: of the torch engine "fp32" or "bf16" (about twice as fast on a processor that has it); "int8" for
            what the folder holds in int8, an export of ours or another program's model_quantized.onnx or
            model_int8.onnx. None: bf16 on a GPU, fp32 on a CPU, and what an export was written in.
        labels: class names to use instead of the model's own.
        max_length: the most tokens read of a text; the model's limit if None.
        long_text: what is done with a text of more tokens: "window", "truncate" or "error"; see `Classifier`.
        stride: the tokens that neighbouring windows share.
        aggregation: how windows become one answer: "mean", "max" or "vote".
        threads: how many to use at most; as many as there are processors if None.
        calibrated: whether the model's calibration.json is applied to scores, if it has one; False gives the scores
            that `transformers` gives.

    Returns:
        The classifier.

    Raises:
        ModelError: if there is no such model, or it is not a classifier that can be loaded.
        EngineError: if the engine asked for cannot run this model.
        MissingExtraError: if the package of an engine is needed and not installed; says what to type.
        InputError: if an argument is of no use.
    """
    reading = Reading(max_length, long_text, stride, aggregation)
    loading = Loading(engine, precision, labels, threads, reading, calibrated)
    return _load(find_model(name, revision, engine, precision), loading)


def load_folder(
    folder: ModelFolder,
    *,
    engine: EngineName = "auto",
    precision: Precision | None = None,
    labels: Sequence[str] | None = None,
    max_length: int | None = None,
    long_text: LongText = "window",
    stride: int = 0,
    aggregation: Aggregation = "mean",
    threads: int | None = None,
    calibrated: bool = True,
) -> Classifier:
    """Load a classifier from a folder; see `load`.

    Args:
        folder: the model.
        engine: see `load`.
        precision: see `load`.
        labels: see `load`.
        max_length: see `load`.
        long_text: see `load`.
        stride: see `load`.
        aggregation: see `load`.
        threads: see `load`.
        calibrated: see `load`.

    Returns:
        The classifier.
    """
    reading = Reading(max_length, long_text, stride, aggregation)
    return _load(folder, Loading(engine, precision, labels, threads, reading, calibrated))


def load_with(folder: ModelFolder, loading: Loading) -> Classifier:
    """Load a classifier from a folder, with options that travel whole, as those of the command line do.

    Args:
        folder: the model.
        loading: the options.

    Returns:
        The classifier.
    """
    return _load(folder, loading)


def _load(folder: ModelFolder, loading: Loading) -> Classifier:
    engine = open_engine(folder, loading.engine, loading.threads, loading.precision)
    return Classifier(
        Tokenizer.from_folder(folder, loading.reading.max_length, thread_count(loading.threads)),
        engine,
        _choose_labels(folder, loading.labels, engine.n_classes),
        folder.problem_type,
        reading=loading.reading,
        calibration=read_calibration(folder, engine, folder.problem_type) if loading.calibrated else None,
    )


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
