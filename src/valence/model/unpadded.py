"""The classifier without padding, for inference: the tokens of all texts of a batch in one row.

Attention looks within a text only; everything else treats each token alone, so the row needs no text borders there.

Shapes: N tokens of all texts, R readers, B texts, D width, H heads, C classes.
Source: Zeng et al. 2022, "Boosting Distributed Training Performance of the Unpadded BERT Model"; Dao 2023,
"FlashAttention-2", for variable-length attention.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from valence.model.encoder import EncoderLayer
from valence.model.heads import FirstTokenHead, TaskModel

__all__ = ["UnpaddedClassifier", "UnpaddedTexts", "has_flash_attention"]


@dataclass(frozen=True)
class UnpaddedTexts:
    """Texts one after another.

    Args:
        input_ids: int64 [N].
        positions: int64 [N], a token's place in its text.
        token_type_ids: int64 [N]; None for all zeros. Not read by families without token types.
        starts: int32 [B + 1], where each text begins, and N.
        lengths: tokens of each text, at least 1.
    """

    input_ids: Tensor
    positions: Tensor
    token_type_ids: Tensor | None
    starts: Tensor
    lengths: Sequence[int]


class UnpaddedClassifier(nn.Module):
    """Runs the weights of a classifier on texts without padding.

    Args:
        model: an encoder with a `FirstTokenHead`. Its modules are shared, not copied; it must be in evaluation mode,
            since nothing is dropped here.
    """

    def __init__(self, model: TaskModel) -> None:
        super().__init__()
        assert isinstance(model.head, FirstTokenHead), "not a classifier"
        self.embeddings = model.encoder.embeddings
        self.distances = model.encoder.distances
        self.layers = model.encoder.layers
        self.head = model.head

    def forward(self, texts: UnpaddedTexts) -> Tensor:
        """Classify.

        Args:
            texts: B texts.

        Returns:
            Logits [B, C].
        """
        positions = self.embeddings.positions(texts.positions + self.embeddings.first_position)
        hidden = self.embeddings.combine(texts.input_ids, positions, texts.token_type_ids)  # [N, D]
        bias = None if self.distances is None else self.distances(max(texts.lengths))  # [1, H, T, T]
        last = len(self.layers) - 1
        for number, layer in enumerate(self.layers):
            assert isinstance(layer, EncoderLayer)
            hidden = _run_layer(layer, hidden, texts, bias, first_token_only=number == last)
        logits: Tensor = self.head(hidden[:, None])  # [B, 1, D] to [B, C]
        return logits


def has_flash_attention(values: Tensor, head_width: int) -> bool:
    """Tell whether attention over texts of different lengths can run as one kernel.

    Args:
        values: any tensor of the type and on the device in question.
        head_width: D / H.

    Returns:
        True on an NVIDIA GPU from Ampere on, in half precision, where PyTorch has the kernel.
    """
    if not values.is_cuda or values.dtype not in (torch.bfloat16, torch.float16):
        return False
    if head_width % 8 or head_width > 256 or torch.cuda.get_device_capability(values.device) < (8, 0):
        return False
    return find_spec("torch.nn.attention.varlen") is not None  # from PyTorch 2.10 on


def _run_layer(
    layer: EncoderLayer, hidden: Tensor, texts: UnpaddedTexts, bias: Tensor | None, first_token_only: bool
) -> Tensor:
    """Take [N, D] to the same, or to [B, D] of each text's first token."""
    attention = layer.attention
    readers = hidden[texts.starts[:-1]] if first_token_only else hidden  # [R, D]
    query, key, value = attention.query(readers), attention.key(hidden), attention.value(hidden)
    query, key, value = (part.view(len(part), attention.n_heads, -1) for part in (query, key, value))  # [., H, D/H]
    if bias is None and has_flash_attention(query, query.shape[-1]):
        mixed = _attend_at_once(query, key, value, texts, first_token_only)  # [R, H, D/H]
    else:
        mixed = _attend_by_length(query, key, value, texts, bias, first_token_only)
    attended = layer.attention_norm(readers + attention.output(mixed.flatten(1)))
    transformed: Tensor = layer.feed_forward_norm(attended + layer.feed_forward(attended))
    return transformed


def _attend_at_once(query: Tensor, key: Tensor, value: Tensor, texts: UnpaddedTexts, first_token_only: bool) -> Tensor:
    """Mix the values of all texts in one kernel: [R, H, D/H]."""
    from torch.nn.attention.varlen import varlen_attn

    n_texts, longest = len(texts.lengths), max(texts.lengths)
    query_starts = torch.arange(n_texts + 1, dtype=torch.int32, device=query.device)
    mixed = varlen_attn(
        query,
        key,
        value,
        query_starts if first_token_only else texts.starts,
        texts.starts,
        1 if first_token_only else longest,
        longest,
        num_splits=1,  # otherwise a text's sums depend on the longest text beside it
    )
    assert isinstance(mixed, Tensor)  # a tuple comes only where more is asked for
    return mixed


def _attend_by_length(
    query: Tensor, key: Tensor, value: Tensor, texts: UnpaddedTexts, bias: Tensor | None, first_token_only: bool
) -> Tensor:
    """Mix the values of neighbours of the same length together, which still needs no padding: [R, H, D/H]."""
    parts = []
    query_start = start = 0
    for length, group in itertools.groupby(texts.lengths):
        n_texts = len(list(group))
        readers = 1 if first_token_only else length
        query_end, end = query_start + n_texts * readers, start + n_texts * length
        mixed = F.scaled_dot_product_attention(
            query[query_start:query_end].view(n_texts, readers, *query.shape[1:]).transpose(1, 2),  # [B, H, R, D/H]
            key[start:end].view(n_texts, length, *key.shape[1:]).transpose(1, 2),
            value[start:end].view(n_texts, length, *value.shape[1:]).transpose(1, 2),
            attn_mask=None if bias is None else bias[:, :, :readers, :length],
        )
        parts.append(mixed.transpose(1, 2).flatten(0, 1))
        query_start, start = query_end, end
    return torch.cat(parts)
