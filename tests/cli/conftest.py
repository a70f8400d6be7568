"""The command line as a user starts it: a process of its own."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from one_thread import usual_environment

_VALENCE = Path(sys.executable).with_name("valence")

Run = Callable[..., subprocess.CompletedProcess]


@pytest.fixture(scope="session")
def valence_command() -> list[str]:
    """The installed command; `python -m valence` where the script is not beside the interpreter."""
    return [str(_VALENCE)] if _VALENCE.is_file() else [sys.executable, "-m", "valence"]


@pytest.fixture(scope="session")
def run(valence_command) -> Run:
    """Run a command to its end; bytes in and out."""

    def start(*arguments, stdin: bytes = b"", env: dict | None = None, **options) -> subprocess.CompletedProcess:
        return subprocess.run(
            [*valence_command, *(a if isinstance(a, bytes) else str(a) for a in arguments)],
            input=stdin, capture_output=True, timeout=60, check=False, env=usual_environment(**env or {}), **options,
        )  # fmt: skip

    return start


@pytest.fixture(scope="session")
def classify(run, tiny_classifier) -> Run:
    """Run `valence classify` with the tiny model."""
    return lambda *arguments, **options: run("classify", "--model", tiny_classifier, *arguments, **options)
