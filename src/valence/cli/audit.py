"""valence audit."""

import hashlib
import json
import os
import re
import tempfile
import warnings
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import click
from msgspec import UNSET, structs, to_builtins

from valence.audit.models import open_model
from valence.audit.page.pictures import map_files
from valence.audit.page.render import audit_page
from valence.audit.plan import OWN_TEMPLATES, plan_probes, probe_names, read_own_templates
from valence.audit.run import audit
from valence.cli.output import echo_json, one_line, require_writable, show_and_keep
from valence.cli.progress import progress_bars
from valence.data.labels import parse_label_names
from valence.errors import InputError, MissingExtraError, ModelError, ValenceError
from valence.files import sha256, why_not_writable, write_text
from valence.folder import ModelFolder
from valence.hub import find_model
from valence.reports.audit import Against, AuditedModel, AuditReport
from valence.reports.codec import encode_report, read_report, write_report
from valence.reports.printing import interval, rounded
from valence.runtime.choice import EngineName
from valence.runtime.registry import engine_names

__all__ = ["command"]

_PACKAGES = ("sklearn", "scipy", "altair", "vl_convert")  # the extra `audit`
_JSON, _PAGE = "audit.json", "audit.html"
_MAP_FILE = re.compile(rf"((?:{'|'.join(probe_names())})-)?map(-\d+)?\.(png|svg)")
_SAME = (
    "weights_sha256",
    "engine_sha256",
    "engine",
    "labels",
    "positive_label",
    "masked_lm",
)  # of one model in two reports
_DIGITS = 8  # of a hash in a file's name
_DATA = (Path(), Path("data"))  # where the suites are looked for unless --data says where


def _words_by_slot(_: click.Context, option: click.Parameter, values: Sequence[str]) -> dict[str, Path]:
    """Read SLOT=FILE."""
    found: dict[str, Path] = {}
    for value in values:
        slot, equals, path = value.partition("=")
        if not slot or not equals or not path:
            raise click.BadParameter(f"expected SLOT=FILE, found {value!r:.80}", param=option)
        if slot in found:
            raise click.BadParameter(f"words for the slot {slot!r:.40} are given twice", param=option)
        found[slot] = Path(path)
    return found


@click.command(
    "audit",
    epilog="""\b
Examples:
  valence audit default --out ./audit
  valence audit ./my-model --data ./suites --against ./before --out ./audit
  valence audit ./my-model --probe countries --probe names --out ./audit --json
  valence audit ./my-model --templates mine.txt --words city=cities.csv --out ./audit
  valence audit ./raw-model --data ./suites --out ./audit
  valence audit default --masked-lm ./raw-model --data ./suites --out ./audit

Countries, names and templates are part of the package. StereoSet, CrowS-Pairs, WinoBias and
Winogender are read from a folder that holds them, each under its name or as its authors'
repository is cloned.
""",
)
@click.argument("model")
@click.option(
    "--out", metavar="DIR", type=click.Path(path_type=Path), required=True, help="The folder of the page and its files."
)
@click.option(
    "--probe",
    "names",
    metavar="NAME",
    type=click.Choice(probe_names()),
    multiple=True,
    help=f"Run this probe; may be repeated: {', '.join(probe_names())}.  [default: every one that fits]",
)
@click.option(
    "--masked-lm", metavar="MODEL", help="A raw model to be asked beside the classifier: a folder or a hub id."
)
@click.option("--against", metavar="MODEL", help="Another model to be asked the same, side by side.")
@click.option(
    "--data",
    metavar="DIR",
    type=click.Path(path_type=Path),
    multiple=True,
    help="A folder that holds published suites; may be repeated.  [default: the working directory and its folder data]",
)
@click.option(
    "--templates",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Sentences of your own with slots, one a line: 'I met {name} in {city}.'",
)
@click.option(
    "--words",
    metavar="SLOT=FILE",
    multiple=True,
    callback=_words_by_slot,
    help="The words for a slot of --templates, one a line; may be repeated.  [default: the built-in list of that name]",
)
@click.option("--revision", help="Branch, tag or commit of MODEL, for a hub id.")
@click.option("--labels", help="Class names instead of MODEL's own: A,B or a file of one name a line.")
@click.option(
    "--engine",
    type=click.Choice(engine_names()),
    default="auto",
    show_default=True,
    help="What runs a classifier; a raw model runs in PyTorch.",
)
@click.option("--threads", type=click.IntRange(1), help="How many to use at most.  [default: one for each processor]")
@click.option("--json", "as_json", is_flag=True, help="Print the content of audit.json.")
def command(
    model: str,
    out: Path,
    names: tuple[str, ...],
    masked_lm: str | None,
    against: str | None,
    data: tuple[Path, ...],
    templates: Path | None,
    words: dict[str, Path],
    revision: str | None,
    labels: str | None,
    engine: EngineName,
    threads: int | None,
    as_json: bool,
) -> None:
    """Probe MODEL for bias: what it does to countries, names and groups of people.

    MODEL is a classifier of two classes or a raw model: 'default', a folder or a hub id. DIR gets
    audit.html, a page that needs nothing else, audit.json with every figure, and the maps as PNG and SVG.
    audit.json goes to MODEL/reports, too; the embedded default is never written to.
    """
    if any(find_spec(package) is None for package in _PACKAGES):
        raise MissingExtraError("audit", "Auditing")
    if templates is None and (words or OWN_TEMPLATES in names):
        what = "--words" if words else f"--probe {OWN_TEMPLATES}"
        raise click.UsageError(f"{what} goes with --templates")
    for name in (_JSON, _PAGE):
        require_writable(out / name)
    own_templates = None if templates is None else read_own_templates(templates, words)
    folder = find_model(model, revision, engine)
    audited = open_model(
        folder,
        None if masked_lm is None else find_model(masked_lm),
        engine=engine,
        labels=None if labels is None else parse_label_names(labels),
        threads=threads,
    )
    plan = plan_probes(audited.offers, names, data or [one for one in _DATA if one.is_dir()], own_templates)
    for name in names:
        if name in plan.skipped:
            raise InputError(f"the probe {name} cannot run: {plan.skipped[name]}")
    if not plan.probes:
        raise InputError(f"{audited.name}: no probe can run: {'; '.join(dict.fromkeys(plan.skipped.values()))}")
    other = None if against is None else open_model(find_model(against, engine=engine), engine=engine, threads=threads)
    target, why_no_report = _report_file(model, folder)
    why_not = None if target is None else why_not_writable(target)
    if why_not is not None:
        said = f"{target}: cannot be written: {why_not}; what is found will be in {out / _JSON} alone"
        warnings.warn(one_line(said), stacklevel=1)
    with progress_bars("auditing") as on_progress:
        report = audit(audited, plan, other, on_progress)
    written: list[Path] = []
    unkept = None
    try:
        show_and_keep(
            lambda: echo_json(encode_report(report)) if as_json else _show(report),
            out,
            lambda folder: written.extend(_write(folder, report)),
        )
    finally:
        if target is not None and not _is_same(target, out / _JSON):
            unkept = _write_report(target, report)
    if not as_json:
        _list(written)
        why = why_no_report or unkept
        click.echo(one_line(f"report: {target}" if why is None else f"no report in the model's folder: {why}"))
    if unkept is not None:
        raise ValenceError(f"{unkept}; {out / _JSON} has what was found")


