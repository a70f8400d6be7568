"""The metrics of an evaluation: what each is called, its value, and what it is where texts count more or less.

The values are scikit-learn's. Their intervals come from resampling the texts (Efron 1979, the percentile method), for
which a metric is computed from how often each text was drawn; a test holds the two together. A metric that is added
here, or by `register_metric`, stands in every report, on the terminal and on the card.

Shapes: N texts, C classes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from valence.errors import InputError
from valence.reports.estimate import Estimate
from valence.reports.evaluation import EvaluationReport, MetricKind
from valence.statistics.bootstrap import RESAMPLES
from valence.statistics.calibration import calibration_error, calibration_error_if_calibrated

__all__ = [
    "CLASS_METRICS",
    "METRICS",
    "Draw",
    "MetricDefinition",
    "Predictions",
    "classwise",
    "count_classes",
    "register_metric",
]

CLASS_METRICS = ("precision", "recall", "f1")
"""Those that each class has for itself; without a positive class, their mean over classes stands for all (macro)."""
_EPSILON = float(np.finfo(np.float64).eps)  # the loss keeps this far from 0 and 1, as scikit-learn does


@dataclass(frozen=True)
class Predictions:
    """What a classifier said, beside the truth.

    Args:
        labels: [N], the true class numbers.
        probabilities: [N, C], rows that add up to 1.
        positive: the class that precision, recall and F1 are of; None for the mean over classes.
    """

    labels: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    positive: int | None = None

    @property
    def n_classes(self) -> int:
        """C."""
        return int(self.probabilities.shape[1])

    @cached_property
    def predicted(self) -> NDArray[np.int64]:
        """[N], the class numbers that were said."""
        found: NDArray[np.int64] = self.probabilities.argmax(axis=1)
        return found

    @cached_property
    def losses(self) -> NDArray[np.float64]:
        """[N], the negative log-likelihood of each true class, in nats."""
        of_true_class = self.probabilities[np.arange(len(self.labels)), self.labels]
        found: NDArray[np.float64] = -np.log(np.clip(of_true_class, _EPSILON, 1 - _EPSILON))
        return found

    @cached_property
    def squared_errors(self) -> NDArray[np.float64]:
        """[N], the squared distance from the truth, of two classes that of one of them: scikit-learn's Brier scores."""
        apart = self.probabilities - np.eye(self.n_classes)[self.labels]
        found: NDArray[np.float64] = (apart**2).sum(axis=1) / (2 if self.n_classes == 2 else 1)
        return found

    @cached_property
    def top_scores(self) -> NDArray[np.float64]:
        """[N], the score of the class that was said."""
        found: NDArray[np.float64] = self.probabilities.max(axis=1)
        return found

    @cached_property
    def weighted_aucs(self) -> list["_WeightedAuc"]:
        """The area under the ROC curve of class 1 of two classes, or of each of more against the rest."""
        classes = [1] if self.n_classes == 2 else range(self.n_classes)
        return [_WeightedAuc(self.labels == number, self.probabilities[:, number]) for number in classes]


@dataclass(frozen=True)
class Draw:
    """Texts drawn with replacement.

    Args:
        predictions: of all texts.
        weights: [N], how often each was drawn.
    """

    predictions: Predictions
    weights: NDArray[np.float64]

    @cached_property
    def counts(self) -> NDArray[np.float64]:
        """[3, C], texts of each class: rightly said to be of it, truly of it, said to be of it."""
        one = self.predictions
        return count_classes(one.labels, one.predicted, one.n_classes, self.weights)


