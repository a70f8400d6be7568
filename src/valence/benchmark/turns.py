"""Turns: every entrant does the same once, then again, until the time is spent.

Whatever slows the machine for a moment then meets all of them.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from valence.benchmark.contenders import BASELINE, BUDGETS
from valence.benchmark.entrants import Entrant
from valence.benchmark.process import run_to_end
from valence.errors import EngineError
from valence.progress import Say

__all__ = ["Row", "Single", "cold_starts", "label_all", "label_single"]

_SAMPLE_TOKENS = 6000  # about as many, of texts spread over all, choose the token budget of sorted batches
_WARM_UP_TEXTS = 24
_LEAST_BASELINE = 3  # passes of what all others are divided by
_CALLS = 100  # with a single text
_LEAST_CALLS = 20  # with a long one
_CHUNKS = 5  # turns in which the calls are made
_FEW_TOKENS = 32  # texts up to this length get all the calls, however slow
_CLEARLY_SLOWER = 1.1

_Thing = TypeVar("_Thing")


@dataclass
class Row:
    """An entrant with a way of handing texts over.

    Args:
        entrant: who.
        mode: one of `valence.benchmark.contenders.MODES`.
    """

    entrant: Entrant
    mode: str
    budget: int = 0
    """Tokens in a sorted batch."""
    first_seconds: float | None = None
    """The pass before the clock, where a contender compiles something for every new shape."""
    seconds: list[float] = field(default_factory=list)
    """Of each pass."""
    answers: list[tuple[str, float]] = field(default_factory=list)
    """A label and a score for each text."""

    @property
    def is_baseline(self) -> bool:
        """Whether it is what others are compared with: the pipeline as its documentation uses it."""
        return self.entrant.contender.key == BASELINE and self.mode == "list"


@dataclass
class Single:
    """An entrant with texts of one length, one text a call.

    Args:
        entrant: who.
        n_tokens: the length.
        texts: different texts of that length.
    """

    entrant: Entrant
    n_tokens: int
    texts: list[str]
    seconds: list[float] = field(default_factory=list)
    """Of each call."""


def cold_starts(entrants: Sequence[Entrant], seconds: float, repeats: int, say: Say) -> None:
    """Measure whole processes from their start to the first label; a first round that fills the file cache is left out.

    Args:
        entrants: who; each gets the fact "cold".
        seconds: about how long it may take.
        repeats: the most processes of each.
        say: told what was found.
    """
    until = time.monotonic() + seconds
    found: dict[str, list[tuple[float, float]]] = {}

    def start(entrant: Entrant) -> str:
        figures = run_to_end(entrant.cold_command())
        found.setdefault(entrant.name, []).append(figures)
        return f"{figures[0]:.2f} s, {figures[1]:.0f} MiB"

    for number in range(repeats + 1):
        if number < 2 or time.monotonic() < until:
            _take_turns(entrants, _themselves, start, f"cold start {number}", say)
    for entrant in entrants:
        if entrant.able:
            entrant.cold = found[entrant.name][1:]


def label_all(
    rows: Sequence[Row], texts: str, size: tuple[int, int], seconds: float, repeats: int, say: Say
) -> list[Row]:
    """Measure passes over many texts.

    Args:
        rows: who, and how.
        texts: the file of the texts.
        size: how many texts these are, and about how many tokens they have.
        seconds: about how long it may take.
        repeats: the most passes of each row.
        say: told what was found.

    Returns:
        The rows that could be measured.
    """
    until = time.monotonic() + seconds

    def run(row: Row) -> str:
        first = not row.answers
        found = row.entrant.ask("run", texts=texts, mode=row.mode, budget=row.budget, answers=first)
        row.seconds.append(found["seconds"])
        row.answers = found.get("answers", row.answers)
        return f"{found['seconds']:.2f} s"

    _take_turns(rows, _entrant_of, lambda row: _warm(row, texts, size), "warm-up", say)
    _take_turns(rows, _entrant_of, run, "pass 1", say)
    rows = [row for row in rows if row.entrant.able]
    for number, some in enumerate(_plan_rounds(rows, until - time.monotonic(), repeats), start=2):
        _take_turns(some, _entrant_of, run, f"pass {number}", say)
    return [row for row in rows if row.entrant.able]


def _warm(row: Row, texts: str, size: tuple[int, int]) -> str:
    """Choose the token budget of sorted batches; let a contender that compiles shapes meet them all."""
    contender = row.entrant.contender
    n_texts, n_tokens = size
    sampled = max(1, n_tokens // _SAMPLE_TOKENS)

    def run(budget: int, every: int) -> float:
        seconds: float = row.entrant.ask("run", texts=texts, mode=row.mode, budget=budget, every=every)["seconds"]
        return seconds

    if row.mode.startswith("sorted"):
        fastest = float("inf")
        for budget in BUDGETS:
            if contender.compiles_shapes:
                run(budget, sampled)
            seconds = run(budget, sampled)
            if seconds < fastest:
                fastest, row.budget = seconds, budget
            elif seconds > _CLEARLY_SLOWER * fastest:
                break
    if contender.compiles_shapes:
        row.first_seconds = run(row.budget, 1)
        return f"{row.first_seconds:.2f} s"
    run(row.budget, max(1, n_texts // _WARM_UP_TEXTS))
    return ""


def _plan_rounds(rows: Sequence[Row], seconds: float, repeats: int) -> Iterator[list[Row]]:
    """Divide the time that is left: the baseline first, then another pass of each row, the quick ones first."""
    passes = {id(row): 1 for row in rows}
    left = seconds
    for row in rows:
        if row.is_baseline:
            passes[id(row)] = max(1, min(repeats, _LEAST_BASELINE))
            left -= (passes[id(row)] - 1) * row.seconds[0]
    for number in range(2, repeats + 1):
        for row in sorted(rows, key=lambda row: row.seconds[0]):
            if passes[id(row)] == number - 1 and row.seconds[0] <= left:
                passes[id(row)] = number
                left -= row.seconds[0]
    for number in range(2, repeats + 1):
        if some := [row for row in rows if passes[id(row)] >= number]:
            yield some


def label_single(singles: Sequence[Single], seconds: float, quick: bool, say: Say) -> list[Single]:
    """Measure calls with one text each.

    Args:
        singles: who, and with what.
        seconds: about how long it may take.
        quick: few calls.
        say: told what was found.

    Returns:
        Those that could be measured.
    """
    planned: dict[int, int] = {}
    share = seconds / max(len(singles), 1)

    def start(single: Single) -> str:
        if single.entrant.contender.compiles_shapes:
            single.entrant.ask("single", texts=single.texts, calls=1)
        one = min(single.entrant.ask("single", texts=single.texts, calls=3)["each_seconds"])
        calls = _CALLS if single.n_tokens <= _FEW_TOKENS else max(_LEAST_CALLS, min(_CALLS, int(share / one)))
        planned[id(single)] = _LEAST_CALLS if quick else calls
        return ""

    def call(single: Single) -> str:
        calls = -(-planned[id(single)] // _CHUNKS)
        found = single.entrant.ask("single", texts=single.texts, calls=calls)["each_seconds"]
        single.seconds += found
        return f"{single.n_tokens} tokens {1e3 * sorted(found)[len(found) // 2]:.1f} ms"

    _take_turns(singles, _entrant_of, start, "single texts", say)
    for number in range(1, _CHUNKS + 1):
        _take_turns(singles, _entrant_of, call, f"single texts {number}", say)
    return [single for single in singles if single.entrant.able]


def _themselves(entrant: Entrant) -> Entrant:
    return entrant


def _entrant_of(thing: Row | Single) -> Entrant:
    return thing.entrant


def _take_turns(
    things: Sequence[_Thing],
    entrant_of: Callable[[_Thing], Entrant],
    act: Callable[[_Thing], str],
    what: str,
    say: Say,
) -> None:
    """Let each act once; one that fails takes part no longer and the others go on."""
    for thing in things:
        entrant = entrant_of(thing)
        if not entrant.able:
            continue
        mode = f", {thing.mode}" if isinstance(thing, Row) else ""
        try:
            say(f"{what}: {entrant.name}{mode} {act(thing)}".rstrip())
        except EngineError as problem:
            entrant.drop(problem)
            say(f"{what}: {entrant.name} is out: {problem}")
