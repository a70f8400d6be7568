"""Signals that end a run, taken at the end of a step; within an evaluation, which changes nothing, at once."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["Interrupt"]

_Handler = Callable[[int, FrameType | None], object] | int | None


class Interrupt:
    """Turns an interrupt or termination signal into a flag, so that a step is never cut in two."""

    def __init__(self) -> None:
        self.requested = False
        self._at_once = False
        self._before: dict[signal.Signals, _Handler] = {}

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

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Let a signal, also one that has come before, end what is done meanwhile.

        Yields:
            Once signals are taken at once.

        Raises:
            KeyboardInterrupt: at the signal.
        """
        self._at_once = True
        try:
            if self.requested:
                raise KeyboardInterrupt
            yield
        finally:
            self._at_once = False

    def _request(self, number: int, frame: FrameType | None) -> None:
        self.requested = True
        if self._at_once:
            raise KeyboardInterrupt
