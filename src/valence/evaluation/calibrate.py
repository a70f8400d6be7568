"""Fitting a model's calibration on labelled texts, and the entry of calibration.json that it becomes.

Shapes: N texts, C classes.
"""

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from valence.data.examples import Examples
from valence.data.recorded import describe_data
from valence.errors import InputError, ModelError, listed
from valence.evaluation.evaluate import describe_classifier, describe_long_text
from valence.evaluation.metrics import Predictions
from valence.folder import ModelFolder
from valence.progress import OnProgress, silent
from valence.reading import Text
from valence.reports.calibration import CalibrationFigures, CalibrationReport, EngineCalibration
from valence.reports.codec import read_report
from valence.reports.data_ref import DataRef
from valence.reports.environment import Environment
from valence.runtime.calibration import HIGHEST, LOWEST, Calibration, calibration_fingerprint
from valence.runtime.classifier import Classifier
from valence.runtime.scores import scores_of
from valence.statistics.calibration import (
    calibration_error,
    calibration_error_if_calibrated,
    fit_multi_label,
    fit_temperature,
)

__all__ = ["LEAST_TEXTS", "calibrate", "calibrate_multi_label", "require_calibratable", "with_entry"]

LEAST_TEXTS = 100
"""With so many a temperature is known to about a tenth; with fewer scores would often become worse."""
_AT_ONCE = 2048  # texts between two reports of progress
_MULTI_LABEL = "multi_label_classification"


def require_calibratable(classifier: Classifier) -> None:
    """Refuse a classifier that has no probabilities of several classes.

    Args:
        classifier: the classifier.

    Raises:
        InputError: if it is a regression, or has a single logit.
    """
    if classifier.problem_type == "regression":
        raise InputError("a regression predicts numbers, and these have no temperature: expected a classifier")
    if len(classifier.labels) < 2 and classifier.problem_type != _MULTI_LABEL:
        raise InputError("a model with a single logit has no classes to tell apart: expected two at least")


def calibrate(
    classifier: Classifier, data: Examples, folder: ModelFolder, on_progress: OnProgress = silent
) -> EngineCalibration:
    """Fit a temperature for a classifier of one label per text.

    Args:
        classifier: as its folder has it; its logits are never calibrated.
        data: texts that it was not trained on, with its own classes.
        folder: where it comes from.
        on_progress: is told how many texts are done.

    Returns:
        The entry for the engine that runs it.

    Raises:
        InputError: if it is another kind of classifier, there are too few texts, all of one class, or no temperature
            is best.
    """
    require_calibratable(classifier)
    if classifier.problem_type == _MULTI_LABEL:
        raise InputError(
            "a table has one label per text, and this model is multi-label: in Python, "
            "valence.evaluation.calibrate.calibrate_multi_label takes the classes of each text"
        )
    _require_enough(len(data))
    found = np.unique(data.labels)
    if len(found) < 2:
        raise InputError(f"all texts are {data.names[found[0]]}: expected texts of two classes at least")
    logits = _logits(classifier, data.texts, on_progress)
    if (logits.argmax(axis=1) == data.labels).all():
        raise InputError(
            f"the model labels all {len(data):,} texts rightly, so that no temperature is best: expected more or "
            "harder texts, none of which it was trained on"
        )
    calibration = Calibration(_useful(fit_temperature(logits, data.labels)))
    scores = [scores_of(logits, None, one) for one in (None, calibration)]
    before, after = (_figures(Predictions(data.labels, one)) for one in scores)
    return _entry(classifier, folder, calibration, len(data), before, after, describe_data(data))


