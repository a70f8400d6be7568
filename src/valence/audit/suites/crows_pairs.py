"""CrowS-Pairs (Nangia et al. 2020), read and checked."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from valence.audit.suites.suite import Suite, check_counts, rows
from valence.errors import DataError

__all__ = ["CROWS_PAIRS", "CrowsPair", "read_crows_pairs"]

_COUNTS = {"stereo": 1290, "antistereo": 218}
_BIAS_COUNTS = {
    "race-color": 516,
    "gender": 262,
    "socioeconomic": 172,
    "nationality": 159,
    "religion": 105,
    "age": 87,
    "sexual-orientation": 84,
    "physical-appearance": 63,
    "disability": 60,
}


@dataclass(frozen=True)
class CrowsPair:
    """Two sentences of which one is more stereotypical."""

    sent_more: str
    sent_less: str
    direction: Literal["stereo", "antistereo"]
    """Whether the pair shows a stereotype about a disadvantaged group, or goes against one."""
    bias_type: str


def read_crows_pairs(path: Path) -> tuple[CrowsPair, ...]:
    """Read CrowS-Pairs.

    Args:
        path: crows_pairs_anonymized.csv.

    Returns:
        1,508 pairs.

    Raises:
        DataError: if it is not what was published.
    """
    columns = ("sent_more", "sent_less", "stereo_antistereo", "bias_type")
    pairs = []
    for row in rows(path, columns):
        more, less, direction, bias_type = (str(row.values[column]) for column in columns)
        if direction not in _COUNTS:
            raise DataError(f"expected stereo or antistereo, found {direction!r:.40}", path, row.line)
        if not more.strip() or not less.strip():
            raise DataError("one of the two sentences is empty", path, row.line)
        pairs.append(CrowsPair(more, less, direction, bias_type))  # type: ignore[arg-type]  # checked above
    check_counts(Counter(pair.direction for pair in pairs), _COUNTS, "pairs", path)
    check_counts(Counter(pair.bias_type for pair in pairs), _BIAS_COUNTS, "pairs", path)
    return tuple(pairs)


CROWS_PAIRS = Suite(
    name="crows_pairs",
    source="https://github.com/nyu-mll/crows-pairs (data/crows_pairs_anonymized.csv)",
    places=(
        "crows_pairs/crows_pairs_anonymized.csv",
        "crows-pairs/data/crows_pairs_anonymized.csv",
        "crows_pairs_anonymized.csv",
    ),
    reader=read_crows_pairs,
)
