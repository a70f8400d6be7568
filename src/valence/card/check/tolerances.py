"""How far what is measured again may lie from what a card states: all of it in one place, and why.

A printed statement must equal its source to the last digit; that needs no tolerance. What follows is about measuring
again. Three settings are told apart:

exact   the same engine, and it promises the same bits everywhere (the native one: sums of whole numbers). Every printed
        digit must come out again. 1e-6 is left for what other versions of numpy and scipy do to the last bits.
fp32    the same engine in fp32. Another processor adds in another order; scores move by less than 0.001 (that is what
        an fp32 export is held to), so that one sentence in 2,000 may change its label.
other   another engine than the report's, or int8 in ONNX Runtime or OpenVINO, whose kernels differ from processor to
        processor. An int8 export may change one label in 200 (valence.runtime.export.agreement), so this may, too.
        Measured for the embedded default, native against ONNX Runtime: 3 of 872, 1 of 2,000 and 1 of 4,000 labels, AUC
        0.0003, loss 0.0012.
"""

import math
from typing import Literal

from valence.card.statement import Basis

__all__ = [
    "CLAIMED_SCORE",
    "EXACT",
    "PER_CENT_DIGITS",
    "SPEED_FACTOR",
    "Setting",
    "changed_labels",
    "setting_of",
    "tolerance",
]

Setting = Literal["exact", "fp32", "other"]

EXACT = 1e-6
"""Of a figure's size, at least of 1: smaller than any printed digit."""
CHANGED_LABELS: dict[Setting, float] = {"exact": 0.0, "fp32": 1 / 2000, "other": 1 / 200}
"""The share of texts that may get another label; at least one text where it is not zero."""
AUC: dict[Setting, float] = {"exact": EXACT, "fp32": 0.0005, "other": 0.005}
LOSS: dict[Setting, float] = {"exact": EXACT, "fp32": 0.001, "other": 0.02}
SCORES: dict[Setting, float] = {"exact": 0.002, "fp32": 0.002, "other": 0.03}
"""Differences of scores between an engine and its source. The source runs in PyTorch, whose sums depend on the
processor, so that not even the native engine's are exact."""
BIAS: dict[Setting, float] = {"exact": EXACT, "fp32": 0.002, "other": 0.02}
"""Of mean and spread of probabilities: 0.02 is what int8 is off by at the 99th percentile of single texts."""
BIAS_SHARE: dict[Setting, float] = {"exact": EXACT, "fp32": 0.01, "other": 0.1}
"""The same for what is no probability, such as scores up to 100: a share of the figure."""
CLAIMED_SCORE = 0.007
"""Of a score that a card states with two digits: half of the last one, and 0.002 for another processor in fp32."""
PER_CENT_DIGITS = 0.0005
"""Half of the last digit of a share stated as 91.3 per cent."""
SPEED_FACTOR = 2.0
"""A speed is a ratio to the reference measured in the same run; on shared machines single runs differ by a third."""
_DEVIATIONS = 2.0  # the ends of an interval move with the figure and with the texts that are drawn again


def setting_of(claimed: str, found: str) -> Setting:
    """Tell how alike two engines are.

    Args:
        claimed: the engine that the report names, such as "native int8".
        found: the one that measured again.

    Returns:
        The setting.
    """
    if claimed != found:
        return "other"
    if found.startswith("native"):
        return "exact"
    return "fp32" if found.endswith("fp32") else "other"


def changed_labels(n_texts: int, setting: Setting) -> int:
    """Say how many texts may get another label.

    Args:
        n_texts: that were measured on.
        setting: what measured again.

    Returns:
        A number of texts.
    """
    return math.ceil(CHANGED_LABELS[setting] * n_texts)


def tolerance(basis: Basis, value: float, setting: Setting, is_bound: bool = False) -> float | None:
    """Say how far a value may lie from the one that is stated.

    Args:
        basis: what it rests on.
        value: as stated.
        setting: what measured it again.
        is_bound: whether it is one end of an interval.

    Returns:
        The largest difference, or None for what cannot be compared: on another engine a p-value hangs on single texts.
    """
    size = abs(value)
    n_texts, n_smallest = basis.n_texts or 0, basis.n_smallest or 0
    texts = changed_labels(n_texts, setting)
    wide = _DEVIATIONS if is_bound else 1.0
    by_kind: dict[str, float | None] = {
        # One label of a class of n changes precision and recall by up to 1/n, F1 and MCC by up to twice that.
        "share": wide * texts / max(1, n_smallest) * (1.0 if n_smallest == n_texts else 2.0),
        # Two texts whose scores are nearly equal may change places: on few texts each pair is much.
        "auc": wide * max(AUC[setting], 2.0 * texts / max(1, n_smallest * (n_texts - n_smallest))),
        "loss": wide * LOSS[setting],
        "count": 2.0 * texts,  # of two models, each may change
        "p-value": EXACT if setting == "exact" else None,
        # of an export beside its source, and the source runs in fp32
        "labels": changed_labels(n_texts, "fp32" if setting == "exact" else setting) / max(1, n_texts),
        "score": SCORES[setting],
        "bias": wide * max(BIAS[setting], BIAS_SHARE[setting] * size),
        "probability": BIAS[setting],
    }
    found = by_kind.get(basis.kind, 0.0)
    return None if found is None else max(EXACT * max(1.0, size), found)
