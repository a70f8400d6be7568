"""Metrics of a classifier, each with a bootstrap interval.

Shapes: N texts, C classes, R resamples.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from valence.evaluation.metrics import CLASS_METRICS, METRICS, Draw, Predictions, classwise, count_classes
from valence.reports.estimate import Estimate
from valence.statistics.bootstrap import draws

__all__ = [
    "ClassMetrics",
    "Classwise",
    "Measured",
    "accuracy_interval",
    "f1_of_classes",
    "measure",
    "measure_classes",
]


@dataclass(frozen=True)
class ClassMetrics:
    """How well one class is found.

    Args:
        support: texts that are of the class.
        predicted: texts that are said to be of it.
        estimates: each of `CLASS_METRICS`; 0 where there is nothing to divide by.
    """

    support: int
    predicted: int
    estimates: dict[str, Estimate]


@dataclass(frozen=True)
class Classwise:
    """How well each class is found.

    Args:
        per_class: one for each of C classes, by number.
        macro: each of `CLASS_METRICS`, the mean over all classes.
    """

    per_class: tuple[ClassMetrics, ...]
    macro: dict[str, Estimate]

    def of(self, positive: int | None) -> dict[str, Estimate]:
        """Choose the metrics that stand for all.

        Args:
            positive: the number of a class; None for the mean over classes.

        Returns:
            Each of `CLASS_METRICS`.
        """
        return self.macro if positive is None else self.per_class[positive].estimates


@dataclass(frozen=True)
class Measured:
    """All that is measured of predictions.

    Args:
        by_name: each of `valence.evaluation.metrics.METRICS`; None where it is not defined, as AUC is with a single
            class.
        classwise: precision, recall and F1 of each class.
        confusion: int64 [C, C], row: true class, column: predicted class.
        resamples: R.
        seed: of the resampling.
    """

    by_name: dict[str, Estimate | None]
    classwise: Classwise
    confusion: NDArray[np.int64]
    resamples: int
    seed: int


def measure(
    labels: NDArray[np.int64],
    probabilities: NDArray[np.float64],
    resamples: int = 1000,
    seed: int = 0,
    positive: int | None = None,
) -> Measured:
    """Compare predictions with the truth.

    Args:
        labels: [N], the true class numbers.
        probabilities: [N, C], rows that add up to 1.
        resamples: R.
        seed: of the resampling.
        positive: the class that precision, recall and F1 are of; None for the mean over classes (macro).

    Returns:
        What was measured.
    """
    predictions = Predictions(labels, probabilities, positive)
    n_classes = predictions.n_classes
    found_at_once = {
        name: metric.estimate_of(predictions, resamples, seed)
        for name, metric in METRICS.items()
        if metric.on_draw is None
    }
    values = {name: metric.measure(predictions) for name, metric in METRICS.items() if name not in found_at_once}
    samples: dict[str, list[float]] = {name: [] for name in values}
    counts = []
    for weights in draws(len(labels), resamples, seed):
        draw = Draw(predictions, weights)
        counts.append(draw.counts)
        for name, metric in METRICS.items():
            if metric.on_draw is not None:
                samples[name].append(metric.on_draw(draw))
    resampled = {
        name: None if value is None else _estimate(value, np.array(samples[name])) for name, value in values.items()
    }
    by_name = {name: (found_at_once | resampled)[name] for name in METRICS}
    found = _classwise(labels, predictions.predicted, n_classes, np.array(counts))
    cells = labels * n_classes + predictions.predicted
    confusion = np.bincount(cells, minlength=n_classes**2).reshape(n_classes, n_classes)
    return Measured(by_name, found, confusion.astype(np.int64), resamples, seed)


def measure_classes(
    labels: NDArray[np.int64], predicted: NDArray[np.int64], n_classes: int, resamples: int = 1000, seed: int = 0
) -> Classwise:
    """Measure precision, recall and F1 alone.

    Args:
        labels: [N], the true class numbers.
        predicted: [N], what was said instead.
        n_classes: C.
        resamples: R.
        seed: of the resampling.

    Returns:
        The metrics, with the same intervals as `measure` gives.
    """
    counts = [count_classes(labels, predicted, n_classes, drawn) for drawn in draws(len(labels), resamples, seed)]
    return _classwise(labels, predicted, n_classes, np.array(counts))


def f1_of_classes(labels: NDArray[np.int64], predicted: NDArray[np.int64], n_classes: int) -> NDArray[np.float64]:
    """Measure F1 alone, without intervals.

    Args:
        labels: [N], the true class numbers.
        predicted: [N], what was said instead.
        n_classes: C.

    Returns:
        [C], 0 where there is nothing to divide by.
    """
    return classwise(count_classes(labels, predicted, n_classes, np.ones(len(labels))))["f1"]


def accuracy_interval(right: NDArray[np.bool_], resamples: int = 1000, seed: int = 0) -> Estimate:
    """Measure accuracy alone.

    Args:
        right: [N], where the classifier is right.
        resamples: R.
        seed: of the resampling.

    Returns:
        The accuracy, with the same interval as `measure` gives.
    """
    samples = [drawn @ right / drawn.sum() for drawn in draws(len(right), resamples, seed)]
    return _estimate(float(right.mean()), np.array(samples))


def _estimate(value: float, samples: NDArray[np.float64]) -> Estimate:
    """Give a value the interval of those resamples on which it is defined, [R]."""
    defined = samples[np.isfinite(samples)]
    low, high = np.quantile(defined, [0.025, 0.975]) if len(defined) else (value, value)
    return Estimate(value, float(low), float(high))


def _classwise(
    labels: NDArray[np.int64], predicted: NDArray[np.int64], n_classes: int, counts: NDArray[np.float64]
) -> Classwise:
    """Measure each class; counts [R, 3, C] are those of the resamples."""
    from sklearn import metrics

    *values, support = metrics.precision_recall_fscore_support(
        labels, predicted, labels=np.arange(n_classes), zero_division=0.0
    )
    samples = classwise(counts)  # [R, C] each
    by_name = dict(zip(CLASS_METRICS, values, strict=True))
    n_predicted = np.bincount(predicted, minlength=n_classes)
    per_class = tuple(
        ClassMetrics(
            int(support[number]),
            int(n_predicted[number]),
            {name: _estimate(float(by_name[name][number]), samples[name][:, number]) for name in CLASS_METRICS},
        )
        for number in range(n_classes)
    )
    macro = {name: _estimate(float(by_name[name].mean()), samples[name].mean(axis=1)) for name in CLASS_METRICS}
    return Classwise(per_class, macro)
