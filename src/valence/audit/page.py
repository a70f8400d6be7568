"""The audit as one HTML page that needs nothing else: no network, no other file.

What it says comes from models and users and is escaped; a content security policy lets nothing run but the page's own
two scripts, and nothing be fetched.
"""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from valence.audit.charts import MAP_RATIO, figure_bars, javascript, renderer_versions
from valence.audit.markup import Markup, element, json_script, script, style
from valence.audit.pictures import Picture, pictures
from valence.audit.wording import main_figures, shown
from valence.audit.world.shapes import read_world
from valence.reports.estimate import Estimate

__all__ = ["audit_page"]

_HERE = Path(__file__).parent
_OPEN_ROWS = 12  # a table of more rows is closed until asked for
_MOST_ROWS = 2000
_MOST_BARS = 12
_OPEN_TITLE = "Most extreme"
_LICENCE = (
    "Charts are drawn by {versions} (BSD-3-Clause, copyright University of Washington Interactive Data Lab and "
    "contributors), shapes of countries are Natural Earth's (public domain)."
)


def audit_page(audit: Mapping[str, Any]) -> str:
    """Write the page of an audit.

    Args:
        audit: the content of audit.json: "model" (its "name" and whatever else describes it, names to values),
            "date", "versions" (names to versions), "probes" (each a `ProbeResult` as a dict), and perhaps "skipped"
            (probe to the reason why it did not run) and "against" (a second "model" and its "probes").

    Returns:
        HTML.
    """
    against = audit.get("against")
    names = (str(audit["model"]["name"]), str(against["model"]["name"]) if against else None)
    others = {probe["name"]: probe for probe in against["probes"]} if against else {}
    sections = _Sections(names)
    pairs = [(probe, others.pop(probe["name"], None)) for probe in audit["probes"]]
    pairs += [(None, probe) for probe in others.values()]
    bodies = [sections.probe(first, second) for first, second in pairs]
    title = f"Audit of {names[0]}" + (f" and {names[1]}" if names[1] else "")
    main = element(
        "main",
        _at_a_glance(pairs, names),
        *bodies,
        _skipped(audit.get("skipped", {})),
        id="content",
    )
    return _document(
        title,
        element("a", "Skip to the figures", class_="skip", href="#content"),
        _header(title, audit),
        _contents(pairs),
        main,
        _footer(audit),
        *sections.data,
    )


class _Sections:
    """Writes a section per probe and collects the data of their charts.

    Args:
        names: of the models; the second is None where there is one alone.
    """

    def __init__(self, names: tuple[str, str | None]) -> None:
        self._names = names
        self.data: list[Markup] = []
        self._has_map = False

    def probe(self, first: Mapping[str, Any] | None, second: Mapping[str, Any] | None) -> Markup:
        """Write a section.

        Args:
            first: the first model's result.
            second: the second model's.

        Returns:
            The section, with the heading's id that the table of contents refers to.
        """
        probe = _either(first, second)
        results = [result for result in (first, second) if result is not None]
        return element(
            "section",
            element("h2", str(probe["title"]), id=_heading(probe)),
            element("p", str(probe["asks"]), class_="lead"),
            _figure_table(first, second, self._names),
            self._bars(first, second),
            *(
                self._pictures(pair)
                for pair in pictures(first["details"] if first else {}, second["details"] if second else None)
            ),
            *(self._tables(result, self._letter(result is second)) for result in results),
            element("aside", element("h3", "What this cannot show"), element("p", str(probe["cannot_show"]))),
            element("p", "Source: ", str(probe["source"]), class_="soft"),
            element("p", _texts_scored(results), class_="soft"),
            element("p", element("a", "Back to the contents", href="#contents"), class_="top soft"),
            aria_labelledby=_heading(probe),
        )

    def _letter(self, second: bool) -> str:
        return "" if self._names[1] is None else "B" if second else "A"

    def _bars(self, first: Mapping[str, Any] | None, second: Mapping[str, Any] | None) -> Markup | None:
        if first is None or second is None or self._names[1] is None:
            return None
        named = dict.fromkeys([*first["figures"], *second["figures"]])
        drawn = [name for name in named if "p_value" not in name][:_MOST_BARS]
        both = {_words(name): (_figure(first, name), _figure(second, name)) for name in drawn}
        note = f"A: {self._names[0]}. B: {self._names[1]}. The two bars of a figure share a scale, figures do not."
        return element(
            "figure",
            element("h3", "Both models"),
            self._chart("Both models", figure_bars(both, (self._names[0], self._names[1]))),
            element("figcaption", note),
        )

    def _pictures(self, pair: tuple[Picture | None, Picture | None]) -> Markup:
        pictures = [picture for picture in pair if picture is not None]
        title, note = pictures[0].title, pictures[0].note
        if self._names[1] is None:
            return element(
                "figure", element("h3", title), self._picture(pictures[0], title), element("figcaption", note)
            )
        charts = [
            element("div", element("h4", f"{letter}: {name}"), self._picture(picture, f"{title}, {letter}: {name}"))
            for letter, name, picture in zip("AB", self._names, pair, strict=True)
            if picture is not None
        ]
        both = element("div", *charts, class_="pair")
        return element("figure", element("h3", title), both, element("figcaption", note))

    def _picture(self, picture: Picture, description: str) -> Markup:
        is_map = picture.kind == "map"
        if is_map and not self._has_map:
            self._has_map = True
            self.data.append(json_script(read_world(), id="shapes"))
        return self._chart(description, picture.specification, MAP_RATIO if is_map else None)

    def _chart(self, description: str, specification: Mapping[str, Any], ratio: float | None = None) -> Markup:
        """A place for a chart; page.js draws it from the data that is kept for the end of the page."""
        name = f"chart-{len(self.data) + 1}"
        self.data.append(json_script({**specification, "description": description}, id=name))
        return element("div", class_="chart", data_chart=name, data_ratio=None if ratio is None else str(ratio))

    def _tables(self, result: Mapping[str, Any], letter: str) -> Markup:
        tables = sorted(result["tables"], key=lambda table: table["title"] != _OPEN_TITLE)
        return Markup("".join(_table(table, letter) for table in tables))


