"""Progress on standard error: bars for work whose size is known, a count for work that may have no end."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from valence.progress import OnProgress, silent

__all__ = ["progress_bars", "progress_count"]

_SHOWN_AFTER_SECONDS = 2.0  # shorter work needs no count
_BETWEEN_SECONDS = 0.2


@contextmanager
def progress_bars(label: str = "", after_seconds: float = 0.0) -> Iterator[OnProgress]:
    """Show a bar for each piece of work, one below the other.

    Args:
        label: the work as a whole; stands before the name of each piece.
        after_seconds: how long to wait before the first bar, for work that is mostly quick.

    Yields:
        What the work is to tell of itself.
    """
    begun = time.monotonic()
    shown: dict[str, Any] = {}  # what it is of -> the bar; one at most

    def finish() -> None:
        for bar in shown.values():
            bar.render_finish()
        shown.clear()

    def draw(done: int, total: int, what: str = "") -> None:
        if what not in shown:
            if time.monotonic() - begun < after_seconds:
                return
            finish()
            name = ": ".join(part for part in (label, what) if part)
            shown[what] = click.progressbar(length=total, label=name, file=sys.stderr)
            shown[what].render_progress()
        shown[what].length = total
        shown[what].update(done - shown[what].pos)

    try:
        yield draw
    finally:
        finish()


@contextmanager
def progress_count(what: str, unit: str) -> Iterator[OnProgress]:
    """Show how much of a long work is done and how fast it goes.

    Nothing is shown unless standard error is a terminal and standard output is not, for there the results show it.

    Args:
        what: the work.
        unit: what is counted.

    Yields:
        What the work is to tell of itself.
    """
    if not sys.stderr.isatty() or sys.stdout.isatty():
        yield silent
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = TextColumn(what), SpinnerColumn(), TextColumn("{task.fields[counted]}"), TimeElapsedColumn()
    bar = Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False)
    task = bar.add_task(what, total=None, counted="")
    begun = shown = time.perf_counter()

    def count(done: int, total: int, what: str = "") -> None:
        nonlocal shown
        now = time.perf_counter()
        if now - begun >= _SHOWN_AFTER_SECONDS and now - shown >= _BETWEEN_SECONDS:
            shown = now
            bar.update(task, counted=f"{done:,} {unit}, {done / (now - begun):,.0f}/s")
            bar.start()

    try:
        yield count
    finally:
        bar.stop()
