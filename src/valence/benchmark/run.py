"""One run: everybody is prepared, takes turns on every workload, and is compared."""

import time
from dataclasses import dataclass
from pathlib import Path

from valence.benchmark.contenders import choose_contenders
from valence.benchmark.entrants import Entrant, choose_model, enter
from valence.benchmark.floor import FLOOR_SHAPE
from valence.benchmark.machine import describe_machine, versions
from valence.benchmark.pool import ContenderError, ask_once
from valence.benchmark.report import build_report
from valence.benchmark.results import Floor, Report
from valence.benchmark.turns import Row, Single, cold_starts, label_all, label_single
from valence.benchmark.workloads import LENGTHS, calibration_texts, read_workloads, texts_of_length, write_texts
from valence.errors import InputError
from valence.hub import DEFAULT
from valence.progress import Say
from valence.text.tokenizer import Tokenizer

__all__ = ["Settings", "run_benchmark"]

_SHARES = {"cold": 0.10, "short": 0.45, "single": 0.35, "long": 0.95}  # of the time that is left when it begins
_QUICK_LENGTHS = (8, 64)
_CHARACTERS_PER_TOKEN = 4  # of English, about


@dataclass(frozen=True)
class Settings:
    """What to run.

    Args:
        models: "random", "default", and folders with a checkpoint.
        data: the folder that holds sst2/ and imdb/.
        work: where prepared files are kept; those that are there are used again.
        only: contenders; all if empty.
        checkpoint: the weights of the default model, for everybody but its embedded engine.
        repeats: the most passes of one row.
        minutes: about how long the whole run may take.
        quick: a few texts and calls.
    """

    models: tuple[str, ...]
    data: Path
    work: Path
    only: tuple[str, ...] = ()
    checkpoint: Path | None = None
    repeats: int = 5
    minutes: float = 25.0
    quick: bool = False


def run_benchmark(settings: Settings, say: Say) -> Report:
    """Run.

    Args:
        settings: what.
        say: told of every step.

    Returns:
        The report, as JSON values.

    Raises:
        InputError: if there is no such contender, or a model that cannot take part.
        DataError: if a file of texts is not there.
    """
    start = time.monotonic()
    deadline = start + 60 * settings.minutes

    def share(name: str) -> float:
        return _SHARES[name] * max(0.0, deadline - time.monotonic())

    chosen, missing = choose_contenders(settings.only)
    workloads = read_workloads(settings.data, settings.quick)
    calibration = calibration_texts(settings.data)
    models = [choose_model(name, settings.work, settings.checkpoint) for name in settings.models]
    keys = [model.key for model in models]
    if twice := sorted({key for key in keys if keys.count(key) > 1}):
        raise InputError(f"two models are called {', '.join(twice)}: rename a folder, or measure one after the other")
    settings.work.mkdir(parents=True, exist_ok=True)
    samples = write_texts(calibration, settings.work / "calibration.json")
    entrants: list[Entrant] = []
    for model in models:
        without_slow = model.key == DEFAULT and len(models) > 1 and not settings.only
        able = [contender for contender in chosen if not (contender.slow and without_slow)]
        entrants += enter(model, able, missing, samples, say)
    rows: dict[str, list[Row]] = {}
    singles: list[Single] = []
    try:
        cold_starts(_able(entrants), share("cold"), 1 if settings.quick else settings.repeats, say)
        for entrant in _able(entrants):
            _start(entrant, settings.quick, say)
        for workload in workloads:
            if workload.name == "long":
                _start_anew(entrants, settings.quick, say)
                words = [text for other in workloads for text in other.texts]
                singles = label_single(
                    _singles(_able(entrants), words, settings.quick), share("single"), settings.quick, say
                )
                _start_anew(entrants, settings.quick, say)
            texts = write_texts(workload.texts, settings.work / f"{workload.name}.json")
            planned = [
                Row(entrant, mode)
                for entrant in _able(entrants)
                for mode in (entrant.contender.modes if workload.name == "short" else entrant.contender.long_modes)
            ]
            size = len(workload.texts), sum(map(len, workload.texts)) // _CHARACTERS_PER_TOKEN
            rows[workload.name] = label_all(planned, texts, size, share(workload.name), settings.repeats, say)
        for entrant in _able(entrants):
            entrant.finish()
    finally:
        for entrant in entrants:
            entrant.close()
    return {
        "format": 1,
        "machine": describe_machine(),
        "versions": versions(),
        "minutes": (time.monotonic() - start) / 60,
        "quick": settings.quick,
        **build_report(models, entrants, workloads, rows, singles, _floor()),
    }


def _able(entrants: list[Entrant]) -> list[Entrant]:
    return [entrant for entrant in entrants if entrant.able]


def _start(entrant: Entrant, quick: bool, say: Say) -> None:
    say(f"{entrant.name}: loading")
    try:
        entrant.start(rest=not quick)
    except ContenderError as problem:
        entrant.drop(problem)
        say(f"{entrant.name} is out: {problem}")


def _start_anew(entrants: list[Entrant], quick: bool, say: Say) -> None:
    """Give back the memory of those that keep something for every shape they have met."""
    for entrant in _able(entrants):
        if entrant.contender.compiles_shapes:
            entrant.finish()
            _start(entrant, quick, say)


def _singles(entrants: list[Entrant], words: list[str], quick: bool) -> list[Single]:
    """Give every entrant texts of every length that its model reads; the same to all entrants of a model."""
    by_model: dict[str, dict[int, list[str]]] = {}
    for model in {entrant.model.key: entrant.model for entrant in entrants}.values():
        tokenizer = Tokenizer.from_folder(model.tokenizer_folder)
        lengths = [n for n in (_QUICK_LENGTHS if quick else LENGTHS) if n <= tokenizer.max_length]
        by_model[model.key] = {n: texts_of_length(tokenizer, words, n) for n in lengths}
    lengths = sorted({n for texts in by_model.values() for n in texts})
    return [
        Single(entrant, n, by_model[entrant.model.key][n])
        for n in lengths
        for entrant in entrants
        if n in by_model[entrant.model.key] and entrant.contender.alone
    ]


def _floor() -> Floor:
    try:
        found = ask_once("floor", rows=FLOOR_SHAPE[0], inner=FLOOR_SHAPE[1], outer=FLOOR_SHAPE[2])
    except ContenderError as problem:
        return {"shape": list(FLOOR_SHAPE), "skipped": str(problem)}
    return {"shape": list(FLOOR_SHAPE), "gops": found["gops"], "best_gops": found["best_gops"]}
