"""The report of a comparison of two classifiers: reports/comparison*.json."""

import msgspec

from valence.reports.data_ref import DataRef
from valence.reports.environment import Machine
from valence.reports.estimate import Estimate, Interval
from valence.reports.evaluation import ClassReport
from valence.reports.model_ref import ModelRef
from valence.reports.report import Count, Report

__all__ = ["ComparedModel", "ComparisonReport", "Differing", "McNemar"]


class McNemar(msgspec.Struct, frozen=True, kw_only=True):
    """McNemar's exact test: are the texts on which exactly one is right shared out evenly?

    Args:
        only_first: texts on which the first alone is right.
        only_second: texts on which the second alone is right.
        p_value: two-sided: how probable so uneven a share, or a more uneven one, would be for equally good classifiers.
    """

    only_first: Count
    only_second: Count
    p_value: float


class Differing(msgspec.Struct, frozen=True, kw_only=True):
    """A text on which the two differ.

    Args:
        text: the text, or both texts of a pair.
        label: its class.
        first: what the first says.
        second: what the second says.
    """

    text: str | tuple[str, ...]
    label: str
    first: str
    second: str


class ComparedModel(ModelRef, frozen=True, kw_only=True):
    """One of the two.

    Args:
        accuracy: the share of texts whose label it finds.
        precision: of the positive class, or the mean over classes; absent in reports of earlier versions, as what
            follows up to the classes.
        recall: likewise.
        f1: likewise.
        macro_precision: the mean over the classes.
        macro_recall: likewise.
        macro_f1: likewise.
        per_class: each class by itself.
        parameters: how many it has, if that is known.
        bytes: what it runs from, on disk.
        texts_per_second: measured in turn with the other one.
    """

    accuracy: Estimate
    precision: Estimate | msgspec.UnsetType = msgspec.UNSET
    recall: Estimate | msgspec.UnsetType = msgspec.UNSET
    f1: Estimate | msgspec.UnsetType = msgspec.UNSET
    macro_precision: Estimate | msgspec.UnsetType = msgspec.UNSET
    macro_recall: Estimate | msgspec.UnsetType = msgspec.UNSET
    macro_f1: Estimate | msgspec.UnsetType = msgspec.UNSET
    per_class: tuple[ClassReport, ...] | msgspec.UnsetType = msgspec.UNSET
    parameters: Count | None = None
    bytes: Count
    texts_per_second: float


class ComparisonReport(Report, frozen=True, kw_only=True):
    """What a comparison measured.

    Args:
        data: what both were measured on.
        positive: the class that precision, recall and F1 are of; None: they are means over the classes; absent in
            reports of earlier versions.
        models: the two.
        difference: the second's accuracy minus the first's.
        interval: how the intervals were found.
        mcnemar: whether the two are equally often right.
        agreement: the share of texts to which both give the same label.
        differing: the other texts.
        versions: of the packages that ran.
        machine: where it ran.
    """

    data: DataRef
    positive: str | msgspec.UnsetType | None = msgspec.UNSET
    models: tuple[ComparedModel, ComparedModel]
    difference: Estimate
    interval: Interval
    mcnemar: McNemar
    agreement: float
    differing: tuple[Differing, ...] = ()
    versions: dict[str, str] = msgspec.field(default_factory=dict)
    machine: Machine = Machine()
