"""Many distinct short texts through `clf.stream`: is memory flat?"""

import itertools
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

from valence.benchmark.machine import describe_machine, versions
from valence.benchmark.process import peak_mib
from valence.benchmark.results import StreamReport, StreamRun
from valence.errors import EngineError
from valence.progress import Say
from valence.runtime.load import load

__all__ = ["FEW", "measure_stream", "run_stream", "short_texts"]

FEW = 10_000
"""Texts of the short run, whose peak memory that of the long one is compared with."""
_SUBJECTS = (
    "The film",
    "This phone",
    "Our room",
    "The service",
    "Her new novel",
    "That old camera",
    "The second season",
)
_VERBS = ("was", "is", "seemed", "turned out", "felt")
_JUDGEMENTS = ("wonderful", "dull", "far too long", "worth it", "a mess", "quite good", "cheap", "a pleasant surprise")
_ENDS = ("", ", and I would say so again", ", sadly", " from the first minute to the last", ", or so they say")
_SAY_EVERY = 50_000


def short_texts(count: int) -> Iterator[str]:
    """Make distinct texts of one short sentence each, the same at every call.

    Args:
        count: how many.

    Yields:
        Each text.
    """
    sentences = list(itertools.product(_SUBJECTS, _VERBS, _JUDGEMENTS, _ENDS))
    for number in range(count):
        subject, verb, judgement, end = sentences[number * 7919 % len(sentences)]  # a prime: all lengths in turn
        yield f"{number} {subject} {verb} {judgement}{end}."


def run_stream(count: int) -> StreamRun:
    """Stream texts through the default model in this process.

    Args:
        count: how many.

    Returns:
        The rate, and the peak memory of the process.
    """
    classifier = load()
    found = 0
    tokens = 0
    start = time.perf_counter()
    for prediction in classifier.stream(short_texts(count)):
        found += 1
        tokens += prediction.n_tokens
        if found % _SAY_EVERY == 0:
            sys.stderr.write(f"{found:,} texts, {found / (time.perf_counter() - start):,.0f} texts/s\n")
    seconds = time.perf_counter() - start
    assert found == count
    return {
        "texts": count,
        "tokens": tokens,
        "seconds": seconds,
        "texts_per_second": count / seconds,
        "peak_mib": peak_mib(),
        "engine": classifier.engine.name,
    }


def measure_stream(count: int, say: Say) -> StreamReport:
    """Stream few texts and many, each in a process of its own.

    Args:
        count: how many are many.
        say: told of every step.

    Returns:
        The report, as JSON values.

    Raises:
        EngineError: if a process fails.
    """
    few = []
    for number in range(3):
        say(f"{FEW:,} texts, process {number + 1} of 3")
        few.append(_in_a_process(FEW))
    say(f"{count:,} texts")
    many = _in_a_process(count)
    peak = statistics.median(run["peak_mib"] for run in few)
    return {
        "format": 1,
        "machine": describe_machine(),
        "versions": versions(),
        "few": {**few[0], "peak_mib": peak},
        "many": many,
        "difference_mib": many["peak_mib"] - peak,
    }


def _in_a_process(count: int) -> StreamRun:
    done = subprocess.run(
        [sys.executable, "-m", "valence.benchmark.stream", str(count)], stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        raise EngineError(f"streaming {count:,} texts ended with status {done.returncode}; its messages are above")
    found: StreamRun = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    sys.stdout.write(json.dumps(run_stream(int(sys.argv[1]))))
