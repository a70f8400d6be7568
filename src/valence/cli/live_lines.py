"""Standard input as it comes: whole lines, and whether the next one is there yet."""

import os
import select
from collections import deque
from collections.abc import Iterator

__all__ = ["LiveLines"]

_BLOCK_BYTES = 1 << 16


class LiveLines:
    """An iterator over the lines of a stream that never waits for more than the line asked for.

    Args:
        handle: the stream's file descriptor.
    """

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self._lines: deque[bytes] = deque()
        self._rest: list[bytes] = []  # the start of a line whose end has not come
        self._ended = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        while not self._lines:
            if self._ended:
                raise StopIteration
            self._read()
        return self._lines.popleft()

    def must_wait(self) -> bool:
        """Look whether the next line would have to be waited for.

        Returns:
            Whether it would; true at the end of the stream too.
        """
        while not self._lines and not self._ended and select.select([self._handle], [], [], 0)[0]:
            self._read()
        return not self._lines

    def _read(self) -> None:
        block = os.read(self._handle, _BLOCK_BYTES)  # what is there, at most; waits only where nothing is
        *ends, start = block.split(b"\n")
        for end in ends:
            self._lines.append(b"".join([*self._rest, end, b"\n"]))
            self._rest.clear()
        if start:
            self._rest.append(start)
        if not block:
            self._ended = True
            if self._rest:
                self._lines.append(b"".join(self._rest))
