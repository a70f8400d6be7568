"""calibration.json: a temperature for each engine of a model, at which its scores are as often right as they say.

Source: Guo et al. 2017, "On Calibration of Modern Neural Networks" (temperature scaling).

The file is read without the report type that writes it (`valence.reports.calibration`), for classifying loads none.

Shapes: N texts, C classes.
"""

import math
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from valence.errors import ModelError, listed
from valence.files import fingerprint, read_json
from valence.folder import ModelFolder
from valence.runtime.engine import Engine

__all__ = ["CALIBRATION", "Calibration", "calibration_fingerprint", "read_calibration"]

CALIBRATION = "calibration.json"
LOWEST, HIGHEST = 0.01, 100.0
"""The temperatures that are of use: at the lowest every answer is certain, at the highest none is."""
_FORMAT = 1


@dataclass(frozen=True)
class Calibration:
    """How logits are changed before they become scores.

    Args:
        temperature: they are divided by it; above 1 scores come nearer to each other.
        biases: [C], added after that; None where there are none.
    """

    temperature: float
    biases: tuple[float, ...] | None = None

    def of(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """Calibrate logits.

        Args:
            logits: [N, C].

        Returns:
            [N, C].
        """
        scaled = logits / self.temperature
        return scaled if self.biases is None else scaled + np.array(self.biases)


def calibration_fingerprint(folder: ModelFolder, engine: Engine) -> str:
    """Tell what an engine runs from, so that a calibration is not taken for that of other weights.

    Args:
        folder: the model.
        engine: what runs it.

    Returns:
        64 hexadecimal digits.
    """
    return fingerprint(engine.files or folder.weight_files)


def read_calibration(folder: ModelFolder, engine: Engine, problem_type: str | None) -> Calibration | None:
    """Read how the scores of an engine are calibrated; warn of a calibration that is not of this engine or model.

    Args:
        folder: the model.
        engine: what runs it.
        problem_type: one of `valence.folder.PROBLEM_TYPES`, or None.

    Returns:
        The calibration; None where there is none that may be applied.

    Raises:
        ModelError: if the file cannot be understood; names it and says what to do.
    """
    path = folder.path / CALIBRATION
    if not path.is_file():
        return None
    try:
        content = read_json(path)
    except ModelError as problem:
        raise ModelError(f"{problem}; {_advice(folder, path)}") from None
    found = content.get("format")
    if type(found) is not int or found < 1:
        raise _wrong(folder, path, f"format {_FORMAT}", found)
    if found > _FORMAT:
        raise ModelError(f"{path}: of format {found}, and this version of valence reads up to {_FORMAT}")
    engines = content.get("engines")
    if not isinstance(engines, dict):
        raise _wrong(folder, path, "an object of engines", engines)
    if engine.name not in engines:
        names = [name if name.isprintable() else repr(name) for name in sorted(engines)]
        others = f"for {listed(names)}, and {engine.name} runs here" if names else "of no engine"
        _left_out(folder, engine, f"it is {others}")
        return None
    entry = engines[engine.name]
    if not isinstance(entry, dict):
        raise _wrong(folder, path, f"an object for {engine.name}", entry)
    calibration = _checked(folder, path, engine, entry)
    if problem_type == "regression":
        why = "the model is a regression, whose numbers are no probabilities"
        warnings.warn(f"{folder.name}: {CALIBRATION} is not applied: {why}", stacklevel=2)
        return None
    if entry.get("fingerprint") != calibration_fingerprint(folder, engine):
        _left_out(folder, engine, f"it was fitted to other files than those that {engine.name} runs now")
        return None
    return calibration


def _checked(folder: ModelFolder, path: Path, engine: Engine, entry: dict[str, object]) -> Calibration:
    """Refuse numbers that would make nonsense of scores."""
    temperature, biases = entry.get("temperature"), entry.get("biases")
    if not _is_number(temperature, LOWEST, HIGHEST):
        expected = f"a temperature from {LOWEST:g} to {HIGHEST:g} for {engine.name}"
        raise _wrong(folder, path, expected, temperature)
    if not isinstance(entry.get("fingerprint"), str):
        raise _wrong(folder, path, f"the fingerprint of what {engine.name} ran from", entry.get("fingerprint"))
    if biases is None:
        return Calibration(float(temperature))  # type: ignore[arg-type]  # a number
    if (
        not isinstance(biases, list)
        or len(biases) != engine.n_classes
        or not all(_is_number(bias, -HIGHEST, HIGHEST) for bias in biases)
    ):
        raise _wrong(folder, path, f"{engine.n_classes} biases for {engine.name}, or none", biases)
    return Calibration(float(temperature), tuple(map(float, biases)))  # type: ignore[arg-type]  # a number


def _is_number(value: object, low: float, high: float) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and low <= value <= high and not math.isnan(value)  # type: ignore[operator,arg-type]


def _wrong(folder: ModelFolder, path: Path, expected: str, found: object) -> ModelError:
    return ModelError(f"{path}: expected {expected}, found {found!r:.80}; {_advice(folder, path)}")


def _advice(folder: ModelFolder, path: Path) -> str:
    return f"`valence calibrate {folder.name} DATA` writes it anew, and without {path.name} scores are not calibrated"


def _left_out(folder: ModelFolder, engine: Engine, why: str) -> None:
    """Say in a line that scores are as the model gives them."""
    advice = f"fit it with: valence calibrate {folder.name} DATA --engine {engine.name.split()[0]}"
    warnings.warn(f"{folder.name}: {CALIBRATION} is not applied: {why}; {advice}", stacklevel=3)
