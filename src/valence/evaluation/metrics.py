"""Figures for a classifier, each with a bootstrap interval.

The figures are scikit-learn's. Their intervals come from resampling the texts with replacement (Efron 1979, the
percentile method), computed for all resamples at once from weighted counts; a test holds the two together.

Shapes: N texts, C classes, R resamples.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["METRICS", "Figure", "Figures", "accuracy_interval", "draws", "measure"]

METRICS = ("accuracy", "precision", "recall", "f1", "auc", "loss", "mcc")
_EPSILON = float(np.finfo(np.float64).eps)  # the loss keeps this far from 0 and 1, as scikit-learn does


@dataclass(frozen=True)
class Figure:
    """A measured value and the interval that covers 95 % of the resamples."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Figures:
    """All figures of one evaluation.

    Args:
        by_name: each of `METRICS`; None where it is not defined, as AUC is with a single class.
        confusion: int64 [C, C], row: true class, column: predicted class.
        resamples: R.
        seed: of the resampling.
    """

    by_name: dict[str, Figure | None]
    confusion: NDArray[np.int64]
    resamples: int
    seed: int


def measure(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64], resamples: int = 1000, seed: int = 0
) -> Figures:
    """Compare predictions with the truth.

    Precision, recall and F1 are those of class 1 for two classes and the mean over classes (macro) for more;
    AUC is that of class 1, or the mean over one-against-the-rest; loss is the mean negative log-likelihood
    in nats.

    Args:
        labels: [N], the true class numbers.
        probabilities: [N, C], rows that add up to 1.
        resamples: R.
        seed: of the resampling.

    Returns:
        The figures.
    """
    n_classes = probabilities.shape[1]
    predicted = probabilities.argmax(axis=1)
    of_true_class = probabilities[np.arange(len(labels)), labels]
    losses = -np.log(np.clip(of_true_class, _EPSILON, 1 - _EPSILON))
    values = _reference_values(labels, predicted, probabilities, losses)
    samples = _resample(labels, predicted, probabilities, losses, draws(len(labels), resamples, seed))
    by_name: dict[str, Figure | None] = {}
    for name in METRICS:
        value = values[name]
        if value is None:
            by_name[name] = None
            continue
        defined = samples[name][~np.isnan(samples[name])]
        low, high = np.quantile(defined, [0.025, 0.975]) if len(defined) else (value, value)
        by_name[name] = Figure(value, float(low), float(high))
    confusion = np.bincount(labels * n_classes + predicted, minlength=n_classes**2).reshape(n_classes, n_classes)
    return Figures(by_name, confusion.astype(np.int64), resamples, seed)


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


def _reference_values(
    labels: NDArray[np.int64],
    predicted: NDArray[np.int64],
    probabilities: NDArray[np.float64],
    losses: NDArray[np.float64],
) -> dict[str, float | None]:
    from sklearn import metrics

    n_classes = probabilities.shape[1]
    average: dict[str, Any] = {"average": "binary"} if n_classes == 2 else {"average": "macro"}
    average |= {"labels": np.arange(n_classes), "zero_division": 0.0}
    auc: float | None = None
    if len(np.unique(labels)) == n_classes:
        if n_classes == 2:
            auc = float(metrics.roc_auc_score(labels, probabilities[:, 1]))
        else:
            auc = float(metrics.roc_auc_score(labels, probabilities, multi_class="ovr", average="macro"))
    return {
        "accuracy": float(metrics.accuracy_score(labels, predicted)),
        "precision": float(metrics.precision_score(labels, predicted, **average)),
        "recall": float(metrics.recall_score(labels, predicted, **average)),
        "f1": float(metrics.f1_score(labels, predicted, **average)),
        "auc": auc,
        "loss": float(losses.mean()),
        # scikit-learn gives 0 where only one class occurs, and warns of it
        "mcc": float(metrics.matthews_corrcoef(labels, predicted)) if len(np.union1d(labels, predicted)) > 1 else 0.0,
    }


def draws(n_texts: int, resamples: int, seed: int) -> Iterator[NDArray[np.float64]]:
    """Draw N texts with replacement, R times.

    Args:
        n_texts: N.
        resamples: R.
        seed: the same seed gives the same draws.

    Yields:
        How often each text was drawn, [N].
    """
    random = np.random.default_rng(seed)
    for _ in range(resamples):
        yield np.bincount(random.integers(0, n_texts, n_texts), minlength=n_texts).astype(np.float64)


def _resample(
    labels: NDArray[np.int64],
    predicted: NDArray[np.int64],
    probabilities: NDArray[np.float64],
    losses: NDArray[np.float64],
    draws: Iterable[NDArray[np.float64]],
) -> dict[str, NDArray[np.float64]]:
    """Compute every metric on every resample, [R] each; a resample is how often each text counts."""
    n_classes = probabilities.shape[1]
    cells = labels * n_classes + predicted
    aucs = [_WeightedAuc(labels == c, probabilities[:, c]) for c in ([1] if n_classes == 2 else range(n_classes))]
    confusions, loss, auc = [], [], []
    for drawn in draws:
        confusions.append(np.bincount(cells, drawn, n_classes**2).reshape(n_classes, n_classes))
        loss.append(drawn @ losses / drawn.sum())
        auc.append(np.mean([one(drawn) for one in aucs]))
    return _from_confusion(np.array(confusions)) | {"loss": np.array(loss), "auc": np.array(auc)}


def _from_confusion(confusions: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Compute what depends on the confusion matrix alone: [R, C, C] to [R] each."""
    n_classes = confusions.shape[-1]
    right = np.diagonal(confusions, axis1=1, axis2=2)  # [R, C]
    true, predicted = confusions.sum(axis=2), confusions.sum(axis=1)  # [R, C]
    total = confusions.sum(axis=(1, 2))  # [R]
    precision = _divide(right, predicted)
    recall = _divide(right, true)
    f1 = _divide(2 * right, true + predicted)
    choose: Callable[[NDArray[np.float64]], NDArray[np.float64]] = (
        (lambda per_class: per_class[:, 1]) if n_classes == 2 else (lambda per_class: per_class.mean(axis=1))
    )
    covariance = right.sum(axis=1) * total - (true * predicted).sum(axis=1)
    spread = (total**2 - (predicted**2).sum(axis=1)) * (total**2 - (true**2).sum(axis=1))
    return {
        "accuracy": right.sum(axis=1) / total,
        "precision": choose(precision),
        "recall": choose(recall),
        "f1": choose(f1),
        "mcc": _divide(covariance, np.sqrt(spread)),
    }


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
