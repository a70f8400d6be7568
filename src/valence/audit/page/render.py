"""The audit as one HTML page that needs nothing else: no network, no other file.

What it says comes from models and users and is escaped by the template; a content security policy lets nothing run but
the page's own two scripts, and nothing be fetched.
"""

import json
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

import jinja2
from msgspec import UNSET

from valence.audit.page.charts import MAP_RATIO, figure_bars, javascript, renderer_versions
from valence.audit.page.pictures import Picture, pictures
from valence.audit.world.shapes import read_world
from valence.reports.audit import AuditReport, ProbeReport, Table
from valence.reports.codec import encode_report
from valence.reports.estimate import Estimate
from valence.reports.printing import NOTHING, bounds, interval, rounded
from valence.reports.report import JsonObject

__all__ = ["audit_page", "shown"]

_HERE = Path(__file__).parent
_OPEN_ROWS = 12  # a table of more rows is closed until asked for
_MOST_ROWS = 2000
_MOST_BARS = 12
_OPEN_TITLE = "Most extreme"

Pair = tuple[ProbeReport | None, ProbeReport | None]
"""What a probe found in the first and in the second model; at least in one."""


@dataclass(frozen=True)
class _Grid:
    """A table; `headed` where a heading shows its title."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    numeric: frozenset[int] = frozenset()
    headed: bool = False
    links: Sequence[str] = ()
    """Where the first cell of each row leads."""


@dataclass(frozen=True)
class _Details:
    """A table of a probe; without a summary it is always open."""

    grid: _Grid
    summary: str | None = None
    is_open: bool = False


@dataclass(frozen=True)
class _Chart:
    """A place that page.js draws a chart in, from data at the end of the page."""

    id: str
    ratio: float | None = None
    heading: str | None = None


@dataclass(frozen=True)
class _Figure:
    """One chart, or two of the same side by side."""

    title: str
    charts: Sequence[_Chart]
    note: str


@dataclass(frozen=True)
class _Section:
    """What the page says of a probe."""

    probe: ProbeReport
    heading: str
    figures: _Grid
    charts: Sequence[_Figure]
    tables: Sequence[_Details]
    n_texts: str


def audit_page(audit: AuditReport) -> str:
    """Write the page of an audit.

    Args:
        audit: its report, as it was made or as it was read.

    Returns:
        HTML.

    Raises:
        ModelError: if the details of a probe are not those of a picture.
    """
    against = None if audit.against is UNSET else audit.against
    names = (audit.model.name, None if against is None else against.model.name)
    others = {} if against is None else {probe.name: probe for probe in against.probes}
    pairs: list[Pair] = [(probe, others.pop(probe.name, None)) for probe in audit.probes]
    pairs += [(None, probe) for probe in others.values()]
    sections = _Sections(names)
    scripts = [_inline(javascript()), _inline((_HERE / "page.js").read_text(encoding="utf-8"))]
    style = (_HERE / "page.css").read_text(encoding="utf-8")
    page = _template().render(
        title=f"Audit of {names[0]}" + (f" and {names[1]}" if names[1] else ""),
        date=audit.date or "on a day that is not known",
        models=_models(audit),
        sections=[sections.section(pair) for pair in pairs],
        glance=_at_a_glance(pairs, names),
        skipped=_Grid("Probes that did not run", ["probe", "why"], list(audit.skipped.items())),
        versions=audit.versions,
        renderers=renderer_versions(),
        data=sections.data,
        scripts=scripts,
        style=style,
        policy=f"default-src 'none'; script-src {' '.join(map(_hash, scripts))}; style-src {_hash(style)}; "
        "img-src data:; base-uri 'none'; form-action 'none'",
    )
    return page.encode("utf-8", "replace").decode("utf-8")  # also halves of surrogate pairs, which no file can hold


def shown(value: object) -> str:
    """Print what stands in a cell of the page.

    Args:
        value: a number, a text, nothing, or several of them.

    Returns:
        As `rounded`, with commas between several.
    """
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {shown(part)}" for name, part in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(shown, value))
    return rounded(value)


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["words"] = _words
    return environment.from_string((_HERE / "audit.html.j2").read_text(encoding="utf-8"))


class _Sections:
    """Lays out a section per probe and collects the data of their charts.

    Args:
        names: of the models; the second is None where there is one alone.
    """

    def __init__(self, names: tuple[str, str | None]) -> None:
        self._names = names
        self.data: dict[str, str] = {}
        """By the id that the page finds it by, as JSON."""

    def section(self, pair: Pair) -> _Section:
        """Lay out a section.

        Args:
            pair: what the probe found.

        Returns:
            The section.
        """
        probe, results = _either(pair), [result for result in pair if result is not None]
        first, second = pair
        charts = [bars] if (bars := self._bars(pair)) is not None else []
        drawn = pictures(first.details if first else {}, second.details if second else None)
        counts = dict.fromkeys("unknown" if one.n_texts is None else f"{one.n_texts:,}" for one in results)
        return _Section(
            probe,
            _heading(probe),
            _figure_grid(pair, self._names),
            [*charts, *map(self._pictures, drawn)],
            [table for result in results for table in _tables(result, self._letter(result is second))],
            " and ".join(counts),
        )

    def _letter(self, second: bool) -> str:
        return "" if self._names[1] is None else "B" if second else "A"

    def _bars(self, pair: Pair) -> _Figure | None:
        first, second = pair
        if first is None or second is None or self._names[1] is None:
            return None
        named = dict.fromkeys([*first.figures, *second.figures])
        drawn = [name for name in named if "p_value" not in name][:_MOST_BARS]
        both = {_words(name): (first.figures.get(name), second.figures.get(name)) for name in drawn}
        note = f"A: {self._names[0]}. B: {self._names[1]}. The two bars of a figure share a scale, figures do not."
        chart = self._chart("Both models", figure_bars(both, (self._names[0], self._names[1])))
        return _Figure("Both models", [chart], note)

    def _pictures(self, pair: tuple[Picture | None, Picture | None]) -> _Figure:
        either = next(picture for picture in pair if picture is not None)
        if self._names[1] is None:
            return _Figure(either.title, [self._picture(either, either.title)], either.note)
        charts = [
            self._picture(picture, f"{either.title}, {letter}: {name}", f"{letter}: {name}")
            for letter, name, picture in zip("AB", self._names, pair, strict=True)
            if picture is not None
        ]
        return _Figure(either.title, charts, either.note)

    def _picture(self, picture: Picture, description: str, heading: str | None = None) -> _Chart:
        is_map = picture.kind == "map"
        if is_map and "shapes" not in self.data:
            self.data["shapes"] = _json(read_world())
        return self._chart(description, picture.specification, MAP_RATIO if is_map else None, heading)

    def _chart(
        self, description: str, specification: JsonObject, ratio: float | None = None, heading: str | None = None
    ) -> _Chart:
        name = f"chart-{len(self.data) + 1}"
        self.data[name] = _json({**specification, "description": description})
        return _Chart(name, ratio, heading)


def _models(audit: AuditReport) -> list[JsonObject]:
    """What the report says of each model, also what this version does not know of."""
    content = encode_report(audit)
    against = content.get("against")
    both = [content["model"], *([against["model"]] if isinstance(against, dict) else [])]
    return [{str(name): shown(value) for name, value in one.items()} for one in both if isinstance(one, dict)]


def _at_a_glance(pairs: Sequence[Pair], names: tuple[str, str | None]) -> _Grid:
    """The main figures of each probe."""
    columns = ["probe", "figure", "A" if names[1] else "value"] + (["B"] if names[1] else [])
    rows, links = [], []
    for pair in pairs:
        probe = _either(pair)
        for name in probe.main_figures:
            found = [None if one is None else one.figures.get(name) for one in pair[: len(columns) - 2]]
            rows.append([probe.title, _words(name), *(interval(figure, rounded) for figure in found)])
            links.append(_heading(probe))
    title = "The main figures of each probe, with their 95 % intervals"
    return _Grid(title, columns, rows, frozenset({2, 3}), links=links)


def _figure_grid(pair: Pair, names: tuple[str, str | None]) -> _Grid:
    if names[1] is None:
        columns = ["figure", "value", "95 % interval"]
        rows = [[_words(name), *_cells(figure)] for name, figure in _either(pair).figures.items()]
        return _Grid("Figures", columns, rows, frozenset({1, 2}))
    columns = ["figure", "A", "A, 95 % interval", "B", "B, 95 % interval", "B − A"]
    rows = []
    for name in dict.fromkeys(name for one in pair if one is not None for name in one.figures):
        found = [None if one is None else one.figures.get(name) for one in pair]
        values = [figure.value for figure in found if figure is not None]
        change = rounded(values[1] - values[0]) if len(values) == 2 else NOTHING
        rows.append([_words(name), *(cell for figure in found for cell in _cells(figure)), change])
    return _Grid("Figures", columns, rows, frozenset({1, 2, 3, 4, 5}))


def _cells(figure: Estimate | None) -> tuple[str, str]:
    return (NOTHING, NOTHING) if figure is None else (rounded(figure.value), bounds(figure, rounded))


def _tables(result: ProbeReport, letter: str) -> list[_Details]:
    tables = sorted(result.tables, key=lambda table: table.title != _OPEN_TITLE)
    return [_table(table, letter) for table in tables]


def _table(table: Table, letter: str) -> _Details:
    title = f"{table.title}, {letter}" if letter else table.title
    rows = table.rows[:_MOST_ROWS]
    numeric = frozenset(
        index
        for index in range(len(table.columns))
        if rows and all(row[index] is None or isinstance(row[index], int | float) for row in rows)
    )
    grid = _Grid(title, table.columns, [[shown(value) for value in row] for row in rows], numeric, headed=True)
    if table.title == _OPEN_TITLE:
        return _Details(grid)
    rest = "" if len(rows) == len(table.rows) else f", of which {len(rows):,} here and all in audit.json"
    return _Details(grid, f"{title} ({len(table.rows):,}{rest})", len(rows) <= _OPEN_ROWS)


def _either(pair: Pair) -> ProbeReport:
    return next(result for result in pair if result is not None)


def _heading(probe: ProbeReport) -> str:
    return "probe-" + "".join(character if character.isalnum() else "-" for character in probe.name)


def _words(name: object) -> str:
    return str(name).replace("_", " ")


def _inline(code: str) -> str:
    """A script of our own or of a library, never a user's text, so that nothing in it ends its element early."""
    return re.sub("</(?=script)", r"<\\/", code, flags=re.IGNORECASE).replace("<!--", r"<\!--")


def _json(content: object) -> str:
    """Data for scripts to read, so that nothing in it ends its element early."""
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _hash(inline: str) -> str:
    """What the policy calls an inline script or style by."""
    return f"'sha256-{b64encode(sha256(inline.encode('utf-8')).digest()).decode('ascii')}'"