@dataclass(frozen=True)
class MetricDefinition:
    """A metric.

    Args:
        name: its key in a report.
        title: as readers see it.
        on_draw: its value on texts that were drawn; NaN where it is not defined on them. None for a metric that has
            `estimate` instead.
        value: its value on all texts, or None where it is not defined on them; `on_draw` with each text once if None.
        kind: how far single labels move it.
        unit: of its value; empty for a plain number.
        estimate: its value on all texts with an interval of its own or none, from the predictions, how often to draw,
            and the seed: where texts that are drawn again say nothing of how far it would vary, as of a distance,
            which chance can only make larger.
    """

    name: str
    title: str
    on_draw: Callable[[Draw], float] | None = None
    value: Callable[[Predictions], float | None] | None = None
    kind: MetricKind = "share"
    unit: str = ""
    estimate: Callable[[Predictions, int, int], Estimate | None] | None = None

    def __post_init__(self) -> None:
        if (self.on_draw is None) == (self.estimate is None):
            raise InputError(f"the metric {self.name!r} needs either on_draw or estimate")

    def estimate_of(self, predictions: Predictions, resamples: int = RESAMPLES, seed: int = 0) -> Estimate | None:
        """Measure all texts, with the interval that the metric has of its own, if it has one.

        Args:
            predictions: of a classifier.
            resamples: how often to draw for that interval.
            seed: of the draws.

        Returns:
            The estimate, or None where it is not defined.
        """
        if self.estimate is not None:
            return self.estimate(predictions, resamples, seed)
        value = self.measure(predictions)
        return None if value is None else Estimate(value)

    def measure(self, predictions: Predictions) -> float | None:
        """Measure all texts.

        Args:
            predictions: of a classifier.

        Returns:
            The value, or None where it is not defined.
        """
        if self.value is not None:
            found = self.value(predictions)
        elif self.on_draw is not None:
            found = self.on_draw(Draw(predictions, np.ones(len(predictions.labels))))
        else:
            estimate = self.estimate_of(predictions)
            found = None if estimate is None else estimate.value
        return None if found is None or not np.isfinite(found) else float(found)