def _list(written: Sequence[Path]) -> None:
    for path in written:
        what = "page" if path.suffix == ".html" else "figures" if path.name == _JSON else "map"
        click.echo(one_line(f"{what}: {path}"))


def _write(out: Path, report: AuditReport) -> list[Path]:
    """Write the figures first, for they took the time."""
    is_of_an_audit = (out / _PAGE).is_file()  # elsewhere maps may be somebody's own, such as those of a card
    write_report(out / _JSON, report)
    write_text(out / _PAGE, audit_page(report))
    maps = _draw_maps(report)
    for earlier in out.iterdir() if is_of_an_audit else ():
        if _MAP_FILE.fullmatch(earlier.name) and earlier.name not in maps:
            earlier.unlink()
    with tempfile.TemporaryDirectory(dir=out, prefix=".audit-") as unfinished:
        for name, picture in maps.items():
            Path(unfinished, name).write_bytes(picture)
            os.replace(Path(unfinished, name), out / name)
    return [out / _PAGE, *(out / name for name in maps), out / _JSON]


def _draw_maps(report: AuditReport) -> dict[str, bytes]:
    """Draw the maps of every probe that has some; beside those of the other model where there is one."""
    against = _against(report)
    others = {} if against is None else {probe.name: probe.details for probe in against.probes}
    names = ("", "") if against is None else (f"A: {report.model.name}", f"B: {against.model.name}")
    drawn: dict[str, bytes] = {}
    for probe in report.probes:
        start = f"{probe.name}-" if drawn else ""
        for name, picture in map_files(probe.details, others.get(probe.name), names).items():
            drawn[start + name] = picture
    return drawn


def _against(report: AuditReport) -> Against | None:
    return None if report.against is UNSET else report.against


def _report_file(model: str, folder: ModelFolder) -> tuple[Path, None] | tuple[None, str]:
    """Find where the model's own part of the audit goes; where there is no such place, say why."""
    if folder.embedded:
        return None, "the model is part of the package, which is never written to"
    if not Path(model).expanduser().is_dir():
        return None, "the model lies in the hub's cache, which is never written to"
    return folder.reports / _JSON, None


def _is_same(one: Path, other: Path) -> bool:
    return one.exists() and other.exists() and one.samefile(other)


def _write_report(target: Path, report: AuditReport) -> str | None:
    """Write the model's own part of the audit into its folder; where that cannot be done, say why."""
    try:
        _replace_report(target, report)
    except OSError as problem:
        return f"{target} cannot be written: {problem.strerror or problem}"
    return None


