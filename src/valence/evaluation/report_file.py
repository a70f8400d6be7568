"""Where the report of an evaluation lies in its model's folder: each measurement has a file, and keeps it."""

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from valence.data.examples import Examples
from valence.data.recorded import describe_data
from valence.errors import ModelError
from valence.evaluation.evaluate import describe_reading
from valence.files import read_json
from valence.folder import ModelFolder
from valence.runtime.classifier import Classifier

__all__ = ["ReportFile", "evaluation_file"]

_DIGITS = 8
_UNREADABLE = (ModelError, KeyError, TypeError, AttributeError)


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
    described = {"data": describe_data(data), "engine": classifier.engine.name, **describe_reading(classifier)}
    described["data"].pop("name")
    stem = f"evaluation-{data.source.title}"
    digits = hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()[:_DIGITS]
    usual, own = folder.reports / f"{stem}.json", folder.reports / f"{stem}-{digits}.json"
    if not os.path.lexists(usual):
        return ReportFile(own if os.path.isfile(own) else usual)
    try:
        why = _difference(read_json(usual), described)
    except _UNREADABLE:
        why = "is damaged, or no report of an evaluation, and is left as it is"
    if why is None:
        return ReportFile(usual)
    if os.path.isfile(own):
        try:
            _difference(read_json(own), described)
        except _UNREADABLE:
            return ReportFile(own, f"{usual} {why}; {own} is damaged and will be written anew")
    return ReportFile(own, f"{usual} {why}")


def _difference(report: dict[str, Any], described: dict[str, Any]) -> str | None:
    """Say what tells the measurement of a report from another one, or None where it is the same."""
    data, engine = report["data"], report["model"]["engine"]
    if data["sha256"] != described["data"]["sha256"]:
        return "is of other data of that name"
    for key, what in (("columns", "columns"), ("reading", "options of the table"), ("labels", "names for the classes")):
        if "columns" in data and data.get(key) != described["data"].get(key):  # an earlier version did not say
            return f"was measured with other {what}"
    if engine != described["engine"]:
        return f"is of the engine {engine}"
    for key in ("max_length", "long_text"):
        if report.get(key, described[key]) != described[key]:
            return "was measured with other --max-length or --long-text"
    return None
