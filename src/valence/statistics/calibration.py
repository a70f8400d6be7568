"""Fitting what brings logits to the frequencies at which they are right, and how far scores are from these.

Sources: Guo et al. 2017, "On Calibration of Modern Neural Networks" (temperature scaling); Roelofs et al. 2022,
"Mitigating Bias in Calibration Error Estimation" (bins of equal mass); Wilson 1927 (the interval of a share).

Shapes: N texts, C classes, B bins.
"""

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from valence.reports.estimate import Estimate

__all__ = [
    "BINS",
    "calibration_error",
    "calibration_error_if_calibrated",
    "equal_mass_bins",
    "fit_multi_label",
    "fit_temperature",
    "wilson",
]

BINS = 15
"""B, as in Guo et al."""
_LOWEST, _HIGHEST = math.exp(-10), math.exp(10)  # temperatures, as in scikit-learn
_TIE = 6  # digits of scores that count as equal: what engines and batches differ by
_NORMAL_975 = 1.959963984540054


def fit_temperature(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """Find the temperature at which the true classes are likeliest, of one label per text.

    Args:
        logits: [N, C].
        labels: [N], the true class numbers.

    Returns:
        The temperature; very low where all labels are right, and very high where logits say less than chance.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import logsumexp

    apart = logits.astype(np.float64) - logits[np.arange(len(labels)), labels, None].astype(np.float64)  # [N, C]

    def loss(log_temperature: float) -> float:
        return float(logsumexp(apart * math.exp(-log_temperature), axis=1).mean())

    bounds = (math.log(_LOWEST), math.log(_HIGHEST))
    found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-10})
    return math.exp(found.x)


def fit_multi_label(logits: NDArray[np.float32], truth: NDArray[np.bool_]) -> tuple[float, tuple[float, ...]]:
    """Find the temperature and the bias of each class at which the truth is likeliest, of classes that may go together.

    Args:
        logits: [N, C].
        truth: [N, C], which classes each text is of.

    Returns:
        The temperature, and C biases, of which those are beyond measure that are of a class with no text, or all.
    """
    from scipy.optimize import minimize

    values = logits.astype(np.float64)
    signs = np.where(truth, 1.0, -1.0)

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Give the mean over texts and classes, and its gradient, of 1 / temperature and biases, [1 + C]."""
        against = -signs * (values * parameters[0] + parameters[1:])
        slope = -signs * 0.5 * (1 + np.tanh(0.5 * against)) / values.size  # by the logit
        return float(np.logaddexp(0, against).mean()), np.concatenate([[(slope * values).sum()], slope.sum(axis=0)])

    bounds = [(1 / _HIGHEST, 1 / _LOWEST)] + [(None, None)] * values.shape[1]
    start = np.concatenate([[1.0], np.zeros(values.shape[1])])
    options = {"ftol": 1e-15, "gtol": 1e-10, "maxiter": 10_000, "maxfun": 100_000}
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    return 1 / float(found.x[0]), tuple(found.x[1:].tolist())


def equal_mass_bins(scores: NDArray[np.float64], weights: NDArray[np.float64] | None = None) -> NDArray[np.int64]:
    """Divide scores into bins with about equally many in each; equal scores come into one bin.

    Args:
        scores: [N].
        weights: [N], how often each counts; once if None.

    Returns:
        [N], the bin of each, from 0 to B - 1.
    """
    _, group = np.unique(scores.round(_TIE), return_inverse=True)
    mass = np.bincount(group, weights)
    middle = (np.cumsum(mass) - mass / 2) / mass.sum()
    bins: NDArray[np.int64] = np.minimum((middle * BINS).astype(np.int64), BINS - 1)[group]
    return bins


def calibration_error(scores: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """Measure how far scores are from the share that is right: the mean over texts, by bin.

    Args:
        scores: [N], of the answers that were given.
        right: [N], whether those are right.

    Returns:
        The expected calibration error, in bins of equal mass.
    """
    return _error(equal_mass_bins(scores), scores, right)


def _error(bins: NDArray[np.int64], scores: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    return float(np.abs(np.bincount(bins, right - scores, BINS)).sum() / len(scores))


def calibration_error_if_calibrated(scores: NDArray[np.float64], resamples: int = 1000, seed: int = 0) -> Estimate:
    """Say what expected calibration error chance alone gives: that of labels that come true as often as scores say.

    Args:
        scores: [N], of the answers that were given.
        resamples: how often labels are drawn.
        seed: of the draws.

    Returns:
        The mean, and the interval that holds 95 % of the draws.
    """
    bins = equal_mass_bins(scores)
    found = np.array([_error(bins, scores, right) for right in _drawn(scores, resamples, seed)])
    low, high = np.quantile(found, [0.025, 0.975])
    return Estimate(float(found.mean()), float(low), float(high))


def _drawn(scores: NDArray[np.float64], resamples: int, seed: int) -> Iterator[NDArray[np.bool_]]:
    random = np.random.default_rng(seed)
    for _ in range(resamples):
        yield random.random(len(scores)) < scores


def wilson(successes: int, trials: int) -> Estimate:
    """Estimate a share with the score interval.

    Args:
        successes: how many.
        trials: of how many, at least 1.

    Returns:
        The share, and its 95 % interval.
    """
    share, z2 = successes / trials, _NORMAL_975**2
    middle = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    half = _NORMAL_975 * math.sqrt(share * (1 - share) / trials + z2 / (4 * trials**2)) / (1 + z2 / trials)
    return Estimate(share, max(0.0, middle - half), min(1.0, middle + half))
