"""Running a classifier over labelled texts, and the report of what came out."""

import os
import platform
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np

from valence.data.examples import Examples
from valence.errors import InputError
from valence.evaluation.metrics import METRICS, measure
from valence.files import sha256
from valence.folder import ModelFolder
from valence.runtime.classifier import Classifier
from valence.runtime.manifest import read_manifest
from valence.versions import installed_versions

__all__ = ["describe_classifier", "describe_environment", "evaluate", "require_single_label"]

_CHUNK_TEXTS = 4096


def evaluate(
    classifier: Classifier,
    data: Examples,
    folder: ModelFolder | None = None,
    resamples: int = 1000,
    on_progress: Callable[[int], None] | None = None,
) -> dict[str, Any]:
    """Measure a classifier.

    Args:
        classifier: the classifier, of one label per text.
        data: texts with the classifier's own classes.
        folder: where the classifier comes from, for the report.
        resamples: for the bootstrap intervals.
        on_progress: is told how many texts are done.

    Returns:
        The report: each of `valence.evaluation.metrics.METRICS` as value, low and high (or null), the
        confusion matrix, the speed, and what was measured on what.

    Raises:
        InputError: if the classifier is multi-label or a regression.
    """
    require_single_label(classifier)
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
    figures = measure(data.labels, scores, resamples)
    return {
        **{name: None if (figure := figures.by_name[name]) is None else asdict(figure) for name in METRICS},
        "confusion_matrix": {"labels": list(classifier.labels), "counts": figures.confusion.tolist()},
        "texts_per_second": round(len(data) / seconds, 1),
        "tokens_per_second": round(n_tokens / seconds, 1),
        "n_texts": len(data),
        "n_truncated": n_truncated,
        "n_windowed": n_windowed,
        "max_length": limit,
        "long_text": {
            "how": classifier.long_text,
            "stride": classifier.stride,
            "aggregation": classifier.aggregation,
        },
        "interval": {"level": 0.95, "method": "percentile bootstrap over texts", "resamples": resamples, "seed": 0},
        "data": {"name": data.source.title, "sha256": data.source.sha256()},
        "model": describe_classifier(classifier, folder),
        **describe_environment(),
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
