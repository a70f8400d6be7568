"""Commands run as a user runs them: in a process of their own."""

import os
import subprocess
import sys
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
