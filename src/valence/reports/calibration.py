"""The calibration of a model: calibration.json in its folder, an entry for each engine."""

from typing import Annotated

import msgspec

from valence.reports.data_ref import DataRef
from valence.reports.environment import Machine
from valence.reports.estimate import Estimate
from valence.reports.evaluation import LongText
from valence.reports.model_ref import ModelRef
from valence.reports.report import Count, Report

__all__ = ["CalibrationFigures", "CalibrationReport", "EngineCalibration"]


class CalibrationFigures(msgspec.Struct, frozen=True, kw_only=True):
    """How far scores are from the frequencies at which they are right.

    Args:
        loss: mean negative log-likelihood of the truth, in nats.
        brier: the Brier score, as scikit-learn has it.
        ece: the expected calibration error, in bins of equal mass.
        ece_if_calibrated: what chance alone gives of that with these scores.
    """

    loss: float
    brier: float
    ece: float
    ece_if_calibrated: Estimate


class EngineCalibration(msgspec.Struct, frozen=True, kw_only=True):
    """How the scores of one engine are calibrated, and on what that was fitted.

    Args:
        temperature: logits are divided by it.
        biases: added to them after that, one for each class; None where there are none.
        fingerprint: of the files that the engine ran from; a calibration is for these alone.
        n_texts: how many it was fitted on.
        before: figures of the scores as the model gives them, on those texts.
        after: figures of the calibrated scores, on those texts.
        max_length: tokens that were read at once.
        long_text: what was done with longer texts.
        data: what it was fitted on.
        model: what it was fitted for.
        versions: of the packages that ran.
        machine: where it ran.
    """

    temperature: Annotated[float, msgspec.Meta(gt=0)]
    biases: tuple[float, ...] | None = None
    fingerprint: str
    n_texts: Count
    before: CalibrationFigures
    after: CalibrationFigures
    max_length: int | None = None
    long_text: LongText = LongText()
    data: DataRef
    model: ModelRef
    versions: dict[str, str] = msgspec.field(default_factory=dict)
    machine: Machine = Machine()


class CalibrationReport(Report, frozen=True, kw_only=True):
    """All calibrations of a model.

    Args:
        engines: by the name of the engine, such as "native int8".
    """

    engines: dict[str, EngineCalibration]
