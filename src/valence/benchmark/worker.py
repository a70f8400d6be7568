"""A contender in a process of its own, which answers requests and sleeps between them.

    python -m valence.benchmark.worker        requests as lines of JSON on standard input, answers on standard output
    python -m valence.benchmark.worker TASK   one request, as JSON, and the end

What the packages print goes to standard error.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from valence.benchmark.process import peak_mib
from valence.benchmark.results import Answer

__all__ = ["main"]

_FLOOR_CALLS = 60


class _Worker:
    """Answers requests about one contender of one model."""

    def __init__(self) -> None:
        self._contender: Any = None
        self._texts: dict[str, list[str]] = {}
        self._cpu_at_rest = time.process_time()
        self._idle_cpu = 0.0
        self._requests: dict[str, Callable[..., Answer]] = {
            "write": _write,
            "prepare": _prepare,
            "open": self._open,
            "run": self._run,
            "single": self._single,
            "end": self._end,
            "floor": _floor,
        }

    def answer(self, request: Mapping[str, object]) -> Answer:
        """Do what is asked.

        Args:
            request: "do", and the arguments of it.

        Returns:
            What was found; "error" alone if it cannot be done.
        """
        self._idle_cpu += time.process_time() - self._cpu_at_rest
        arguments = dict(request)
        try:
            found = self._requests[str(arguments.pop("do"))](**arguments)
        except Exception as problem:  # whatever a package raises, the others go on
            found = {"error": f"{type(problem).__name__}: {problem}" if str(problem) else type(problem).__name__}
        self._cpu_at_rest = time.process_time()
        return found

    def _open(self, key: str, checkpoint: str, prepared: str, text: str) -> Answer:
        start = time.perf_counter()
        if key.startswith("valence-"):
            from valence.benchmark.ours import open_ours

            self._contender = open_ours(key, Path(prepared))
        else:
            from valence.benchmark.peers import open_peer

            self._contender = open_peer(key, Path(checkpoint), Path(prepared))
        self._contender.answers([text], "one", 0)
        self._idle_cpu = 0.0
        return {"seconds": time.perf_counter() - start}

    def _run(self, texts: str, mode: str, budget: int = 0, every: int = 1, answers: bool = False) -> Answer:
        """Label the texts of a file, or every nth of them."""
        if texts not in self._texts:
            self._texts[texts] = json.loads(Path(texts).read_text(encoding="utf-8"))
        chosen = self._texts[texts][::every]
        start = time.perf_counter()
        found = self._contender.answers(chosen, mode, budget)
        seconds = time.perf_counter() - start
        return {"seconds": seconds, "answers": found} if answers else {"seconds": seconds}

    def _single(self, texts: list[str], calls: int) -> Answer:
        """Label texts alone, each call by the clock; the first two calls do not count."""
        seconds = []
        for call in range(calls + 2):
            text = texts[call % len(texts)]
            start = time.perf_counter()
            self._contender.answers([text], "one", 0)
            seconds.append(time.perf_counter() - start)
        return {"each_seconds": seconds[2:]}

    def _end(self) -> Answer:
        return {"peak_mib": peak_mib(), "idle_cpu_seconds": self._idle_cpu}


def _write(source: str | None, target: str) -> Answer:
    from valence.benchmark.models import write_checkpoint

    return write_checkpoint(None if source is None else Path(source), Path(target))


def _prepare(key: str, checkpoint: str, prepared: str, calibration: str, random: bool) -> Answer:
    start = time.perf_counter()
    if key.startswith("valence-"):
        from valence.benchmark.ours import prepare_ours

        prepare_ours(key, Path(checkpoint), Path(prepared), random)
    else:
        from valence.benchmark.peers import prepare_peer

        texts = json.loads(Path(calibration).read_text(encoding="utf-8"))
        prepare_peer(key, Path(checkpoint), Path(prepared), texts)
    return {"seconds": time.perf_counter() - start}


def _floor(rows: int, inner: int, outer: int) -> Answer:
    from valence.benchmark.floor import int8_product

    return int8_product(rows, inner, outer, _FLOOR_CALLS)


def main() -> None:
    """Answer one request, or all that come."""
    output = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    worker = _Worker()
    if len(sys.argv) > 1:
        found = worker.answer(json.loads(sys.argv[1]))
        print(json.dumps(found), file=output, flush=True)
        if "error" in found:
            sys.exit(found["error"])
        return
    for line in sys.stdin:
        print(json.dumps(worker.answer(json.loads(line))), file=output, flush=True)


if __name__ == "__main__":
    main()
