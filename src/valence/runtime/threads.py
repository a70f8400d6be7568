"""How many processors this process may use, in a container too.

Source: the Linux kernel's documentation of control groups: `cpu.max` (version 2), `cpu.cfs_quota_us` (version 1).
"""

import math
import os
from collections.abc import Iterator
from pathlib import Path

from valence.errors import InputError

__all__ = ["available_cpus", "cgroup_cpus", "check_threads", "thread_count"]


def thread_count(threads: int | None = None) -> int:
    """Decide how many threads to use.

    Args:
        threads: how many are wanted; as many as there are processors if None.

    Returns:
        As many as wanted, and never more than this process has processors.
    """
    available = available_cpus()
    return available if threads is None else max(1, min(threads, available))


def check_threads(threads: object) -> None:
    """Refuse what is no number of threads.

    Args:
        threads: what was asked for, or None.

    Raises:
        InputError: if it is of no use.
    """
    if threads is not None and (isinstance(threads, bool) or not isinstance(threads, int) or threads < 1):
        raise InputError(f"threads must be a whole number from 1, found {threads!r}")


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
