"""Where the report of an evaluation lies in its model's folder: each measurement has a file, and keeps it."""

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

import msgspec

from valence.data.examples import Examples
from valence.data.recorded import describe_data
from valence.errors import ModelError
from valence.evaluation.evaluate import describe_long_text
from valence.folder import ModelFolder
from valence.reports.codec import read_report
from valence.reports.data_ref import DataRef
from valence.reports.evaluation import EvaluationReport, LongText
from valence.runtime.classifier import Classifier

__all__ = ["ReportFile", "evaluation_file"]

_DIGITS = 8


@dataclass(frozen=True)
class ReportFile:
    """Where a report goes.

    Args:
        path: the file.
        why: what holds the usual name, where that is not it.
    """

    path: Path
    why: str | None = None


def evaluation_file(folder: ModelFolder, classifier: Classifier, data: Examples) -> ReportFile:
    """Choose the file of a report: evaluation-<data>.json, unless another measurement holds it.

    Measurements differ in the content of the data, the columns that were read, the engine, and how much it reads of a
    text. One of the same kind writes over its own file, also where the weights are others by now: figures of weights
    that are gone are of no use.

    Args:
        folder: the model.
        classifier: as it is measured.
        data: what it is measured on.

    Returns:
        The file; with a hash of what tells this measurement from others in its name where the usual name is held.
    """
    wanted = _Measurement(
        describe_data(data), classifier.engine.name, classifier.tokenizer.max_length, describe_long_text(classifier)
    )
    stem = f"evaluation-{data.source.title}"
    usual, own = folder.reports / f"{stem}.json", folder.reports / f"{stem}-{wanted.digits()}.json"
    if not os.path.lexists(usual):
        return ReportFile(own if os.path.isfile(own) else usual)
    try:
        why = wanted.difference(_read(usual))
    except ModelError:
        why = "is damaged, or no report of an evaluation, and is left as it is"
    if why is None:
        return ReportFile(usual)
    if os.path.isfile(own):
        try:
            _read(own)
        except ModelError:
            return ReportFile(own, f"{usual} {why}; {own} is damaged and will be written anew")
    return ReportFile(own, f"{usual} {why}")


def _read(path: Path) -> EvaluationReport:
    report = read_report(path, EvaluationReport)
    if report is None:
        raise ModelError(f"{path}: no file")
    return report


@dataclass(frozen=True)
class _Measurement:
    """What tells a measurement from others."""

    data: DataRef
    engine: str
    max_length: int
    long_text: LongText

    def digits(self) -> str:
        """Hash it, for the name of a file."""
        described = {"data": msgspec.to_builtins(self.data), "engine": self.engine, "max_length": self.max_length}
        described["long_text"] = msgspec.to_builtins(self.long_text)
        del described["data"]["name"]
        return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()[:_DIGITS]

    def difference(self, report: EvaluationReport) -> str | None:
        """Say what tells the measurement of a report from this one, or None where it is the same."""
        if report.data.sha256 != self.data.sha256:
            return "is of other data of that name"
        if report.data.columns is not None:  # an earlier version did not say
            for field, what in (
                ("columns", "columns"),
                ("reading", "options of the table"),
                ("labels", "names for the classes"),
            ):
                if getattr(report.data, field) != getattr(self.data, field):
                    return f"was measured with other {what}"
        if report.model.engine != self.engine:
            return f"is of the engine {report.model.engine}"
        if (report.max_length or self.max_length) != self.max_length or (
            report.long_text.how is not None and report.long_text != self.long_text
        ):
            return "was measured with other --max-length or --long-text"
        return None