def calibrate_multi_label(
    classifier: Classifier,
    texts: Sequence[Text],
    truth: NDArray[np.bool_],
    folder: ModelFolder,
    data: DataRef,
    on_progress: OnProgress = silent,
) -> EngineCalibration:
    """Fit a temperature, and a bias for each class, for a multi-label classifier.

    Args:
        classifier: as its folder has it.
        texts: N texts that it was not trained on.
        truth: [N, C], which classes each text is of.
        folder: where it comes from.
        data: what the texts are called, and their hash.
        on_progress: is told how many texts are done.

    Returns:
        The entry for the engine that runs it; its figures are of single decisions, a text and a class.

    Raises:
        InputError: if it is another kind of classifier, there are too few texts, a class has none or all of them, or
            no temperature is best.
    """
    if classifier.problem_type != _MULTI_LABEL:
        raise InputError(f"expected a multi-label classifier, found {classifier.problem_type or 'one label per text'}")
    _require_enough(len(texts))
    if truth.shape != (len(texts), len(classifier.labels)):
        raise InputError(
            f"expected the truth of {len(texts)} texts and {len(classifier.labels)} classes, found {truth.shape}"
        )
    truth = truth.astype(bool)
    counts = truth.sum(axis=0).tolist()
    names = [name for name, count in zip(classifier.labels, counts, strict=True) if count in (0, len(texts))]
    if names:
        raise InputError(f"expected texts that are of a class and texts that are not, for each: {listed(names)}")
    logits = _logits(classifier, texts, on_progress)
    temperature, biases = fit_multi_label(logits, truth)
    if max(map(abs, biases)) > HIGHEST:
        raise InputError("no bias is best: all labels of a class are right, so that these texts leave no doubt")
    calibration = Calibration(_useful(temperature), biases)
    found = [scores_of(logits, _MULTI_LABEL, one).ravel() for one in (None, calibration)]
    before, after = (
        _figures(Predictions(truth.ravel().astype(np.int64), np.stack([1 - one, one], axis=1))) for one in found
    )
    return _entry(classifier, folder, calibration, len(texts), before, after, data)


def with_entry(path: Path, entry: EngineCalibration) -> CalibrationReport:
    """Put an entry beside those that a calibration.json has for other engines.

    Args:
        path: the file, present or not; one that is damaged is warned of and counts as none.
        entry: of one engine.

    Returns:
        What is to be written. Entries of other weights are left out.
    """
    try:
        before = read_report(path, CalibrationReport)
    except ModelError as problem:
        warnings.warn(f"{problem}; it is written anew", stacklevel=2)
        before = None
    weights = entry.model.weights_sha256
    kept = {
        name: one
        for name, one in ({} if before is None else before.engines).items()
        if weights is None or one.model.weights_sha256 in (None, weights)
    }  # what is not known is not thrown away: it is not applied to files that it was not fitted to
    engines = kept | {entry.model.engine: entry}
    return CalibrationReport(engines=engines) if before is None else msgspec.structs.replace(before, engines=engines)


def _require_enough(n_texts: int) -> None:
    if n_texts < LEAST_TEXTS:
        raise InputError(f"{n_texts} texts are too few to fit a temperature: expected {LEAST_TEXTS} at least")


def _useful(temperature: float) -> float:
    if not LOWEST <= temperature <= HIGHEST:
        why = "the scores say nothing about these labels" if temperature > HIGHEST else "they leave no doubt to measure"
        raise InputError(f"no temperature from {LOWEST:g} to {HIGHEST:g} is best on these texts: {why}")
    return temperature


def _logits(classifier: Classifier, texts: Sequence[Text], on_progress: OnProgress) -> NDArray[np.float32]:
    def parts() -> Iterator[NDArray[np.float32]]:
        for first in range(0, len(texts), _AT_ONCE):
            chunk = texts[first : first + _AT_ONCE]
            yield classifier.logits(chunk)
            on_progress(first + len(chunk), len(texts))

    return np.concatenate(list(parts()))


def _figures(predictions: Predictions) -> CalibrationFigures:
    top = predictions.top_scores
    return CalibrationFigures(
        loss=float(predictions.losses.mean()),
        brier=float(predictions.squared_errors.mean()),
        ece=calibration_error(top, predictions.predicted == predictions.labels),
        ece_if_calibrated=calibration_error_if_calibrated(top),
    )


def _entry(
    classifier: Classifier,
    folder: ModelFolder,
    calibration: Calibration,
    n_texts: int,
    before: CalibrationFigures,
    after: CalibrationFigures,
    data: DataRef,
) -> EngineCalibration:
    environment = Environment.now([classifier.engine.name], ["scipy"])
    return EngineCalibration(
        temperature=calibration.temperature,
        biases=calibration.biases,
        fingerprint=calibration_fingerprint(folder, classifier.engine),
        n_texts=n_texts,
        before=before,
        after=after,
        max_length=classifier.tokenizer.max_length,
        long_text=describe_long_text(classifier),
        data=data,
        model=describe_classifier(classifier, folder),
        versions=environment.versions,
        machine=environment.machine,
    )
