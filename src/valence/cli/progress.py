"""A progress bar for work whose end is not known, shown only to who watches it."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["progress"]

_SHOWN_AFTER_SECONDS = 2.0  # shorter work needs no bar
_BETWEEN_SECONDS = 0.2


@contextmanager
def progress(what: str, unit: str) -> Iterator[Callable[[int], None]]:
    """Show how much of a long work is done and how fast it goes, on standard error.

    Nothing is shown unless standard error is a terminal and standard output is not, for there the results show it.

    Args:
        what: the work.
        unit: what is counted.

    Yields:
        A function to be called with what was done since the last call.
    """
    if not sys.stderr.isatty() or sys.stdout.isatty():
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = TextColumn(what), SpinnerColumn(), TextColumn("{task.fields[counted]}"), TimeElapsedColumn()
    bar = Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False)
    task = bar.add_task(what, total=None, counted="")
    begun = shown = time.perf_counter()
    count = 0

    def advance(done: int) -> None:
        nonlocal count, shown
        count += done
        now = time.perf_counter()
        if now - begun >= _SHOWN_AFTER_SECONDS and now - shown >= _BETWEEN_SECONDS:
            shown = now
            bar.update(task, counted=f"{count:,} {unit}, {count / (now - begun):,.0f}/s")
            bar.start()

    try:
        yield advance
    finally:
        bar.stop()
