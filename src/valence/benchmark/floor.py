"""The floor of the machine: how fast a product of int8 matrices is by itself.

oneDNN through PyTorch, weights packed beforehand, int8 in and out, one scale per output channel: the product of a
feed-forward layer and nothing around it. An engine that computes all of a model's products in int8 is faster only if
its product is better than oneDNN's.
"""

import time
import warnings
from collections.abc import Mapping

from valence.benchmark.results import Answer
from valence.families import config_key

__all__ = ["FLOOR_SHAPE", "int8_product", "product_operations"]

FLOOR_SHAPE = (512, 768, 3072)
"""Rows of activations, width before, width after: a batch of 512 tokens in the usual feed-forward layer."""


def int8_product(rows: int, inner: int, outer: int, calls: int) -> Answer:
    """Measure.

    Args:
        rows: of the activations.
        inner: the width that is summed over.
        outer: the width of the result.
        calls: how many.

    Returns:
        Billions of operations (a multiplication and an addition are two) per second, median and best.
    """
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        generator = torch.Generator().manual_seed(0)
        values = torch.randint(0, 255, (rows, inner), dtype=torch.uint8, generator=generator)
        weight = torch.randint(-127, 127, (outer, inner), dtype=torch.int8, generator=generator)
        packed = torch.ops.onednn.qlinear_prepack(weight, [rows, inner])
        scales, zeros = torch.full((outer,), 0.01), torch.zeros(outer, dtype=torch.int32)
        seconds = []
        for _ in range(calls + 5):
            start = time.perf_counter()
            torch.ops.onednn.qlinear_pointwise(
                values, 0.02, 0, packed, scales, zeros, None, 0.5, 0, torch.uint8, "none", [], ""
            )
            seconds.append(time.perf_counter() - start)
    seconds = sorted(seconds[5:])
    operations = 2e-9 * rows * inner * outer
    return {"gops": operations / seconds[len(seconds) // 2], "best_gops": operations / seconds[0]}


def product_operations(config: Mapping[str, object], first_token_alone: bool = False) -> float:
    """Count the operations of a model's products with weights, per token.

    Args:
        config: config.json.
        first_token_alone: leave out what a classifier does not need: of the last layer only the keys and values of
            every token reach the first one, which the classifier reads; its own products are not counted.

    Returns:
        Operations, a multiplication and an addition counted as two.
    """
    width, hidden, layers = (_size(config, ours) for ours in ("hidden_size", "intermediate_size", "n_layers"))
    keys_and_values, rest = 2 * width**2, 2 * width**2 + 2 * width * hidden
    return float(2 * (layers * (keys_and_values + rest) - (rest if first_token_alone else 0)))


def _size(config: Mapping[str, object], ours: str) -> int:
    value = config[config_key(config.get("model_type"), ours) or ours]
    assert isinstance(value, int), f"{ours} was checked when the model was loaded"
    return value
