"""The folder of a classifier that was just trained: checkpoint, tokenizer, fp32 export, marked texts."""

import dataclasses
import os
from pathlib import Path

import numpy as np

from valence.checkpoint.checkpoint import save_model
from valence.checkpoint.classes import class_rows
from valence.data.examples import Examples
from valence.data.recorded import describe_data
from valence.folder import ModelFolder
from valence.model.heads import TaskModel
from valence.reports.report import JsonObject
from valence.reports.training import AgreementSample
from valence.runtime.calibration import CALIBRATION
from valence.runtime.export.export import export_model
from valence.runtime.export.sample import Sample
from valence.text.tokenizer import Tokenizer

__all__ = ["save_classifier", "take_order"]

_SAMPLE_TEXTS = 1000  # kept by number for comparing later exports with this model


def take_order(data: Examples, names: tuple[str, ...] | None) -> Examples:
    """Number the classes of a data set as another list of the same classes does, and call them as it does.

    Args:
        data: the data set.
        names: class names; None changes nothing.

    Returns:
        The data set, as it was where the classes are not the same.
    """
    places = None if names is None else class_rows(data.names, names)
    if names is None or places is None:
        return data
    return dataclasses.replace(data, labels=np.asarray(places, dtype=np.int64)[data.labels], names=names)


def save_classifier(
    model: TaskModel, out: Path, base: ModelFolder, labels: tuple[str, ...], data: Examples | None, seed: int
) -> JsonObject:
    """Make the folder of a trained classifier complete, but for its report.

    Args:
        model: the classifier.
        out: its folder.
        base: whose tokenizer it uses.
        labels: its classes.
        data: the labelled texts that it was trained on, if there were any.
        seed: decides which of its texts are marked.

    Returns:
        For its report: the hash of the weights, and the marked texts.
    """
    (out / CALIBRATION).unlink(missing_ok=True)  # of the weights that were here before
    save_model(model, out, labels)
    Tokenizer.from_folder(base, model.config.longest_text).save(out)
    folder = ModelFolder(out, str(out))
    about: JsonObject = {
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "weights_sha256": folder.weights_hash(),
    }
    if data is None:
        export_model(folder, "fp32")
        return about
    rows = np.sort(np.random.default_rng(seed).permutation(len(data))[:_SAMPLE_TEXTS])
    marked = Sample([data.texts[row] for row in rows], f"{len(rows):,} of the training texts")
    export_model(folder, "fp32", marked)
    read = describe_data(data)
    return about | {
        "agreement_sample": AgreementSample(
            source=_seen_from(out, data.source.name),
            train_sha256=read.sha256,
            columns=read.columns,
            reading=read.reading,
            rows=tuple(rows.tolist()),
        ),
    }


def _seen_from(folder: Path, source: str) -> str:
    """Name a file by the way to it from the model folder, so that a report tells nothing of the machine."""
    return source if source.startswith("hub:") else os.path.relpath(Path(source).expanduser(), folder)
