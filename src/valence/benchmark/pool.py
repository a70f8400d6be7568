"""Workers, seen from the process that times them: one per contender and model, asleep while another runs."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time

from valence.benchmark.results import Answer
from valence.errors import EngineError

__all__ = ["ContenderError", "Worker", "ask_once"]

_COMMAND = [sys.executable, "-m", "valence.benchmark.worker"]
_REST_SECONDS = 0.25  # OpenMP and ONNX Runtime let their threads spin for up to 0.2 s after the work


class ContenderError(EngineError):
    """A contender that cannot go on; the others can."""


class Worker:
    """A process that runs one contender.

    Args:
        rest: whether to give its threads time to come to rest after each request.
    """

    def __init__(self, rest: bool = True) -> None:
        self._rest_seconds = _REST_SECONDS if rest else 0.0
        self._messages = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the worker)
        self._process = subprocess.Popen(
            _COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._messages,
            text=True,
            env={**os.environ, "HF_HUB_OFFLINE": "1"},
        )

    @staticmethod
    def once(do: str, **arguments: object) -> list[str]:
        """Build the command of a process that does one thing and ends.

        Args:
            do: what.
            **arguments: of the request.

        Returns:
            The command.
        """
        return [*_COMMAND, json.dumps({"do": do, **arguments})]

    def ask(self, do: str, **arguments: object) -> Answer:
        """Send a request, and wait for the answer.

        Args:
            do: what.
            **arguments: of the request.

        Returns:
            The answer.

        Raises:
            ContenderError: if it could not be done, or the process has ended.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise ContenderError(f"its process ended with status {self._process.wait()}: {self._said()}")
        answer: Answer = json.loads(line)
        if "error" in answer:
            raise ContenderError(answer["error"])
        time.sleep(self._rest_seconds)
        return answer

    def kill(self) -> None:
        """End the process at once."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """End the process, and give back what belongs to it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self.kill()
        with contextlib.suppress(BrokenPipeError):  # a request it never read
            self._process.stdin.close()
        self._process.stdout.close()
        self._messages.close()

    def _said(self) -> str:
        self._messages.seek(0)
        lines = self._messages.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"


def ask_once(do: str, **arguments: object) -> Answer:
    """Let a process of its own do one thing, so that its memory is given back.

    Args:
        do: what.
        **arguments: of the request.

    Returns:
        The answer.

    Raises:
        ContenderError: if it could not be done.
    """
    worker = Worker(rest=False)
    try:
        return worker.ask(do, **arguments)
    finally:
        worker.close()
