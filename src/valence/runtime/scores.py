"""From logits to scores: of one reading, and of the windows of a long text together.

Shapes: N texts, W windows of one text, C classes.
"""

import numpy as np
from numpy.typing import NDArray

from valence.errors import InputError
from valence.reading import Aggregation
from valence.runtime.calibration import Calibration

__all__ = ["aggregate", "check_aggregation", "scores_of"]


def scores_of(
    logits: NDArray[np.float32] | NDArray[np.float64], problem_type: str | None, calibration: Calibration | None = None
) -> NDArray[np.float64]:
    """Turn logits into scores.

    Args:
        logits: [N, C].
        problem_type: one of `valence.folder.PROBLEM_TYPES`, or None.
        calibration: of the scores; None leaves them as they are.

    Returns:
        [N, C]: softmax, sigmoid (multi-label, or a single logit), or the logits themselves (regression).
    """
    values = logits.astype(np.float64)
    if problem_type == "regression":
        return values
    if calibration is not None:
        values = calibration.of(values)
    if _is_sigmoid(values.shape[1], problem_type):
        return 0.5 * (1.0 + np.tanh(0.5 * values))  # the sigmoid, without overflow
    exponentials = np.exp(values - values.max(axis=1, keepdims=True))
    probabilities: NDArray[np.float64] = exponentials / exponentials.sum(axis=1, keepdims=True)
    return probabilities


def aggregate(
    logits: NDArray[np.float32],
    n_tokens: NDArray[np.int64],
    aggregation: Aggregation,
    problem_type: str | None,
    calibration: Calibration | None = None,
) -> tuple[NDArray[np.float64], int]:
    """Score a text by its windows.

    "mean": the scores of the mean of the logits, each window weighted by its tokens.
    "max": each class gets its highest score in any window; where scores add up to 1, they are divided by their sum.
    "vote": each class gets the share of windows that it wins; where scores do not exclude each other, the share
    that gives it one half or more. Of classes with equally many votes the one with the higher mean score wins.

    Calibrated is what comes out for the text, never its windows before that; shares of votes are counted, and stay.

    Args:
        logits: [W, C].
        n_tokens: [W], tokens of the text in each window.
        aggregation: how.
        problem_type: one of `valence.folder.PROBLEM_TYPES`, or None.
        calibration: of the scores; None leaves them as they are.

    Returns:
        The scores, [C], and the number of the class that wins.
    """
    if aggregation == "mean":
        average = np.average(logits.astype(np.float64), axis=0, weights=n_tokens)[None]
        mean = scores_of(average, problem_type, calibration)[0]
        return mean, int(mean.argmax())
    scores = scores_of(logits, problem_type)
    exclusive = problem_type != "regression" and not _is_sigmoid(scores.shape[1], problem_type)
    if aggregation == "max":
        highest: NDArray[np.float64] = scores.max(axis=0)
        if calibration is not None:
            with np.errstate(divide="ignore"):  # a score of 0 stays 0
                combined = np.log(highest) if exclusive else logits.astype(np.float64).max(axis=0)
            highest = scores_of(combined[None], problem_type, calibration)[0]
        elif exclusive:
            return highest / highest.sum(), int(highest.argmax())
        return highest, int(highest.argmax())
    votes = np.eye(scores.shape[1])[scores.argmax(axis=1)] if exclusive else scores >= 0.5
    shares: NDArray[np.float64] = votes.mean(axis=0)
    return shares, int(np.lexsort((scores.mean(axis=0), shares))[-1])


def check_aggregation(aggregation: Aggregation, problem_type: str | None) -> None:
    """Refuse an aggregation that means nothing.

    Args:
        aggregation: what was asked for.
        problem_type: one of `valence.folder.PROBLEM_TYPES`, or None.

    Raises:
        InputError: if it cannot be used.
    """
    if aggregation == "vote" and problem_type == "regression":
        raise InputError("a regression has no classes to vote for: take aggregation 'mean' or 'max'")


def _is_sigmoid(n_classes: int, problem_type: str | None) -> bool:
    return problem_type == "multi_label_classification" or n_classes == 1
