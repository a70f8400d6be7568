"""The report of an evaluation: reports/evaluation-<data>.json."""

from typing import Literal

import msgspec

from valence.reports.data_ref import DataRef
from valence.reports.environment import Machine
from valence.reports.estimate import Estimate, Interval
from valence.reports.model_ref import ModelRef
from valence.reports.report import Count, JsonObject, Report

__all__ = [
    "ClassReport",
    "ConfusionMatrix",
    "EvaluationReport",
    "LongText",
    "Metric",
    "MetricKind",
    "ReliabilityBin",
]

MetricKind = Literal["share", "auc", "loss"]
"""How far a metric may move when single labels do: by a share of the texts, as a ranking does, or as a loss does."""


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """A metric of a report.

    Args:
        title: as readers see it.
        kind: how it behaves.
        unit: of its value; empty for a plain number.
        estimate: what was measured; None where it is not defined on the data.
    """

    title: str
    kind: MetricKind = "share"
    unit: str = ""
    estimate: Estimate | None = None


class ClassReport(msgspec.Struct, frozen=True, kw_only=True):
    """How well one class is found.

    Args:
        label: the class.
        support: texts that are of it.
        predicted: texts that were said to be of it.
        precision: the share of the predicted that are of it; 0 where none is predicted.
        recall: the share of those that are of it which were found.
        f1: the harmonic mean of both.
    """

    label: str
    support: Count
    predicted: Count
    precision: Estimate
    recall: Estimate
    f1: Estimate


class ConfusionMatrix(msgspec.Struct, frozen=True):
    """Which class was taken for which.

    Args:
        labels: the classes, by number.
        counts: [C, C], row: true class, column: predicted class.
    """

    labels: tuple[str, ...]
    counts: tuple[tuple[Count, ...], ...]

    def __post_init__(self) -> None:
        if not any(map(any, self.counts)) or any(len(row) != len(self.counts) for row in self.counts):
            raise ValueError("Expected as many columns as rows of counts, not all of them 0")


class ReliabilityBin(msgspec.Struct, frozen=True, kw_only=True):
    """Texts whose answers have about the same score.

    Args:
        texts: how many.
        score: the mean score of the class that was said.
        right: the share of them whose label is right, with its score interval (Wilson).
    """

    texts: Count
    score: float
    right: Estimate


class LongText(msgspec.Struct, frozen=True, kw_only=True):
    """What was done with a text that is longer than the model reads.

    Args:
        how: "truncate", "window" or "error".
        stride: tokens by which windows overlap.
        aggregation: of the answers for the windows.
    """

    how: str | None = None
    stride: int | None = None
    aggregation: str | None = None


class EvaluationReport(Report, frozen=True, kw_only=True):
    """What an evaluation measured.

    In the file each metric stands under its own name beside the other keys, and "metrics" says what each is.

    Args:
        metrics: by name, in the order to show.
        positive: the class that precision, recall and F1 are of; None: they are means over the classes; absent in
            reports of earlier versions, where it was the second of two classes, else the mean.
        macro_precision: the mean over the classes.
        macro_recall: likewise.
        macro_f1: likewise.
        per_class: each class by itself; empty in reports of earlier versions.
        confusion_matrix: which class was taken for which.
        reliability: how often answers of about the same score are right, the lowest scores first, in bins of equal
            mass; empty in reports of earlier versions.
        temperature: that the scores were calibrated with; None where they are as the model gives them.
        texts_per_second: the speed in texts.
        tokens_per_second: the speed in tokens.
        n_texts: how many texts were classified.
        n_truncated: how many of them were cut.
        n_windowed: how many were read in windows.
        max_length: tokens that were read at once.
        long_text: what was done with longer texts.
        interval: how the intervals were found.
        data: what was measured on.
        model: what was measured.
        versions: of the packages that ran.
        machine: where it ran.
    """

    metrics: dict[str, Metric]
    positive: str | msgspec.UnsetType | None = msgspec.UNSET
    macro_precision: Estimate | msgspec.UnsetType = msgspec.UNSET
    macro_recall: Estimate | msgspec.UnsetType = msgspec.UNSET
    macro_f1: Estimate | msgspec.UnsetType = msgspec.UNSET
    per_class: tuple[ClassReport, ...] | msgspec.UnsetType = msgspec.UNSET
    confusion_matrix: ConfusionMatrix
    reliability: tuple[ReliabilityBin, ...] | msgspec.UnsetType = msgspec.UNSET
    temperature: float | None = None
    texts_per_second: float | None = None
    tokens_per_second: float | None = None
    n_texts: Count
    n_truncated: Count = 0
    n_windowed: Count = 0
    max_length: int | None = None
    long_text: LongText = LongText()
    interval: Interval
    data: DataRef
    model: ModelRef
    versions: dict[str, str] = msgspec.field(default_factory=dict)
    machine: Machine = Machine()

    def __post_init__(self) -> None:
        if self.per_class and len(self.per_class) != len(self.confusion_matrix.counts):
            raise ValueError(
                f"Expected {len(self.confusion_matrix.counts)} classes in per_class, as the confusion matrix has"
            )

    @property
    def is_macro(self) -> bool:
        """Whether no class is the positive one, so that means over the classes stand in front."""
        return self.positive is None

    @classmethod
    def upgraded(cls, content: JsonObject) -> JsonObject:
        """Bring format 0 to format 1: it did not say what its metrics are."""
        known = {name: about for name, about in _FORMAT_0.items() if name in content}
        return content | {"metrics": known}

    @classmethod
    def nested(cls, content: JsonObject) -> JsonObject:
        """Put each metric's estimate beside what is said of it."""
        described = content.get("metrics")
        if not isinstance(described, dict) or not all(isinstance(about, dict) for about in described.values()):
            return content  # refused by the types
        inner = {name: about | {"estimate": content.get(name)} for name, about in described.items()}
        return {name: value for name, value in content.items() if name not in described} | {"metrics": inner}

    @classmethod
    def flattened(cls, content: JsonObject) -> JsonObject:
        """Put each metric under its own name."""
        described: dict[str, dict[str, object]] = content["metrics"]  # type: ignore[assignment]
        found = {name: about.pop("estimate") for name, about in described.items()}
        return {"format": content["format"], **found, **content}

    @classmethod
    def place(cls, keys: list[str]) -> list[str]:
        """Estimates stand under the names of their metrics."""
        return [keys[1], *keys[3:]] if keys[:1] == ["metrics"] and keys[2:3] == ["estimate"] else keys


_FORMAT_0: dict[str, dict[str, str]] = {
    "accuracy": {"title": "accuracy", "kind": "share"},
    "precision": {"title": "precision", "kind": "share"},
    "recall": {"title": "recall", "kind": "share"},
    "f1": {"title": "F1", "kind": "share"},
    "auc": {"title": "AUC", "kind": "auc"},
    "loss": {"title": "loss", "kind": "loss", "unit": "nats"},
    "mcc": {"title": "MCC", "kind": "share"},
}
"""The metrics of reports of format 0."""
