"""Figures for a classifier, each with a bootstrap interval.

The figures are scikit-learn's. Their intervals come from resampling the texts with replacement (Efron 1979, the
percentile method), computed for all resamples at once from weighted counts; a test holds the two together.

Shapes: N texts, C classes, R resamples.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from valence.statistics.bootstrap import draws

__all__ = [
    "CLASS_METRICS",
    "METRICS",
    "ClassFigures",
    "Classwise",
    "Figure",
    "Figures",
    "accuracy_interval",
    "f1_of_classes",
    "measure",
    "measure_classes",
]

METRICS = ("accuracy", "precision", "recall", "f1", "auc", "loss", "mcc")
CLASS_METRICS = ("precision", "recall", "f1")
"""Those that each class has for itself; without a positive class, their mean over classes stands for all (macro)."""
_EPSILON = float(np.finfo(np.float64).eps)  # the loss keeps this far from 0 and 1, as scikit-learn does


@dataclass(frozen=True)
class Figure:
    """A measured value and the interval that covers 95 % of the resamples."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class ClassFigures:
    """How well one class is found.

    Args:
        support: texts that are of the class.
        predicted: texts that are said to be of it.
        figures: each of `CLASS_METRICS`; 0 where there is nothing to divide by.
    """

    support: int
    predicted: int
    figures: dict[str, Figure]


@dataclass(frozen=True)
class Classwise:
    """How well each class is found.

    Args:
        per_class: one for each of C classes, by number.
        macro: each of `CLASS_METRICS`, the mean over all classes.
    """

    per_class: tuple[ClassFigures, ...]
    macro: dict[str, Figure]

    def of(self, positive: int | None) -> dict[str, Figure]:
        """Choose the figures that stand for all.

        Args:
            positive: the number of a class; None for the mean over classes.

        Returns:
            Each of `CLASS_METRICS`.
        """
        return self.macro if positive is None else self.per_class[positive].figures


