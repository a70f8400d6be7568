"""What a command prints where a person reads it."""

import os
import pty
import subprocess
from collections.abc import Sequence


def on_terminal(command: Sequence[str], env: dict[str, str] | None = None) -> str:
    """Run a command with standard output on a pseudo-terminal; it must succeed and write no error."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=theirs, stderr=subprocess.PIPE,
        env={k: v for k, v in os.environ.items() if k != "NO_COLOR"} | (env or {}),
    )  # fmt: skip
    os.close(theirs)
    output = b""
    while True:
        try:
            block = os.read(ours, 4096)
        except OSError:  # the other end is closed
            break
        if not block:
            break
        output += block
    assert process.communicate(timeout=120)[1] == b""
    os.close(ours)
    assert process.returncode == 0
    return output.decode().replace("\r\n", "\n")
