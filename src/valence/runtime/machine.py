"""Which instructions the processor has that make an engine fast."""

import functools
from pathlib import Path

__all__ = ["processor_features"]

# As /proc/cpuinfo spells them, on x86 and on ARM.
_FEATURES = {
    "avx2": "AVX2",
    "avx512f": "AVX512",
    "avx_vnni": "AVX-VNNI",
    "avx512_vnni": "AVX512-VNNI",
    "avx512_bf16": "AVX512-BF16",
    "amx_int8": "AMX-INT8",
    "amx_bf16": "AMX-BF16",
    "asimddp": "DOTPROD",
    "i8mm": "I8MM",
    "bf16": "BF16",
    "sve": "SVE",
}


@functools.cache
def processor_features(cpuinfo: Path = Path("/proc/cpuinfo")) -> tuple[str, ...]:
    """List the processor's instruction sets that matter for inference.

    Args:
        cpuinfo: what the Linux kernel says of the processors.

    Returns:
        Such as ("AVX2", "AVX512", "AVX512-VNNI"); empty where the system does not tell.
    """
    try:
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return ()
    for line in lines:
        key, _, values = line.partition(":")
        if key.strip().lower() in ("flags", "features"):
            flags = set(values.split())
            return tuple(name for flag, name in _FEATURES.items() if flag in flags)
    return ()
