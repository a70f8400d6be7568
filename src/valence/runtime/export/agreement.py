"""How an exported engine compares with its source in fp32, and what is asked of it.

Shapes: N texts, C classes.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from valence.runtime.manifest import Precision

__all__ = ["LARGEST_DIFFERENCE", "LEAST_AGREEMENT", "MOST_P99_DIFFERENCE", "Agreement", "compare"]

LEAST_AGREEMENT: dict[Precision, float] = {"fp32": 1.0, "int8": 0.995}
"""The share of labels on which an export must agree with its source."""
MOST_P99_DIFFERENCE: dict[Precision, float] = {"fp32": 1e-3, "int8": 0.05}
"""The most that the 99th percentile of the difference in probability may be."""
LARGEST_DIFFERENCE: dict[Precision, float] = {"fp32": 1e-3, "int8": 1.0}
"""The most that any probability may differ."""


@dataclass(frozen=True)
class Agreement:
    """How an exported engine compares with the source in fp32.

    Args:
        n_texts: how many were compared.
        labels: the share of texts that get the same label.
        largest_difference: of a score, over all texts and classes.
        p99_difference: the 99th percentile over texts of the largest difference of a score.
    """

    n_texts: int
    labels: float
    largest_difference: float
    p99_difference: float

    def suffices(self, precision: Precision, margin: float = 1.0) -> bool:
        """Compare with what is asked.

        Args:
            precision: of the export.
            margin: the share of the bound on the 99th percentile that may be used up.

        Returns:
            Whether it is good enough to be kept.
        """
        return (
            self.labels >= LEAST_AGREEMENT[precision]
            and self.p99_difference <= margin * MOST_P99_DIFFERENCE[precision]
            and self.largest_difference <= LARGEST_DIFFERENCE[precision]
        )

    def __str__(self) -> str:
        return (
            f"the label of the source for {self.labels:.2%} of {self.n_texts:,} texts, 99th percentile of the "
            f"difference in score {self.p99_difference:.3f}, largest {self.largest_difference:.3f}"
        )


def compare(expected: NDArray[np.float64], found: NDArray[np.float64]) -> Agreement:
    """Compare scores.

    Args:
        expected: [N, C] of the source.
        found: [N, C] of the export.

    Returns:
        The comparison.
    """
    differences = np.abs(expected - found).max(axis=1)
    return Agreement(
        len(expected),
        float((_decisions(expected) == _decisions(found)).all(axis=1).mean()),
        float(differences.max()),
        float(np.quantile(differences, 0.99)),
    )


def _decisions(scores: NDArray[np.float64]) -> NDArray[np.bool_]:
    """What a user sees: the best of several classes, or with a single one whether its score passes one half."""
    if scores.shape[1] == 1:
        return scores > 0.5
    decided: NDArray[np.bool_] = scores == scores.max(axis=1, keepdims=True)
    return decided
