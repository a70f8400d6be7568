"""An audit: every probe that fits a model, run in turn, and the report of it."""

import platform
import re
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

from msgspec import UNSET, structs

from valence.audit.models import LoadedModel, open_like
from valence.audit.plan import Plan, plan_probes
from valence.audit.probe import Probe
from valence.errors import InputError, MissingExtraError
from valence.folder import ModelFolder
from valence.progress import OnProgress, silent, step
from valence.reports.audit import Against, AuditedModel, AuditReport, ProbeReport
from valence.reports.environment import Environment
from valence.reports.estimate import Interval
from valence.statistics.bootstrap import RESAMPLES

__all__ = ["audit", "run_audit"]

_PARTS = 1000  # of a probe, in which progress is told


def run_audit(
    folder: ModelFolder,
    *,
    engine: str | None = None,
    probes: Sequence[str] = (),
    data: Sequence[Path] = (),
    on_progress: OnProgress = silent,
) -> AuditReport:
    """Audit a model: a classifier of two classes or a raw model.

    Args:
        folder: the model.
        engine: what runs it, as a report names it ("native int8") or as an option does ("native"); where that one does
            not run here, whichever does. The fastest if None.
        probes: names of those that are wanted; every one that fits if empty.
        data: folders that may hold the published suites.
        on_progress: is told how far the audit is, and of how much; every probe counts alike.

    Returns:
        The report. For two models, own templates or a raw model beside a classifier see `audit`.

    Raises:
        InputError: if the model or the name of a probe is of no use.
        DataError: if data is not as expected.
        ModelError: if the model cannot be loaded.
        MissingExtraError: if scipy is not installed.
    """
    if find_spec("scipy") is None:
        raise MissingExtraError("audit", "Auditing")
    model = open_like(folder, engine)
    plan = plan_probes(model.offers, probes, data)

    begun: dict[str, int] = {}  # probe -> its number

    def of_all(done: int, total: int, what: str = "") -> None:
        number = begun.setdefault(what, len(begun))
        on_progress(number * _PARTS + done * _PARTS // max(1, total), len(plan.probes) * _PARTS)

    return audit(model, plan, on_progress=of_all)


def audit(
    model: LoadedModel, plan: Plan, against: LoadedModel | None = None, on_progress: OnProgress = silent
) -> AuditReport:
    """Run the probes of a plan.

    Args:
        model: what is audited; see `valence.audit.models.open_model`.
        plan: for it; see `valence.audit.plan.plan_probes`.
        against: another model; it is asked what the plan asks and fits it, too.
        on_progress: is told how it goes, of each probe by its name, which is another for the other model.

    Returns:
        The report.

    Raises:
        InputError: if no probe of the plan fits the second model.
    """
    shared = plan if against is None else plan.fitting(against.offers)
    if against is not None and plan.probes and not shared.probes:
        raise InputError(
            f"{model.name} and {against.name} cannot be put side by side: one is a classifier, the other a raw model"
        )
    start = time.perf_counter()
    probes, refused = _run(model, plan, "", on_progress)
    skipped = plan.skipped | refused
    other: Against | None = None
    if against is not None:
        other_probes, refused = _run(against, shared, ", the other model", on_progress)
        other = Against(model=against.description, probes=other_probes)
        skipped |= {f"{name}, {against.name}": reason for name, reason in (shared.skipped | refused).items()}
    engines = [engine for one in (model, against) if one is not None for engine in _engines(one.description)]
    environment = Environment.now(engines, ("numpy", "scipy"))
    return AuditReport(
        model=model.description,
        date=datetime.now(UTC).date().isoformat(),
        probes=probes,
        skipped=skipped,
        against=other or UNSET,
        interval=Interval(method="percentile bootstrap", resamples=RESAMPLES),
        versions=environment.versions | {"Python": platform.python_version()},
        machine=environment.machine,
        seconds=round(time.perf_counter() - start, 2),
    )


def _run(
    model: LoadedModel, plan: Plan, which: str, on_progress: OnProgress
) -> tuple[tuple[ProbeReport, ...], dict[str, str]]:
    """Run the probes; what a model's tokenizer cannot be asked is left out, with the reason."""
    results: list[ProbeReport] = []
    refused: dict[str, str] = {}
    for probe in plan.probes:
        start = time.perf_counter()
        try:
            result = probe.run(model.subject, step(on_progress, probe.name + which))
        except InputError as problem:
            refused[probe.name] = str(problem)
        else:
            seconds = round(time.perf_counter() - start, 2)
            results.append(structs.replace(result, headline=_headline(probe, result), seconds=seconds))
    return tuple(results), refused


def _headline(probe: Probe, result: ProbeReport) -> tuple[str, ...]:
    return tuple(name for name in result.figures if re.fullmatch(probe.headline, name))


def _engines(model: AuditedModel) -> list[str]:
    raw = [] if model.masked_lm is UNSET else _engines(model.masked_lm)
    return [*([model.engine] if model.engine else []), *raw]
