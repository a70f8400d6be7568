"""The three tiers of tests: quick (`make test`), full (`make test-all`) and long (`make test-long`).

The quick tier leaves out what is marked `slow`, and of `slow(keep=3)` it runs three of the parameter sets. The full
tier, which plain `pytest` runs too, leaves out only what is marked `long`; the long tier runs nothing else. A test of
the quick tier that takes more than `LIMIT` seconds fails, so that the tier stays quick.
"""

import datetime
import hashlib
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import is_hypothesis_test, settings

from valence.processors import processor_name

ROOT = Path(__file__).resolve().parent.parent
TIERS = ("quick", "full", "long")
LIMIT = 2.0
"""Seconds of processor time, of the test and the processes that it starts, without its fixtures. Wall-clock time would
say how busy the machine is; it only has to stay below `GENEROUS`, which catches a test that sleeps."""
GENEROUS = 30.0
IMPORTS = 10.0
"""What the first test of a process that uses a heavy package may take longer: it pays for all that follow."""
MANY_MODULES = 50
SLOWER = 4.0
"""In the full tier, which runs on machines that nobody chose, a test may take so much longer."""
QUICK_EXAMPLES = 10


def examples(full: int) -> int:
    """How many examples Hypothesis tries: `full`, fewer in the quick tier."""
    return min(full, settings().max_examples) if settings.get_current_profile_name() == "quick" else full


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("tiers")
    group.addoption("--tier", choices=TIERS, default="full", help="which tests run (default: full)")
    group.addoption("--again", action="store_true", help="also the long tests that passed on these sources")
    group.addoption(
        "--long-report", type=Path, default=ROOT / "tests" / "long-report.json", help="where they are noted"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow(keep=0): not in the quick tier, but for so many of its parameter sets")
    config.addinivalue_line("markers", "seconds(n): in the quick tier although it takes so much processor time")
    config.addinivalue_line("markers", "long(sister): proves something once; its small sister is in the full tier")
    tier = config.getoption("tier")
    # No deadline: how long an example takes says how busy the machine is.
    settings.register_profile("full", deadline=None)
    settings.register_profile("quick", deadline=None, max_examples=QUICK_EXAMPLES)
    settings.load_profile("quick" if tier == "quick" else "full")
    if tier == "long" and not hasattr(config, "workerinput"):
        config.pluginmanager.register(LongReport(config.getoption("long_report"), config.getoption("again")))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """As many as there are usable processors; each takes up to 2 GB of memory."""
    from valence.runtime.threads import available_cpus

    return min(available_cpus(), 8)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    kept = kept_by_sample(items)
    tier = config.getoption("tier")
    chosen, left_out = [], []
    for item in items:
        long, slow = item.get_closest_marker("long"), item.get_closest_marker("slow")
        item.stash[QUICK] = not long and (not slow or item.nodeid in kept)
        if long:
            check_sister(item, long)
        wanted = {"quick": item.stash[QUICK], "full": not long, "long": bool(long)}[tier]
        (chosen if wanted else left_out).append(item)
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = chosen


QUICK = pytest.StashKey[bool]()


def kept_by_sample(items: list[pytest.Item]) -> set[str]:
    """Of each function marked `slow(keep=n)`, n of its parameter sets, spread evenly over all of them."""
    functions: dict[str, list[str]] = {}
    keep: dict[str, int] = {}
    for item in items:
        if (slow := item.get_closest_marker("slow")) and slow.kwargs.get("keep"):
            name = item.nodeid.split("[")[0]
            functions.setdefault(name, []).append(item.nodeid)
            keep[name] = slow.kwargs["keep"]
    return {
        ids[index * len(ids) // count]
        for name, ids in functions.items()
        for count in [min(keep[name], len(ids))]
        for index in range(count)
    }


def check_sister(item: pytest.Item, long: pytest.Mark) -> None:
    """Each long test names a function of its module that tries the same, fewer times, in the full tier."""
    name = long.args[0] if long.args else None
    sister = getattr(item.module, name, None) if name else None  # type: ignore[attr-defined]
    if sister is None or any(mark.name in ("long", "skip") for mark in getattr(sister, "pytestmark", ())):
        raise pytest.UsageError(f"{item.nodeid}: @pytest.mark.long('…') must name a shorter test of this file")


def processor_seconds() -> float:
    """Of this process and of those that it waited for."""
    return sum(os.times()[:4])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    modules, processor, wall = len(sys.modules), processor_seconds(), time.monotonic()
    yield
    # With all its examples a test of properties may take longer: the quick tier, where it has few, judges it.
    is_full = item.config.getoption("tier") != "quick"
    if not item.stash.get(QUICK, False) or (is_full and is_hypothesis_test(getattr(item, "obj", None))):
        return
    marked = item.get_closest_marker("seconds")
    limit = (marked.args[0] if marked else LIMIT) * (SLOWER if is_full else 1)
    allowance = IMPORTS * (SLOWER if is_full else 1) if len(sys.modules) - modules > MANY_MODULES else 0
    taken, waited = processor_seconds() - processor, time.monotonic() - wall
    if taken > limit + allowance or waited > GENEROUS * (SLOWER if is_full else 1) + 10 * allowance:
        pytest.fail(
            f"took {taken:.1f} s of processor time, {waited:.1f} s in all; a test of the quick tier may take "
            f"{limit:g} s: make it quicker or mark it slow",
            pytrace=False,
        )


def sources_of(part: str) -> str:
    """A hash of what could change the outcome of a long test: our code, the test and its helpers, the packages."""
    own = ROOT / part.split("::")[0]
    files = [
        *ROOT.glob("src/valence/**/*.py"),
        *ROOT.glob("src/valence/**/*.c"),
        *(path for path in ROOT.glob("tests/**/*.py") if not path.name.startswith("test_")),
        *ROOT.glob("constraints.txt"),
        own,
    ]
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    return digest.hexdigest()


class LongReport:
    """Notes each long test when it ends, and leaves out those that passed on the same sources."""

    def __init__(self, path: Path, again: bool) -> None:
        self.path, self.again = path, again
        self.parts: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}

    def is_done(self, part: str) -> bool:
        noted = self.parts.get(part, {})
        return not self.again and noted.get("outcome") == "passed" and noted.get("sources") == sources_of(part)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        done = [item for item in items if self.is_done(item.nodeid)]
        config.hook.pytest_deselected(items=done)
        items[:] = [item for item in items if item not in done]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call" and report.passed:
            return
        self.parts[report.nodeid] = {
            "outcome": report.outcome,
            "seconds": round(report.duration, 1),
            "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
            "processor": processor_name(),
            "sources": sources_of(report.nodeid),
        }
        partial = self.path.with_suffix(".partial")
        partial.write_text(json.dumps(self.parts, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        partial.replace(self.path)  # so that an interrupted run leaves what it found