def _replace_report(target: Path, report: AuditReport) -> None:
    """Keep what another engine said of the model, under another name."""
    own = structs.replace(report, against=UNSET)
    own_aside = _aside(target, own.model)
    try:
        earlier = _read_audit(target)
    except ModelError:
        aside = target.with_name(f"{target.stem}-{sha256(target)[:_DIGITS]}.json")
        _set_aside(target, aside, "it is damaged, or no report of an audit")
        earlier = None
    if earlier is not None and _known_by(own.model) != _known_by(earlier.model):
        if earlier.model.weights_sha256 == own.model.weights_sha256:
            _set_aside(target, _aside(target, earlier.model), f"it is of {_described(earlier.model)}")
        earlier = None
    if earlier is None:
        with suppress(ModelError):
            earlier = _read_audit(own_aside)
    write_report(target, _with_earlier(earlier, own))
    own_aside.unlink(missing_ok=True)  # its probes are in the report now, or were run again


def _known_by(model: AuditedModel) -> list[object]:
    """What tells a model and what runs it from others, the same in a report of any version."""
    content = to_builtins(model)
    return [content.get(key) for key in _SAME]


def _aside(target: Path, model: AuditedModel) -> Path:
    """Name the file for a report of another engine: always the same for the same one."""
    known_by = json.dumps(_known_by(model), sort_keys=True)
    return target.with_name(f"{target.stem}-{hashlib.sha256(known_by.encode()).hexdigest()[:_DIGITS]}.json")


def _set_aside(target: Path, aside: Path, why: str) -> None:
    os.replace(target, aside)
    click.echo(one_line(f"valence: {target} was there already ({why}): kept as {aside.name}"), err=True)


def _read_audit(path: Path) -> AuditReport | None:
    """Read a report of an audit, if there is one; what is no file is damage, too."""
    if os.path.lexists(path) and not path.is_file():
        raise ModelError(f"{path}: no report of an audit")
    return read_report(path, AuditReport)


def _with_earlier(earlier: AuditReport | None, report: AuditReport) -> AuditReport:
    """Keep the probes of an earlier report that were run on the same model with the same engine and not run again."""
    if earlier is None or _known_by(report.model) != _known_by(earlier.model):
        return report
    found = {probe.name: (probe, _unknown(earlier, number)) for number, probe in enumerate(earlier.probes)}
    found |= {probe.name: (probe, None) for probe in report.probes}
    order = {name: place for place, name in enumerate(probe_names())}
    kept = [found[name] for name in sorted(found, key=lambda name: order.get(name, len(order)))]
    unknown = {str(number): rest for number, (_, rest) in enumerate(kept) if rest is not None}
    return structs.replace(
        report,
        probes=tuple(probe for probe, _ in kept),
        skipped={name: why for name, why in report.skipped.items() if name not in found},
        extra={"probes": unknown} if unknown else {},
    )


def _unknown(report: AuditReport, number: int) -> object:
    """What a report holds of a probe besides what this version knows of."""
    of_probes = report.extra.get("probes")
    return of_probes.get(str(number)) if isinstance(of_probes, dict) else None


def _show(report: AuditReport) -> None:
    against = _against(report)
    sides: list[AuditReport | Against] = [report] if against is None else [report, against]
    for letter, side in zip("AB", sides, strict=False):
        click.echo(one_line((f"{letter}: " if against else "") + _described(side.model)))
    others = {} if against is None else {probe.name: probe for probe in against.probes}
    rows: list[tuple[str, ...]] = [("", "A", "B")] if against else []
    for probe in report.probes:
        other = others.get(probe.name)
        rows += [("",), (probe.name,)]
        for name, figure in probe.main_figures.items():
            figures = [figure, None if other is None else other.figures.get(name)][: len(sides)]
            rows.append((f"  {name.replace('_', ' ')}", *(interval(one, rounded) for one in figures)))
    widths = [max((len(row[column]) for row in rows if column < len(row)), default=0) for column in range(3)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        click.echo(one_line("  ".join(cells).rstrip()))
    click.echo()
    for side in sides:
        for probe in side.probes:
            if probe.details.get("passed") is False:
                click.echo(one_line(f"{side.model.name}: {probe.title}: missed; {probe.asks}"))
    reasons: dict[str, list[str]] = {}
    for name, reason in report.skipped.items():
        reasons.setdefault(reason, []).append(name)
    for reason, skipped in reasons.items():
        click.echo(one_line(f"not run: {', '.join(skipped)}: {reason}"))


def _described(model: AuditedModel) -> str:
    said = f"{model.name}, {model.engine or 'an engine that is not known'}"
    if model.positive_label is not UNSET:
        said += f": the probability of {model.positive_label}"
    if model.masked_lm is not UNSET:
        said += f"; masked LM {model.masked_lm.name}"
    return said
