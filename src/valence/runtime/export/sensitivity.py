"""Which products with weights lose most by int8 activations: each is quantised alone, in the model itself."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from valence.model.heads import TaskModel
from valence.runtime.execution import run_tokenized
from valence.runtime.export.graph import products
from valence.runtime.torch_engine import TorchEngine
from valence.text.tokenizer import Text, Tokenizer

__all__ = ["rank_products"]

_TEXTS = 128  # enough to tell which product is worst; one pass for each product
_INT8_LEVELS = 127


def rank_products(model: TaskModel, tokenizer: Tokenizer, texts: Sequence[Text]) -> list[str]:
    """Order the products by how far the logits move when only their activations are rounded to int8.

    Args:
        model: in fp32.
        tokenizer: for the texts.
        texts: some of them are used.

    Returns:
        The names of `products`, the worst first.
    """
    step = max(1, len(texts) // _TEXTS)
    tokenized = tokenizer(list(texts[::step][:_TEXTS]))
    engine = TorchEngine(model)
    expected = run_tokenized(engine, tokenized, tokenizer.pad_token_id)
    modules = dict(model.named_modules())
    moved: dict[str, float] = {}
    for name in products(model.config):
        prefix, _, part = name.rpartition(".")
        parts = ("query", "key", "value") if part == "query_key_value" else (part,)
        hooks = [modules[f"{prefix}.{part}"].register_forward_pre_hook(_round_input) for part in parts]
        try:
            found = run_tokenized(engine, tokenized, tokenizer.pad_token_id)
        finally:
            for hook in hooks:
                hook.remove()
        moved[name] = float(np.abs(found - expected).mean())
    return sorted(moved, key=lambda name: -moved[name])


def _round_input(module: torch.nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    values: Tensor = inputs[0]
    scale = values.abs().amax(-1, keepdim=True).clamp_min(1e-10) / _INT8_LEVELS
    return ((values / scale).round() * scale, *inputs[1:])