def _document(title: str, *body: Markup) -> str:
    scripts = [script(javascript()), script((_HERE / "page.js").read_text(encoding="utf-8"))]
    styles = style((_HERE / "page.css").read_text(encoding="utf-8"))
    policy = (
        f"default-src 'none'; script-src {' '.join(map(_hash, scripts))}; style-src {_hash(styles)}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="referrer", content="no-referrer"),
        element("title", title),
        styles,
    )
    without = "The charts need JavaScript; the tables have their figures."
    page = element(
        "html", head, element("body", element("noscript", element("p", without)), *body, *scripts), lang="en"
    )
    return f"<!doctype html>\n{page}\n"


def _hash(inline: Markup) -> str:
    """What the policy calls an inline script or style by."""
    content = inline[inline.index(">") + 1 : inline.rindex("</")]
    return f"'sha256-{b64encode(sha256(content.encode('utf-8')).digest()).decode('ascii')}'"


def _header(title: str, audit: Mapping[str, Any]) -> Markup:
    models = [audit["model"]] + ([audit["against"]["model"]] if audit.get("against") else [])
    parts = []
    for letter, model in zip("AB", models, strict=False):
        if len(models) > 1:
            parts.append(element("h3", f"{letter}: {model['name']}"))
        parts.append(_facts(model))
    return element("header", element("h1", title), element("p", f"Measured {audit['date']}.", class_="soft"), *parts)


def _facts(facts: Mapping[str, Any]) -> Markup:
    pairs = [(element("dt", _words(name)), element("dd", shown(value))) for name, value in facts.items()]
    return element("dl", *(part for pair in pairs for part in pair))


def _contents(pairs: Sequence[tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]]) -> Markup:
    probes = [_either(*pair) for pair in pairs]
    links = [element("li", element("a", str(probe["title"]), href=f"#{_heading(probe)}")) for probe in probes]
    return element("nav", element("h2", "Contents", id="contents"), element("ol", *links), aria_labelledby="contents")


def _at_a_glance(
    pairs: Sequence[tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]], names: tuple[str, str | None]
) -> Markup:
    """The main figures of each probe."""
    columns = ["probe", "figure", "A" if names[1] else "value"] + (["B"] if names[1] else [])
    rows = []
    for pair in pairs:
        probe = _either(*pair)
        for name in main_figures(str(probe["name"]), probe["figures"]):
            values = [_with_interval(_figure(one, name)) for one in pair[: len(columns) - 2]]
            link = element("a", str(probe["title"]), href=f"#{_heading(probe)}")
            rows.append([link, _words(name), *values])
    return element(
        "section",
        element("h2", "At a glance", id="at-a-glance"),
        _grid("The main figures of each probe, with their 95 % intervals", columns, rows, {2, 3}),
        aria_labelledby="at-a-glance",
    )


