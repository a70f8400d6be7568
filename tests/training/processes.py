"""Commands run as a user runs them: in a process of their own."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def valence(*arguments: object) -> list[str]:
    """The command line in a process of its own."""
    return [sys.executable, "-m", "valence", *map(str, arguments)]


def environment() -> dict[str, str]:
    """One thread each: tiny products gain nothing from more, and lose much where the machine is busy."""
    return os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}


def run(command: list[str], **options: Any) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end."""
    options = {"env": environment()} | options
    return subprocess.run(command, capture_output=True, text=True, timeout=200, **options)


def train_here(*arguments: object) -> None:
    """Run `valence train` in this process; errors come out as they are."""
    from valence.cli.train import command

    command.main([str(argument) for argument in arguments], standalone_mode=False)


def steps_saved(out: Path) -> int:
    """The step of the last state on disk, 0 where there is none, more than any once the run is finished."""
    try:
        found = [
            int(match[1])
            for path in (out / "training_state").iterdir()
            if (match := re.match(r"step-(\d+)", path.name))
        ]
    except FileNotFoundError:
        return sys.maxsize if (out / "reports").exists() else 0
    return max(found, default=0)


def being_saved(out: Path) -> bool:
    return any((out / "training_state").glob(".step-*.partial"))


def stop_when(out: Path, command: list[str], ready: Callable[[], bool], how: signal.Signals) -> tuple[int, str]:
    """Start a run and send it a signal at a moment; return its exit code and what it said."""
    log = out.with_name(f"{out.name}.log")
    with log.open("w") as file, subprocess.Popen(command, stdout=file, stderr=file, env=environment()) as process:
        deadline = time.monotonic() + 100
        while process.poll() is None and not ready():
            assert time.monotonic() < deadline, f"the run did not come so far: {log.read_text()}"
        process.send_signal(how)
        code = process.wait(100)
    return code, log.read_text()
