"""Running a classifier over labelled texts, and the report of what came out."""

import time
import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from valence.data.examples import Examples
from valence.data.positive import find_positive
from valence.data.recorded import describe_data
from valence.errors import InputError
from valence.evaluation.measure import ClassMetrics, Classwise, measure
from valence.evaluation.metrics import METRICS
from valence.folder import ModelFolder
from valence.progress import OnProgress, silent
from valence.reports.environment import Environment
from valence.reports.estimate import Interval
from valence.reports.evaluation import (
    ClassReport,
    ConfusionMatrix,
    EvaluationReport,
    LongText,
    Metric,
    ReliabilityBin,
)
from valence.reports.model_ref import ModelRef
from valence.runtime.classifier import Classifier
from valence.runtime.manifest import source_hash
from valence.statistics.calibration import equal_mass_bins, wilson

__all__ = [
    "class_reports",
    "class_warnings",
    "describe_classifier",
    "describe_long_text",
    "evaluate",
    "reliability",
    "require_single_label",
]

_CHUNK_TEXTS = 4096
_LISTED = 6  # names of classes in a warning


def evaluate(
    classifier: Classifier,
    data: Examples,
    folder: ModelFolder | None = None,
    resamples: int = 1000,
    on_progress: OnProgress = silent,
    positive: str | None = None,
) -> EvaluationReport:
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
        The report: each of `valence.evaluation.metrics.METRICS`, which class is the positive one, the mean over classes
        (macro) and each class by itself, the confusion matrix, how often scores are right, the speed, and what was
        measured on what.

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
        if done % _CHUNK_TEXTS == 0 or done == len(data):
            on_progress(done, len(data))
    seconds = time.perf_counter() - start
    measured = measure(data.labels, scores, resamples, positive=number)
    classwise = measured.classwise
    for warning in class_warnings(classwise.per_class, classifier.labels):
        warnings.warn(f"{data.source.title}: {warning}", stacklevel=2)
    environment = Environment.now([classifier.engine.name])
    return EvaluationReport(
        metrics={
            name: Metric(title=one.title, kind=one.kind, unit=one.unit, estimate=measured.by_name[name])
            for name, one in METRICS.items()
        },
        positive=None if number is None else classifier.labels[number],
        macro_precision=classwise.macro["precision"],
        macro_recall=classwise.macro["recall"],
        macro_f1=classwise.macro["f1"],
        per_class=class_reports(classwise, classifier.labels),
        confusion_matrix=ConfusionMatrix(tuple(classifier.labels), tuple(map(tuple, measured.confusion.tolist()))),
        reliability=reliability(data.labels, scores),
        temperature=None if classifier.calibration is None else classifier.calibration.temperature,
        texts_per_second=round(len(data) / seconds, 1),
        tokens_per_second=round(n_tokens / seconds, 1),
        n_texts=len(data),
        n_truncated=n_truncated,
        n_windowed=n_windowed,
        max_length=classifier.tokenizer.max_length,
        long_text=describe_long_text(classifier),
        interval=Interval(resamples=resamples),
        data=describe_data(data),
        model=describe_classifier(classifier, folder),
        versions=environment.versions,
        machine=environment.machine,
    )


def class_reports(classwise: Classwise, labels: Sequence[str]) -> tuple[ClassReport, ...]:
    """Name the classes that were measured.

    Args:
        classwise: what was measured.
        labels: the class names, by number.

    Returns:
        Each class for a report.
    """
    return tuple(
        ClassReport(label=label, support=one.support, predicted=one.predicted, **one.estimates)
        for label, one in zip(labels, classwise.per_class, strict=True)
    )


def reliability(labels: NDArray[np.int64], scores: NDArray[np.float64]) -> tuple[ReliabilityBin, ...]:
    """Compare scores with how often they are right.

    Args:
        labels: [N], the true class numbers.
        scores: [N, C].

    Returns:
        Bins of equal mass, the lowest scores first.
    """
    top, right = scores.max(axis=1), scores.argmax(axis=1) == labels
    bins = equal_mass_bins(top)
    return tuple(
        ReliabilityBin(
            texts=int(inside.sum()),
            score=float(top[inside].mean()),
            right=wilson(int(right[inside].sum()), int(inside.sum())),
        )
        for inside in (bins == number for number in np.unique(bins))
    )


def class_warnings(per_class: Sequence[ClassMetrics], labels: Sequence[str]) -> list[str]:
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


def describe_long_text(classifier: Classifier) -> LongText:
    """Say what a classifier does with texts that are too long for it, for a report.

    Args:
        classifier: the classifier.

    Returns:
        The description.
    """
    return LongText(how=classifier.long_text, stride=classifier.stride, aggregation=classifier.aggregation)


def describe_classifier(classifier: Classifier, folder: ModelFolder | None) -> ModelRef:
    """Tell a classifier from others, for a report.

    Args:
        classifier: the classifier.
        folder: where it comes from, if it comes from a folder.

    Returns:
        Its name, its engine, and hashes of the engine's files and of the weights.
    """
    weights = None if folder is None else source_hash(folder, classifier.engine.files)
    return ModelRef.of(folder, classifier.engine.name, classifier.engine.files, weights)


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
