"""Self-attention over all tokens of a text, in both directions.

Shapes: B batch, T tokens, R readers, D width, H heads.
Source: Vaswani et al. 2017, "Attention Is All You Need"; Devlin et al. 2019, "BERT".
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from valence.model.config import EncoderConfig
from valence.model.dropout import Dropout

__all__ = ["SelfAttention"]


class SelfAttention(nn.Module):
    """Multi-head attention with an output projection.

    Args:
        config: the encoder's shape.
    """

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.n_heads = config.n_heads
        self.dropout = Dropout(config.attention_dropout)
        self.query = nn.Linear(config.hidden_size, config.hidden_size)
        self.key = nn.Linear(config.hidden_size, config.hidden_size)
        self.value = nn.Linear(config.hidden_size, config.hidden_size)
        self.output = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(self, readers: Tensor, hidden: Tensor, mask: Tensor | None) -> Tensor:
        """Let tokens read the tokens of their text.

        Args:
            readers: [B, R, D], the tokens that read: all of `hidden`, or only those that are needed.
            hidden: [B, T, D], the tokens that are read.
            mask: bool, what broadcasts to [B, H, R, T], true where a token may be read; or what is added to the scores,
                of minus infinity where it may not; None where all may.

        Returns:
            [B, R, D].
        """
        query, key, value = (
            self._split(self.query(readers)),
            self._split(self.key(hidden)),
            self._split(self.value(hidden)),
        )
        dropped = self.dropout.probability if self.training else 0.0
        if dropped and hidden.device.type == "cpu":
            mixed = self._mix_with_dropout(query, key, value, mask)
        else:
            mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, dropout_p=dropped)
        merged = mixed.transpose(1, 2).flatten(2)  # [B, R, D]
        projected: Tensor = self.output(merged)
        return projected

    def _mix_with_dropout(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
        """Compute the same with dropout on who reads what; on a CPU PyTorch's own draws its random numbers slowly."""
        scores = query @ key.transpose(2, 3) / math.sqrt(query.shape[-1])  # [B, H, R, T]
        if mask is not None:
            scores = scores.masked_fill(~mask, -math.inf) if mask.dtype == torch.bool else scores + mask
        mixed: Tensor = self.dropout(scores.softmax(dim=-1)) @ value  # [B, H, R, D/H]
        return mixed

    def _split(self, projected: Tensor) -> Tensor:
        batch, tokens, _ = projected.shape
        return projected.view(batch, tokens, self.n_heads, -1).transpose(1, 2)  # [B, H, T, D/H]
