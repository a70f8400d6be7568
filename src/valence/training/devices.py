"""Where and in which precision a run computes."""

import ctypes

import torch
from accelerate import Accelerator

from valence.training.recipe import Recipe

__all__ = ["make_accelerator", "trains_in_bf16"]


def make_accelerator() -> Accelerator:
    """Find the devices and processes of this run, as `accelerate launch` set them up.

    Returns:
        The accelerator. Mixed precision is not its business here: `train` runs the network under autocast.
    """
    _keep_large_buffers()
    return Accelerator(mixed_precision="no")


def trains_in_bf16(recipe: Recipe, device: torch.device) -> bool:
    """Decide in which precision products are computed.

    Args:
        recipe: asks for one, or for "auto".
        device: where the run is.

    Returns:
        Whether it is bf16; under "auto" that is where the device has instructions for it.
    """
    if recipe.precision != "auto":
        return recipe.precision == "bf16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def _keep_large_buffers() -> None:
    """Ask glibc to reuse freed memory of any size.

    By default it gives blocks above 32 MiB, such as the gradient of the word embeddings, back to the system at
    every step and touches each page anew: a sixth of a step of a small encoder. Elsewhere than on glibc nothing
    happens.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    trim_threshold, mmap_threshold = -1, -3
    mallopt(mmap_threshold, 1 << 30)
    mallopt(trim_threshold, 2**31 - 1)
