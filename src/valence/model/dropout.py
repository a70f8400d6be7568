"""Dropout with a fast random source on the CPU.

PyTorch draws one Bernoulli number per value, on most processors one after the other, which costs a small encoder
a tenth of its training time. Here one 64-bit draw decides four values, 16 bits each.
"""

import torch
from torch import Tensor, nn

__all__ = ["Dropout"]

_LEVELS = 1 << 16


class Dropout(nn.Module):
    """Set values to zero at random while training, and scale up the rest.

    Args:
        probability: of a zero; exact to 1/65,536 on the CPU.
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def extra_repr(self) -> str:
        """Show the probability.

        Returns:
            What `print` shows between the parentheses.
        """
        return f"probability={self.probability}"

    def forward(self, values: Tensor) -> Tensor:
        """Apply dropout.

        Args:
            values: any shape.

        Returns:
            The same shape.
        """
        if not self.training or self.probability == 0.0:
            return values
        if values.device.type != "cpu":
            return nn.functional.dropout(values, self.probability)
        n_dropped = min(round(self.probability * _LEVELS), _LEVELS - 1)
        draws = torch.empty((values.numel() + 3) // 4, dtype=torch.int64).random_(-(2**63), None)
        kept = (draws.view(torch.int16)[: values.numel()] >= n_dropped - _LEVELS // 2).view(values.shape)
        return values * kept.to(values.dtype).mul_(_LEVELS / (_LEVELS - n_dropped))
