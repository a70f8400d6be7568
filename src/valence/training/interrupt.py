"""Signals that end a run, taken at the end of a step."""

import signal
from types import FrameType
from typing import Any

__all__ = ["Interrupt"]


class Interrupt:
    """Turns an interrupt or termination signal into a flag, so that a step is never cut in two."""

    def __init__(self) -> None:
        self.requested = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "Interrupt":
        for number in (signal.SIGINT, signal.SIGTERM):
            try:
                self._before[number] = signal.signal(number, self._request)
            except ValueError:  # not the main thread
                break
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _request(self, number: int, frame: FrameType | None) -> None:
        self.requested = True
