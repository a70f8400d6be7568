"""The processors of this machine: what they are called, what they can do, and how many this process may use.

Source: the Linux kernel's documentation of control groups: `cpu.max` (version 2), `cpu.cfs_quota_us` (version 1).
"""

import functools
import math
import os
import platform
from collections.abc import Iterator
from pathlib import Path

__all__ = ["available_cpus", "cgroup_cpus", "processor_features", "processor_name"]

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


@functools.cache
def processor_name(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Say what the system calls the processor.

    Args:
        cpuinfo: what the Linux kernel says of the processors.

    Returns:
        Such as "AMD EPYC 9654 96-Core Processor"; where the system has no name for it, the architecture.
    """
    try:
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        lines = []
    fields = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    named = fields.get("model name") or platform.processor() or platform.machine()
    # Virtual machines hide the model behind a name such as "Intel(R) Xeon(R) Processor": the numbers tell it.
    family, model = fields.get("cpu family"), fields.get("model")
    return f"{named} (family {family}, model {model})" if family and model else named


def available_cpus() -> int:
    """Count the processors this process may use.

    Returns:
        The processors it may run on, or fewer where a container's limit allows less, rounded up; at least 1.
    """
    if hasattr(os, "process_cpu_count"):  # Python 3.13
        allowed = os.process_cpu_count() or 1
    elif hasattr(os, "sched_getaffinity"):
        allowed = len(os.sched_getaffinity(0))
    else:
        allowed = os.cpu_count() or 1
    limit = cgroup_cpus()
    return allowed if limit is None else max(1, min(allowed, math.ceil(limit)))


def cgroup_cpus(root: Path = Path("/")) -> float | None:
    """Read how many processors' worth of time the control groups of this process allow.

    Args:
        root: the folder that holds proc and sys.

    Returns:
        The lowest limit of the process's groups and of all above them, such as 1.5; None where there is none.
    """
    limits = []
    for folder in _group_folders(root):
        quota, period = (*_read(folder / "cpu.max").split(), "", "")[:2]
        if not quota:
            quota, period = _read(folder / "cpu.cfs_quota_us").strip(), _read(folder / "cpu.cfs_period_us").strip()
        if quota.isdecimal() and period.isdecimal() and int(quota) and int(period):  # not "max", not -1
            limits.append(int(quota) / int(period))
    return min(limits, default=None)


def _group_folders(root: Path) -> Iterator[Path]:
    """List the folders of this process's groups, from each group up to the root of its tree."""
    mounts = root / "sys" / "fs" / "cgroup"
    for line in _read(root / "proc" / "self" / "cgroup").splitlines():
        _, controllers, group = (*line.split(":", 2), "", "")[:3]  # 4:cpu,cpuacct:/docker/1f2e, or 0::/docker/1f2e
        if controllers and "cpu" not in controllers.split(","):
            continue
        tree = mounts / controllers if (mounts / controllers).is_dir() else mounts / "cpu"
        # In a container the path may be the host's, and the container's own group is the root of the tree.
        parts = [part for part in group.split("/") if part not in ("", ".", "..")]
        for depth in range(len(parts), -1, -1):
            yield tree.joinpath(*parts[:depth])


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""