def _figure_table(
    first: Mapping[str, Any] | None, second: Mapping[str, Any] | None, names: tuple[str, str | None]
) -> Markup:
    if names[1] is None:
        assert first is not None
        columns = ["figure", "value", "95 % interval"]
        rows = [[_words(name), shown(figure["value"]), _interval(figure)] for name, figure in first["figures"].items()]
        return _grid("Figures", columns, rows, {1, 2})
    columns = ["figure", "A", "A, 95 % interval", "B", "B, 95 % interval", "B − A"]
    rows = []
    for name in dict.fromkeys(name for one in (first, second) if one for name in one["figures"]):
        cells: list[str] = []
        values: list[float] = []
        for one in (first, second):
            figure = one["figures"].get(name) if one else None
            cells += [shown(figure["value"]), _interval(figure)] if figure else ["–", "–"]
            values += [figure["value"]] if figure else []
        change = shown(values[1] - values[0]) if len(values) == 2 else "–"
        rows.append([_words(name), *cells, change])
    return _grid("Figures", columns, rows, {1, 2, 3, 4, 5})


def _table(table: Mapping[str, Any], letter: str) -> Markup:
    title = f"{table['title']}, {letter}" if letter else str(table["title"])
    columns, rows = list(table["columns"]), list(table["rows"])[:_MOST_ROWS]
    numeric = {
        index
        for index in range(len(columns))
        if rows and all(row[index] is None or isinstance(row[index], (int, float)) for row in rows)
    }
    grid = _grid(title, columns, [[shown(value) for value in row] for row in rows], numeric, headed=True)
    if table["title"] == _OPEN_TITLE:
        return Markup(element("h3", title) + grid)
    summary = f"{title} ({len(table['rows']):,}"
    summary += ")" if len(rows) == len(table["rows"]) else f", of which {len(rows):,} here and all in audit.json)"
    return element("details", element("summary", summary), grid, open=len(rows) <= _OPEN_ROWS)


def _grid(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], numeric: set[int], headed: bool = False
) -> Markup:
    """A table that scrolls by itself where it is wider than the screen; `headed` where a heading shows its title."""
    kinds = ["number" if index in numeric else None for index in range(len(columns))]
    head = [element("th", str(column), scope="col", class_=kind) for column, kind in zip(columns, kinds, strict=True)]
    body = [
        element(
            "tr",
            *(
                element("td", cell, class_=kind or ("text" if len(cell) > 40 else None))
                if index
                else element("th", cell, scope="row", class_=kind or ("text" if len(cell) > 40 else None))
                for index, (cell, kind) in enumerate(zip(row, kinds, strict=True))
            ),
        )
        for row in rows
    ]
    table = element(
        "table",
        element("caption", title, class_="unseen" if headed else None),
        element("thead", element("tr", *head)),
        element("tbody", *body),
    )
    return element("div", table, class_="table", role="region", aria_label=title, tabindex="0")


def _skipped(skipped: Mapping[str, Any]) -> Markup | None:
    if not skipped:
        return None
    rows = [[name, str(reason)] for name, reason in skipped.items()]
    return element(
        "section",
        element("h2", "Not run", id="not-run"),
        _grid("Probes that did not run", ["probe", "why"], rows, set()),
        aria_labelledby="not-run",
    )


def _footer(audit: Mapping[str, Any]) -> Markup:
    versions = ", ".join(f"{name} {version}" for name, version in renderer_versions().items())
    return element(
        "footer",
        element("p", "Measured with ", ", ".join(f"{name} {version}" for name, version in audit["versions"].items())),
        element("p", _LICENCE.format(versions=versions)),
    )


def _either(first: Mapping[str, Any] | None, second: Mapping[str, Any] | None) -> Mapping[str, Any]:
    result = first if first is not None else second
    assert result is not None
    return result


def _figure(result: Mapping[str, Any] | None, name: str) -> Estimate | None:
    figure = None if result is None else result["figures"].get(name)
    return None if figure is None else Estimate(figure["value"], figure.get("low"), figure.get("high"))


def _interval(figure: Mapping[str, Any]) -> str:
    low, high = figure.get("low"), figure.get("high")
    return "–" if low is None or high is None else f"{shown(float(low))} to {shown(float(high))}"


def _with_interval(figure: Estimate | None) -> str:
    if figure is None:
        return "–"
    interval = _interval({"low": figure.low, "high": figure.high})
    return shown(figure.value) + ("" if interval == "–" else f" ({interval})")


def _texts_scored(results: Sequence[Mapping[str, Any]]) -> str:
    counts = list(dict.fromkeys(f"{result['n_texts']:,}" for result in results))
    return f"Texts scored: {' and '.join(counts)}."


def _heading(probe: Mapping[str, Any]) -> str:
    return "probe-" + "".join(character if character.isalnum() else "-" for character in str(probe["name"]))


def _words(name: str) -> str:
    return str(name).replace("_", " ")
