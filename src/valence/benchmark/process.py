"""A whole process, measured: seconds by the clock and peak memory.

A child's peak counts what its parent had when it was started, so a small process starts it, and only that.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence

from valence.errors import EngineError

__all__ = ["peak_mib", "run_to_end"]

_LAUNCH = """
import json, os, sys, time
quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
start = time.perf_counter()
process = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=quiet)
_, status, usage = os.wait4(process, 0)
print(json.dumps([os.waitstatus_to_exitcode(status), time.perf_counter() - start, usage.ru_maxrss / 1024]))
"""


def run_to_end(command: Sequence[str]) -> tuple[float, float]:
    """Run a process to its end.

    Args:
        command: what to run; its output goes nowhere.

    Returns:
        Seconds by the clock, and its peak memory in MiB.

    Raises:
        EngineError: if it fails, with the end of what it said.
    """
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _LAUNCH, *command],
        capture_output=True,
        text=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        check=False,
    )
    code, seconds, peak = json.loads(done.stdout) if done.returncode == 0 else (done.returncode, 0.0, 0.0)
    if code:
        said = done.stderr.strip().splitlines() or ["it said nothing"]
        raise EngineError(f"a process ended with status {code}: {said[-1]}")
    return seconds, peak


def peak_mib() -> float:
    """Read the peak memory of this process, without that of its parent.

    Returns:
        MiB; 0 where the system does not say.
    """
    try:
        with open("/proc/self/status", encoding="ascii") as status:
            lines = [line.split() for line in status if line.startswith("VmHWM:")]
    except OSError:
        return 0.0
    return int(lines[0][1]) / 1024 if lines else 0.0