@dataclass(frozen=True)
class Figures:
    """All figures of one evaluation.

    Args:
        by_name: each of `METRICS`; None where it is not defined, as AUC is with a single class.
        classwise: precision, recall and F1 of each class.
        confusion: int64 [C, C], row: true class, column: predicted class.
        resamples: R.
        seed: of the resampling.
    """

    by_name: dict[str, Figure | None]
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
) -> Figures:
    """Compare predictions with the truth.

    AUC is that of class 1 for two classes, which is that of class 0, too, and the mean over one-against-the-rest for
    more; loss is the mean negative log-likelihood in nats.

    Args:
        labels: [N], the true class numbers.
        probabilities: [N, C], rows that add up to 1.
        resamples: R.
        seed: of the resampling.
        positive: the class that precision, recall and F1 are of; None for the mean over classes (macro).

    Returns:
        The figures.
    """
    n_classes = probabilities.shape[1]
    predicted = probabilities.argmax(axis=1)
    of_true_class = probabilities[np.arange(len(labels)), labels]
    losses = -np.log(np.clip(of_true_class, _EPSILON, 1 - _EPSILON))
    values = _reference_values(labels, predicted, probabilities, losses)
    samples, counts = _resample(labels, predicted, probabilities, losses, draws(len(labels), resamples, seed))
    classwise = _classwise(labels, predicted, n_classes, counts)
    by_name = {name: None if (value := values[name]) is None else _figure(value, samples[name]) for name in values}
    by_name |= classwise.of(positive)
    confusion = np.bincount(labels * n_classes + predicted, minlength=n_classes**2).reshape(n_classes, n_classes)
    return Figures({name: by_name[name] for name in METRICS}, classwise, confusion.astype(np.int64), resamples, seed)


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
        The figures, with the same intervals as `measure` gives.
    """
    counts = [_count(labels, predicted, n_classes, drawn) for drawn in draws(len(labels), resamples, seed)]
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
    found: NDArray[np.float64] = _of_classes(_count(labels, predicted, n_classes, np.ones(len(labels)))[None])["f1"][0]
    return found


def accuracy_interval(right: NDArray[np.bool_], resamples: int = 1000, seed: int = 0) -> Figure:
    """Measure accuracy alone.

    Args:
        right: [N], where the classifier is right.
        resamples: R.
        seed: of the resampling.

    Returns:
        The accuracy, with the same interval as `measure` gives.
    """
    samples = [drawn @ right / drawn.sum() for drawn in draws(len(right), resamples, seed)]
    low, high = np.quantile(samples, [0.025, 0.975])
    return Figure(float(right.mean()), float(low), float(high))


def _figure(value: float, samples: NDArray[np.float64]) -> Figure:
    """Give a value the interval of those resamples on which it is defined, [R]."""
    defined = samples[~np.isnan(samples)]
    low, high = np.quantile(defined, [0.025, 0.975]) if len(defined) else (value, value)
    return Figure(value, float(low), float(high))


def _reference_values(
    labels: NDArray[np.int64],
    predicted: NDArray[np.int64],
    probabilities: NDArray[np.float64],
    losses: NDArray[np.float64],
) -> dict[str, float | None]:
    from sklearn import metrics

    n_classes = probabilities.shape[1]
    auc: float | None = None
    if len(np.unique(labels)) == n_classes:
        if n_classes == 2:
            auc = float(metrics.roc_auc_score(labels, probabilities[:, 1]))
        else:
            auc = float(metrics.roc_auc_score(labels, probabilities, multi_class="ovr", average="macro"))
    return {
        "accuracy": float(metrics.accuracy_score(labels, predicted)),
        "auc": auc,
        "loss": float(losses.mean()),
        # scikit-learn gives 0 where only one class occurs, and warns of it
        "mcc": float(metrics.matthews_corrcoef(labels, predicted)) if len(np.union1d(labels, predicted)) > 1 else 0.0,
    }


def _classwise(
    labels: NDArray[np.int64], predicted: NDArray[np.int64], n_classes: int, counts: NDArray[np.float64]
) -> Classwise:
    from sklearn import metrics

    *values, support = metrics.precision_recall_fscore_support(
        labels, predicted, labels=np.arange(n_classes), zero_division=0.0
    )
    samples = _of_classes(counts)  # [R, C] each
    by_name = dict(zip(CLASS_METRICS, values, strict=True))
    n_predicted = np.bincount(predicted, minlength=n_classes)
    per_class = tuple(
        ClassFigures(
            int(support[number]),
            int(n_predicted[number]),
            {name: _figure(float(by_name[name][number]), samples[name][:, number]) for name in CLASS_METRICS},
        )
        for number in range(n_classes)
    )
    macro = {name: _figure(float(by_name[name].mean()), samples[name].mean(axis=1)) for name in CLASS_METRICS}
    return Classwise(per_class, macro)


def _resample(
    labels: NDArray[np.int64],
    predicted: NDArray[np.int64],
    probabilities: NDArray[np.float64],
    losses: NDArray[np.float64],
    draws: Iterable[NDArray[np.float64]],
) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.float64]]:
    """Compute on every resample, which is how often each text counts: metrics, [R] each, and `_count`, [R, 3, C]."""
    n_classes = probabilities.shape[1]
    aucs = [_WeightedAuc(labels == c, probabilities[:, c]) for c in ([1] if n_classes == 2 else range(n_classes))]
    counted, loss, auc = [], [], []
    for drawn in draws:
        counted.append(_count(labels, predicted, n_classes, drawn))
        loss.append(drawn @ losses / drawn.sum())
        auc.append(np.mean([one(drawn) for one in aucs]))
    counts = np.array(counted)
    right, true, said = counts.transpose(1, 0, 2)  # [R, C] each
    total = true.sum(axis=1)  # [R]
    covariance = right.sum(axis=1) * total - (true * said).sum(axis=1)
    spread = (total**2 - (said**2).sum(axis=1)) * (total**2 - (true**2).sum(axis=1))
    return {
        "accuracy": right.sum(axis=1) / total,
        "auc": np.array(auc),
        "loss": np.array(loss),
        "mcc": _divide(covariance, np.sqrt(spread)),
    }, counts


def _count(
    labels: NDArray[np.int64], predicted: NDArray[np.int64], n_classes: int, drawn: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Count texts of each class, [3, C]: rightly said to be of it, truly of it, said to be of it."""
    right = np.bincount(labels, drawn * (labels == predicted), n_classes)
    return np.stack([right, np.bincount(labels, drawn, n_classes), np.bincount(predicted, drawn, n_classes)])


def _of_classes(counts: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Compute precision, recall and F1 of each class: [R, 3, C] to [R, C] each."""
    right, true, said = counts.transpose(1, 0, 2)
    found = (_divide(right, said), _divide(right, true), _divide(2 * right, true + said))
    return dict(zip(CLASS_METRICS, found, strict=True))


def _divide(above: NDArray[np.float64], below: NDArray[np.float64]) -> NDArray[np.float64]:
    """Divide, and give 0 where there is nothing to divide by, as scikit-learn does."""
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)


class _WeightedAuc:
    """The area under the ROC curve for many weightings of the same scores.

    Args:
        positive: bool [N].
        scores: [N].
    """

    def __init__(self, positive: NDArray[np.bool_], scores: NDArray[np.float64]) -> None:
        self._order = np.argsort(scores, kind="stable")
        ordered = scores[self._order]
        self._positive = positive[self._order]
        self._group = np.concatenate([[0], np.cumsum(ordered[1:] != ordered[:-1])])  # equal scores, one group

    def __call__(self, weights: NDArray[np.float64]) -> float:
        ordered = weights[self._order]
        positives = np.bincount(self._group, ordered * self._positive)
        negatives = np.bincount(self._group, ordered * ~self._positive)
        pairs = positives.sum() * negatives.sum()
        if pairs == 0:
            return float("nan")
        below = np.cumsum(negatives) - negatives
        return float(positives @ (below + negatives / 2) / pairs)
