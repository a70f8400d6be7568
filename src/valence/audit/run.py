"""An audit: every probe that fits a model, run in turn, and the content of audit.json."""

import importlib.metadata
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import msgspec

from valence.audit.models import AuditedModel, open_model
from valence.audit.plan import Plan, plan_probes, read_own_templates
from valence.audit.probe import OnProgress
from valence.errors import EngineError, InputError, MissingExtraError
from valence.folder import ModelFolder
from valence.reports.environment import Environment
from valence.runtime.choice import EngineName, TorchPrecision
from valence.statistics.bootstrap import RESAMPLES

__all__ = ["OnProbe", "audit", "run_audit"]

OnProbe = Callable[[int, str, int, int], None]
"""Is told the number of the probe, from 0, its name, how many of its texts are scored, and of how many."""
_PARTS = 1000  # of a probe, in which progress is told
_PRECISIONS = ("fp32", "bf16")


def run_audit(
    folder: ModelFolder,
    *,
    engine: str | None = None,
    probes: Sequence[str] = (),
    data: Sequence[Path] = (),
    on_progress: OnProgress | None = None,
    masked_lm: ModelFolder | None = None,
    against: ModelFolder | None = None,
    templates: Path | None = None,
    words: Mapping[str, Path] | None = None,
    threads: int | None = None,
) -> dict[str, Any]:
    """Audit a model: a classifier of two classes, a raw model, or a classifier beside a raw model.

    Args:
        folder: the model.
        engine: what runs it, as a report names it ("native int8") or as an option does ("native"); where that one does
            not run here, whichever does. The fastest if None.
        probes: names of those that are wanted; every one that fits if empty.
        data: folders that may hold the published suites.
        on_progress: is told how far the audit is, and of how much; every probe counts alike.
        masked_lm: a raw model to be asked beside the classifier.
        against: another model, to be asked the same.
        templates: a file of a user's own templates.
        words: slot names to files of words for them.
        threads: how many to use at most.

    Returns:
        The content of audit.json: "model", "probes", "skipped", "against" where there is one, "date", "versions",
        "machine", "interval" and "seconds".

    Raises:
        InputError: if a model or the name of a probe is of no use, or the two models have no probe in common.
        DataError: if data is not as expected.
        ModelError: if a model cannot be loaded.
        MissingExtraError: if scipy is not installed.
    """
    if find_spec("scipy") is None:
        raise MissingExtraError("audit", "Auditing")
    own_templates = None if templates is None else read_own_templates(templates, words or {})
    first = _open_like(folder, engine, masked_lm, threads)
    plan = plan_probes(first.offers, probes, data, own_templates)
    second = None if against is None else _open_like(against, engine, None, threads)
    n_runs = len(plan.probes) + (0 if second is None else len(plan.fitting(second.offers).probes))

    def on_probe(number: int, name: str, done: int, total: int) -> None:
        if on_progress is not None:
            on_progress(number * _PARTS + done * _PARTS // max(1, total), n_runs * _PARTS)

    return audit(first, plan, second, on_probe)


def audit(
    model: AuditedModel, plan: Plan, against: AuditedModel | None = None, on_probe: OnProbe | None = None
) -> dict[str, Any]:
    """Run the probes of a plan.

    Args:
        model: what is audited.
        plan: for it.
        against: another model; it is asked what the plan asks and fits it, too.
        on_probe: is told how it goes; the probes of the second model are counted on.

    Returns:
        The content of audit.json; see `run_audit`.

    Raises:
        InputError: if no probe of the plan fits the second model.
    """
    shared = plan if against is None else plan.fitting(against.offers)
    if against is not None and plan.probes and not shared.probes:
        raise InputError(
            f"{model.name} and {against.name} cannot be put side by side: one is a classifier, the other a raw model"
        )
    start = time.perf_counter()
    probes, refused = _run(model, plan, 0, on_probe)
    content: dict[str, Any] = {
        "model": model.description,
        "date": datetime.now(UTC).date().isoformat(),
        "probes": probes,
        "skipped": plan.skipped | refused,
    }
    if against is not None:
        probes, refused = _run(against, shared, len(plan.probes), on_probe)
        content["against"] = {"model": against.description, "probes": probes}
        skipped = shared.skipped | refused
        content["skipped"] |= {f"{name}, {against.name}": reason for name, reason in skipped.items()}
    described = [model.description] + ([] if against is None else [against.description])
    environment = Environment.now()
    return content | {
        "interval": {"level": 0.95, "method": "percentile bootstrap", "resamples": RESAMPLES, "seed": 0},
        "versions": environment.versions | _versions(uses_torch=_uses_torch(described)),
        "machine": msgspec.to_builtins(environment.machine),
        "seconds": round(time.perf_counter() - start, 2),
    }


def _run(
    model: AuditedModel, plan: Plan, n_before: int, on_probe: OnProbe | None
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Run the probes; what a model's tokenizer cannot be asked is left out, with the reason."""
    results: list[dict[str, Any]] = []
    refused: dict[str, str] = {}
    for number, probe in enumerate(plan.probes, start=n_before):
        start = time.perf_counter()
        try:
            result = probe.run(model.subject, None if on_probe is None else partial(on_probe, number, probe.name))
        except InputError as problem:
            refused[probe.name] = str(problem)
        else:
            results.append(msgspec.to_builtins(result) | {"seconds": round(time.perf_counter() - start, 2)})
    return results, refused


def _open_like(
    folder: ModelFolder, engine: str | None, masked_lm: ModelFolder | None, threads: int | None
) -> AuditedModel:
    """Open a model with the engine that a report names, or with another where that one does not run here."""
    if engine is not None:
        name, _, precision = engine.partition(" ")
        of_torch = cast(TorchPrecision, precision) if name == "torch" and precision in _PRECISIONS else None
        with suppress(EngineError, MissingExtraError, InputError):
            return open_model(folder, masked_lm, engine=cast(EngineName, name), precision=of_torch, threads=threads)
    return open_model(folder, masked_lm, threads=threads)


def _uses_torch(descriptions: Sequence[Mapping[str, Any]]) -> bool:
    return any("masked_lm" in one or str(one["engine"]).startswith("torch") for one in descriptions)


def _versions(uses_torch: bool) -> dict[str, str]:
    """List the versions of what figures hang on beside the model and its engine."""
    packages = ("numpy", "scipy", *(["torch"] if uses_torch else []))
    return {"Python": platform.python_version()} | {name: importlib.metadata.version(name) for name in packages}
