"""Many comparisons at once (Holm 1979).

Shapes: P comparisons.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["holm"]


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Correct p-values for the number of comparisons.

    Args:
        p_values: [P].

    Returns:
        [P], in the same order: below a level exactly for those that Holm's procedure rejects at that level.
    """
    values = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    corrected = np.empty_like(values)
    corrected[order] = np.maximum.accumulate(np.minimum(values[order] * np.arange(len(values), 0, -1), 1.0))
    return corrected
