"""Running a classifier over labelled texts, and the report of what came out."""

import os
import platform
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from valence.data.examples import Examples
from valence.data.positive import find_positive
from valence.data.recorded import describe_data
from valence.errors import InputError
from valence.evaluation.metrics import CLASS_METRICS, METRICS, ClassFigures, Classwise, measure
from valence.files import sha256
from valence.folder import ModelFolder
from valence.runtime.classifier import Classifier
from valence.runtime.manifest import read_manifest
from valence.versions import installed_versions

__all__ = [
    "class_warnings",
    "describe_classes",
    "describe_classifier",
    "describe_environment",
    "describe_reading",
    "evaluate",
    "require_single_label",
]

_CHUNK_TEXTS = 4096
_LISTED = 6  # names of classes in a warning


def evaluate(
    classifier: Classifier,
    data: Examples,
    folder: ModelFolder | None = None,
    resamples: int = 1000,
    on_progress: Callable[[int], None] | None = None,
    positive: str | None = None,
) -> dict[str, Any]:
    """Measure a classifier.

    Args:
        classifier: the classifier, of one label per text.
        data: texts with the classifier's own classes.
        folder: where the classifier comes from, for the report.
        resamples: for the bootstrap intervals.
        on_progress: is told how many texts are done.
        positive: the class whose precision, recall and F1 stand for the classifier; if None, the one that its name
            gives away (`valence.data.positive.positive_class`), else the mean over classes does.

    Returns:
        The report: each of `valence.evaluation.metrics.METRICS` as value, low and high (or null), which class is the
        positive one, the mean over classes (macro) and the figures of each class, the confusion matrix, the speed, and
        what was measured on what.

    Raises:
        InputError: if the classifier is multi-label or a regression, or has no such class.
    """
    require_single_label(classifier)
    number = find_positive(classifier.labels, positive)
    limit = classifier.tokenizer.max_length
    scores = np.empty((len(data), len(classifier.labels)))
    n_truncated = n_windowed = n_tokens = 0
    start = time.perf_counter()
    for index, prediction in enumerate(classifier.stream(data.texts, _CHUNK_TEXTS)):
        scores[index] = list(prediction.scores.values())
        n_truncated += prediction.truncated
        n_windowed += prediction.windows is not None
        n_tokens += min(prediction.n_tokens, limit) if prediction.windows is None else prediction.n_tokens
        done = index + 1
        if on_progress is not None and (done % _CHUNK_TEXTS == 0 or done == len(data)):
            on_progress(done)
    seconds = time.perf_counter() - start
    figures = measure(data.labels, scores, resamples, positive=number)
    for warning in class_warnings(figures.classwise.per_class, classifier.labels):
        warnings.warn(f"{data.source.title}: {warning}", stacklevel=2)
    return {
        **{name: None if (figure := figures.by_name[name]) is None else asdict(figure) for name in METRICS},
        "positive": None if number is None else classifier.labels[number],
        **describe_classes(figures.classwise, classifier.labels),
        "confusion_matrix": {"labels": list(classifier.labels), "counts": figures.confusion.tolist()},
        "texts_per_second": round(len(data) / seconds, 1),
        "tokens_per_second": round(n_tokens / seconds, 1),
        "n_texts": len(data),
        "n_truncated": n_truncated,
        "n_windowed": n_windowed,
        **describe_reading(classifier),
        "interval": {"level": 0.95, "method": "percentile bootstrap over texts", "resamples": resamples, "seed": 0},
        "data": describe_data(data),
        "model": describe_classifier(classifier, folder),
        **describe_environment(),
    }


def describe_classes(classwise: Classwise, labels: Sequence[str]) -> dict[str, Any]:
    """Lay out precision, recall and F1 of the classes, for a report.

    Args:
        classwise: the figures.
        labels: the class names, by number.

    Returns:
        The mean over classes as "macro_precision", "macro_recall" and "macro_f1", and "per_class", a list of objects.
    """
    return {
        **{f"macro_{name}": asdict(classwise.macro[name]) for name in CLASS_METRICS},
        "per_class": [
            {
                "label": label,
                "support": one.support,
                "predicted": one.predicted,
                **{name: asdict(one.figures[name]) for name in CLASS_METRICS},
            }
            for label, one in zip(labels, classwise.per_class, strict=True)
        ],
    }


def class_warnings(per_class: Sequence[ClassFigures], labels: Sequence[str]) -> list[str]:
    """Say which classes a classifier never names, and which the data lack.

    Args:
        per_class: how often each occurs.
        labels: the class names, by number.

    Returns:
        Sentences without a full stop, at most two.
    """
    absent = [label for label, one in zip(labels, per_class, strict=True) if not one.support]
    unsaid = [label for label, one in zip(labels, per_class, strict=True) if one.support and not one.predicted]
    said = [f"no text is said to be {_listed(unsaid)}, though some are: recall and F1 are 0"] if unsaid else []
    if absent:
        said.append(f"no text is {_listed(absent)}: recall and F1 of that cannot be measured and count as 0")
    return said


def _listed(names: Sequence[str]) -> str:
    rest = f" or {len(names) - _LISTED:,} others" if len(names) > _LISTED else ""
    return " or ".join(names[:_LISTED]) + rest


def describe_reading(classifier: Classifier) -> dict[str, Any]:
    """Say how much of a text a classifier reads, for a report.

    Args:
        classifier: the classifier.

    Returns:
        Its maximum length and what it does with longer texts.
    """
    return {
        "max_length": classifier.tokenizer.max_length,
        "long_text": {
            "how": classifier.long_text,
            "stride": classifier.stride,
            "aggregation": classifier.aggregation,
        },
    }


def describe_classifier(classifier: Classifier, folder: ModelFolder | None) -> dict[str, Any]:
    """Tell a classifier from others, for a report.

    Args:
        classifier: the classifier.
        folder: where it comes from, if it comes from a folder.

    Returns:
        Its name, its engine, and hashes of the engine's files and of the weights.
    """
    return {
        "name": None if folder is None else folder.name if folder.embedded else folder.path.name,
        "engine": classifier.engine.name,
        "engine_sha256": sha256(classifier.engine.files) if classifier.engine.files else None,
        "weights_sha256": None if folder is None else _weights_hash(folder, classifier),
    }


def describe_environment() -> dict[str, Any]:
    """Say what a measurement was made with.

    Returns:
        Versions and machine, for a report.
    """
    return {
        "versions": installed_versions("onnxruntime", "tokenizers"),
        "machine": {"architecture": platform.machine(), "processors": os.cpu_count()},
    }


def require_single_label(classifier: Classifier) -> None:
    """Refuse a classifier whose answers are not one label per text.

    Args:
        classifier: the classifier.

    Raises:
        InputError: if it is multi-label or a regression.
    """
    if classifier.problem_type not in (None, "single_label_classification") or len(classifier.labels) < 2:
        raise InputError(
            f"this needs a classifier of one label per text; this one is {classifier.problem_type or 'a single logit'}"
        )


def _weights_hash(folder: ModelFolder, classifier: Classifier) -> str | None:
    """Hash the weights that were measured: those an exported engine was made from, or the checkpoint's own."""
    manifest = read_manifest(folder)
    for file in classifier.engine.files:
        if manifest is not None and file.name in manifest.exports:
            return manifest.exports[file.name].source_sha256
    return folder.weights_hash()