def count_classes(
    labels: NDArray[np.int64], predicted: NDArray[np.int64], n_classes: int, weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Count the texts of each class.

    Args:
        labels: [N], the true class numbers.
        predicted: [N], what was said instead.
        n_classes: C.
        weights: [N], how much each text counts.

    Returns:
        [3, C]: rightly said to be of it, truly of it, said to be of it.
    """
    right = np.bincount(labels, weights * (labels == predicted), n_classes)
    return np.stack([right, np.bincount(labels, weights, n_classes), np.bincount(predicted, weights, n_classes)])


def classwise(counts: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Compute precision, recall and F1 of each class.

    Args:
        counts: [..., 3, C], as `count_classes` gives them.

    Returns:
        [..., C] each; 0 where there is nothing to divide by, as scikit-learn has it.
    """
    right, true, said = np.moveaxis(counts, -2, 0)
    found = (_divide(right, said), _divide(right, true), _divide(2 * right, true + said))
    return dict(zip(CLASS_METRICS, found, strict=True))


def _divide(above: NDArray[np.float64], below: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)


def _accuracy(predictions: Predictions) -> float:
    from sklearn import metrics

    return float(metrics.accuracy_score(predictions.labels, predictions.predicted))


def _accuracy_on_draw(draw: Draw) -> float:
    right, true, _ = draw.counts
    return float(right.sum() / true.sum())


def _of_classes(name: str) -> MetricDefinition:
    """Precision, recall or F1: of the positive class, or the mean over classes."""
    number = CLASS_METRICS.index(name)

    def value(predictions: Predictions) -> float:
        from sklearn import metrics

        classes = np.arange(predictions.n_classes)
        found = metrics.precision_recall_fscore_support(
            predictions.labels, predictions.predicted, labels=classes, zero_division=0.0
        )[number]
        return float(found.mean() if predictions.positive is None else found[predictions.positive])

    def on_draw(draw: Draw) -> float:
        found, positive = classwise(draw.counts)[name], draw.predictions.positive
        return float(found.mean() if positive is None else found[positive])

    return MetricDefinition(name, "F1" if name == "f1" else name, on_draw, value)


def _auc(predictions: Predictions) -> float | None:
    """Of class 1 for two classes, which is that of class 0, too; the mean over one against the rest for more."""
    from sklearn import metrics

    labels, probabilities = predictions.labels, predictions.probabilities
    if len(np.unique(labels)) < predictions.n_classes:
        return None
    if predictions.n_classes == 2:
        return float(metrics.roc_auc_score(labels, probabilities[:, 1]))
    return float(metrics.roc_auc_score(labels, probabilities, multi_class="ovr", average="macro"))


def _auc_on_draw(draw: Draw) -> float:
    return float(np.mean([one(draw.weights) for one in draw.predictions.weighted_aucs]))


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
        # Each pair of a positive and a negative text counts 1 where the positive one scores higher, 1/2 where both
        # score the same.
        below = np.cumsum(negatives) - negatives
        return float(positives @ (below + negatives / 2) / pairs)


def _loss(predictions: Predictions) -> float:
    return float(predictions.losses.mean())


def _loss_on_draw(draw: Draw) -> float:
    return float(draw.weights @ draw.predictions.losses / draw.weights.sum())


def _brier_on_draw(draw: Draw) -> float:
    return float(draw.weights @ draw.predictions.squared_errors / draw.weights.sum())


def _ece(predictions: Predictions, resamples: int, seed: int) -> Estimate:
    right = predictions.predicted == predictions.labels
    return Estimate(calibration_error(predictions.top_scores, right))


def _ece_if_calibrated(predictions: Predictions, resamples: int, seed: int) -> Estimate:
    return calibration_error_if_calibrated(predictions.top_scores, resamples, seed)


def _mcc(predictions: Predictions) -> float:
    from sklearn import metrics

    labels, predicted = predictions.labels, predictions.predicted
    if len(np.union1d(labels, predicted)) < 2:  # scikit-learn gives 0, too, and warns of it
        return 0.0
    return float(metrics.matthews_corrcoef(labels, predicted))


def _mcc_on_draw(draw: Draw) -> float:
    right, true, said = draw.counts
    total = true.sum()
    spread = (total**2 - (said**2).sum()) * (total**2 - (true**2).sum())
    return float((right.sum() * total - (true * said).sum()) / np.sqrt(spread)) if spread > 0 else 0.0


METRICS: dict[str, MetricDefinition] = {
    one.name: one
    for one in (
        MetricDefinition("accuracy", "accuracy", _accuracy_on_draw, _accuracy),
        *map(_of_classes, CLASS_METRICS),
        MetricDefinition("auc", "AUC", _auc_on_draw, _auc, "auc"),
        MetricDefinition("loss", "loss", _loss_on_draw, _loss, "loss", "nats"),
        MetricDefinition("mcc", "MCC", _mcc_on_draw, _mcc),
        MetricDefinition("brier", "Brier score", _brier_on_draw, kind="loss"),
        MetricDefinition("ece", "ECE", estimate=_ece),
        MetricDefinition("ece_if_calibrated", "ECE if calibrated", estimate=_ece_if_calibrated, kind="loss"),
    )
}
"""The metrics by name, in the order to show."""


def register_metric(definition: MetricDefinition) -> None:
    """Add a metric to every evaluation of this process.

    Args:
        definition: of the metric.

    Raises:
        InputError: if its name is no name, or is taken.
    """
    name: object = definition.name
    if not isinstance(name, str) or not name.isidentifier() or name in _TAKEN or name in METRICS:
        raise InputError(f"a metric needs a name of its own, of letters, digits and _; found {name!r:.80}")
    if not isinstance(definition.title, str) or not isinstance(definition.unit, str):
        raise InputError(
            f"the title and the unit of a metric are texts; found {definition.title!r}, {definition.unit!r}"
        )
    if definition.kind not in get_args(MetricKind):
        raise InputError(f"the kind of a metric is one of {', '.join(get_args(MetricKind))}; found {definition.kind!r}")
    METRICS[definition.name] = definition


# The other keys of a report, and what a card says of an evaluation besides its metrics.
_TAKEN = {*EvaluationReport.__struct_fields__, "format", "level", "class"}
