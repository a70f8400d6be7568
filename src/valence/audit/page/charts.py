"""The audit's charts, as Vega-Lite specifications, and what draws them: in a page, as PNG, as SVG.

Ink is `currentColor`, the colour of the text around a chart, so that one specification serves a light page, a dark one
and paper. Shapes are not part of a specification: they are the data set named `WORLD`, which `as_png`, `as_svg` and the
page add, so that a page with several maps holds them once.
"""

import math
import re
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from valence.audit.world.shapes import OBJECT, largest_parts, read_world
from valence.errors import InputError
from valence.reports.estimate import Estimate
from valence.reports.evaluation import EvaluationReport
from valence.reports.printing import bounds, rounded
from valence.reports.report import JsonObject

if TYPE_CHECKING:
    import altair as alt

__all__ = [
    "MAP_RATIO",
    "SHAPES_SOURCE",
    "WORLD",
    "MapValue",
    "as_png",
    "as_svg",
    "difference_domain",
    "difference_plot",
    "figure_bars",
    "javascript",
    "reliability_diagram",
    "renderer_versions",
    "template_spread",
    "world_map",
    "world_map_pair",
]

WORLD = "world"
"""The name of the data set of shapes."""
MAP_RATIO = 0.44
"""Height over width of a map."""
SHAPES_SOURCE = "Shapes: Natural Earth 1:50m, as npm world-atlas 2.0.2 packs them."
"""For the line below a map."""

# Viridis runs from dark to light without a turn, so that it reads alike for the colour-blind and in greyscale.
_PALETTE: Literal["viridis"] = "viridis"
_SMALLEST_VISIBLE = 12_000  # km² of the largest part: about 8 square pixels of a map 960 wide
_CIRCLE = 1 / 28  # square pixels per pixel of the map's width
_FIRST, _SECOND = "#0072b2", "#d55e00"  # Okabe & Ito 2008
_INK = "currentColor"
_FONT = "system-ui, -apple-system, 'Segoe UI', 'Liberation Sans', Arial, sans-serif"
_WIDTH, _MAP_WIDTH = 720, 960
_SQUARE = 420
# What the map may be enlarged to: how many times, and which longitude and latitude is in the middle.
_REGIONS = {
    "the world": (1.0, 11, 6.8),
    "Africa": (2.6, 18, 2),
    "Asia, Southeast": (3.6, 115, 6),
    "Caribbean": (9.0, -70, 17),
    "Central America": (6.0, -86, 14),
    "Europe": (4.0, 14, 53),
    "Middle East": (5.0, 46, 28),
    "Pacific": (2.2, 172, -6),
    "South America": (2.6, -60, -20),
}


class MapValue(msgspec.Struct, frozen=True):
    """What a map shows of one country."""

    name: str
    iso_numeric: str | None
    """ISO 3166-1, three digits; None for a place without a code, which is then a circle."""
    value: float
    """Probability of the positive class."""
    low: float | None = None
    high: float | None = None
    latitude: float | None = None
    longitude: float | None = None
    used_in_training: bool | None = None
    """None where no training told countries apart."""


def world_map(values: Sequence[MapValue], title: str | None = None, source: str | None = None) -> JsonObject:
    """Draw the probability of the positive class on a map of the world.

    Countries without a shape or too small to see are circles at their centroids; places without a value are left
    without a colour. In a page the map can be enlarged to a region.

    Args:
        values: one per country.
        title: above the map; None where the page says it.
        source: below the title; None where the page says it.

    Returns:
        A Vega-Lite specification that refers to the data set `WORLD`.

    Raises:
        InputError: if a code is not three digits.
    """
    import altair as alt

    region = alt.param(
        name="region",
        value=0,
        bind=alt.binding_select(
            options=list(range(len(_REGIONS))), labels=[name.capitalize() for name in _REGIONS], name="Show "
        ),
    )
    chart = _map_layers(values).add_params(region)
    return _specification(chart.properties(width=_MAP_WIDTH, height=round(_MAP_WIDTH * MAP_RATIO)), title, source)


def world_map_pair(
    before: Sequence[MapValue],
    after: Sequence[MapValue],
    titles: tuple[str, str] = ("before", "after"),
    title: str | None = None,
    source: str | None = None,
) -> JsonObject:
    """Draw two maps side by side on one scale, as a picture.

    Args:
        before: one per country, for the map on the left.
        after: the same for the map on the right.
        titles: of the two.
        title: above both.
        source: below the title.

    Returns:
        A Vega-Lite specification that refers to the data set `WORLD`.

    Raises:
        InputError: if a code is not three digits.
    """
    import altair as alt

    size = {"width": _MAP_WIDTH, "height": round(_MAP_WIDTH * MAP_RATIO)}
    maps = [
        _map_layers(values, width=_MAP_WIDTH).properties(title=text, **size)
        for values, text in zip((before, after), titles, strict=True)
    ]
    region = alt.param(name="region", value=0)
    return _specification(alt.hconcat(*maps, spacing=24).add_params(region), title, source)


def template_spread(
    templates: Mapping[str, Mapping[str, float]], title: str | None = None, source: str | None = None
) -> JsonObject:
    """Draw a row per template with a dot per country or other filler, and a bar at their mean.

    Args:
        templates: template -> filler -> probability of the positive class, in the order to show.
        title: above the chart; None where the page says it.
        source: below the title; None where the page says it.

    Returns:
        A Vega-Lite specification.
    """
    import altair as alt

    dots = [
        # Neighbours in the list are set apart, so that dots of one value do not hide each other.
        {"template": template, "filler": filler, "value": value, "jitter": round(index * 0.618034 % 1, 3)}
        for template, fillers in templates.items()
        for index, (filler, value) in enumerate(fillers.items())
    ]
    means = [
        {"template": template, "mean": sum(fillers.values()) / len(fillers)}
        for template, fillers in templates.items()
        if fillers
    ]
    rows = alt.Y("template:N", sort=list(templates), axis=None, scale=alt.Scale(paddingInner=0))
    value = alt.X(
        "value:Q",
        scale=alt.Scale(domain=[0, 1]),
        title="P(positive)",
        axis=alt.Axis(values=[0, 0.25, 0.5, 0.75, 1], format=".2f"),
    )
    base = alt.Chart(_rows(dots))
    chart = alt.layer(
        base.mark_circle(size=22, color=_FIRST, opacity=0.45, aria=False).encode(
            x=value,
            y=rows,
            yOffset=alt.YOffset("jitter:Q", scale=alt.Scale(domain=[-1.25, 1.875])),
            tooltip=[
                alt.Tooltip("filler:N", title="text about"),
                alt.Tooltip("value:Q", title="P(positive)", format=".3f"),
                alt.Tooltip("template:N", title="template"),
            ],
        ),
        alt.Chart(_rows(means))
        .mark_tick(color=_SECOND, thickness=3, size=26, yOffset=3)
        .encode(x="mean:Q", y=rows, tooltip=[alt.Tooltip("mean:Q", title="mean", format=".3f"), "template:N"]),
        alt.Chart(_rows([{"template": template} for template in templates]))
        .mark_text(align="left", baseline="middle", dy=-17, color=_INK, fontSize=12)
        .encode(x=alt.value(2), y=rows, text="template:N"),
    ).properties(width=_WIDTH, height=50 * len(templates))
    return _specification(chart, title, source)


def difference_plot(
    differences: Mapping[str, Estimate],
    title: str | None = None,
    source: str | None = None,
    axis: str = "difference in P(positive)",
    domain: tuple[float, float] | None = None,
    apart: Collection[str] | None = None,
) -> JsonObject:
    """Draw a row per group: its difference and interval, beside a line at zero (a forest plot).

    Args:
        differences: group -> difference, in the order to show.
        title: above the chart; None where the page says it.
        source: below the title; None where the page says it.
        axis: what the differences are.
        domain: the ends of the axis, where several charts share one.
        apart: the groups that differ from zero, whose dots are filled; those whose interval leaves zero out if None.

    Returns:
        A Vega-Lite specification.
    """
    import altair as alt

    rows = [
        {
            "group": group,
            "value": figure.value,
            "low": figure.value if figure.low is None else figure.low,
            "high": figure.value if figure.high is None else figure.high,
            "interval": _interval(figure),
            "spoken": f"{group}: {figure.value:+.4f}"
            + ("" if figure.low is None else f", 95 % interval {_interval(figure)}"),
            "apart": _excludes_zero(figure) if apart is None else group in apart,
        }
        for group, figure in differences.items()
    ]
    if domain is None:
        domain = difference_domain(differences)
    base = alt.Chart(_rows(rows)).encode(
        y=alt.Y(
            "group:N",
            sort=list(differences),
            title=None,
            axis=alt.Axis(ticks=False, domain=False, minExtent=40),
        ),
        tooltip=[
            alt.Tooltip("group:N", title="group"),
            alt.Tooltip("value:Q", title=axis, format="+.4f"),
            alt.Tooltip("interval:N", title="95 % interval"),
        ],
        description="spoken:N",
    )
    chart = alt.layer(
        alt.Chart(_rows([{"zero": 0}])).mark_rule(color=_INK, strokeDash=[4, 3], aria=False).encode(x="zero:Q"),
        base.mark_rule(color=_FIRST, strokeWidth=2, aria=False).encode(
            x=alt.X("low:Q", title=axis, scale=alt.Scale(domain=list(domain)), axis=alt.Axis(tickCount=5)), x2="high:Q"
        ),
        base.mark_point(size=60, color=_FIRST, filled=True, strokeWidth=2, opacity=1, stroke=_FIRST).encode(
            x="value:Q", fillOpacity=alt.condition("datum.apart", alt.value(1), alt.value(0))
        ),
    ).properties(width=_WIDTH, height=20 * len(differences))
    return _specification(chart, title, source)


def difference_domain(*differences: Mapping[str, Estimate]) -> tuple[float, float]:
    """Find the ends of an axis on which difference plots can be compared.

    Args:
        *differences: of each plot.

    Returns:
        The least and the greatest value or end of an interval, with zero and some room.
    """
    figures = [figure for plot in differences for figure in plot.values()]
    ends = [end for figure in figures for end in (figure.value, figure.low, figure.high) if end is not None]
    low, high = min(ends, default=0), max(ends, default=0)
    room = max(0.05 * (high - low), 0.002)
    return min(low, 0) - room, max(high, 0) + room


def figure_bars(
    figures: Mapping[str, tuple[Estimate | None, Estimate | None]],
    names: tuple[str, str],
    title: str | None = None,
    source: str | None = None,
) -> JsonObject:
    """Draw the figures of two models side by side.

    Figures of different kinds share no scale, so each pair of bars has its own: the longer one is as long as the chart.

    Args:
        figures: figure -> its value for the first and the second model, in the order to show.
        names: of the models.
        title: above the chart; None where the page says it.
        source: below the title; None where the page says it.

    Returns:
        A Vega-Lite specification.
    """
    import altair as alt

    rows = [row for figure, pair in figures.items() for row in _bar_rows(figure, pair, names)]
    ends = [min((row["low"] for row in rows if row["low"] < 0), default=0), 1.3]
    base = alt.Chart(_rows(rows)).encode(
        y=alt.Y("figure:N", sort=list(figures), axis=None, scale=alt.Scale(paddingInner=0.2)),
        tooltip=[
            alt.Tooltip("figure:N", title="figure"),
            alt.Tooltip("model:N", title="model"),
            alt.Tooltip("shown:N", title="value"),
            alt.Tooltip("interval:N", title="95 % interval"),
        ],
    )
    below_its_name = alt.YOffset("letter:N", scale=alt.Scale(domain=["name", "A", "B"]))
    length = alt.X("length:Q", axis=None, scale=alt.Scale(domain=ends))
    colours = alt.Scale(domain=["A", "B"], range=[_FIRST, _SECOND])
    chart = alt.layer(
        base.mark_bar(cornerRadiusEnd=2).encode(
            x=length, yOffset=below_its_name, color=alt.Color("letter:N", scale=colours, legend=None)
        ),
        base.mark_rule(color=_INK, strokeWidth=1.5).encode(x="low:Q", x2="high:Q", yOffset=below_its_name),
        base.mark_text(align="left", dx=6, color=_INK, fontSize=12).encode(
            x="end:Q", yOffset=below_its_name, text="label:N"
        ),
        alt.Chart(_rows([{"figure": figure, "letter": "name"} for figure in figures]))
        .mark_text(align="left", color=_INK, fontSize=12)
        .encode(x=alt.value(0), y=alt.Y("figure:N", sort=list(figures)), yOffset=below_its_name, text="figure:N"),
    ).properties(width=_WIDTH, height=64 * len(figures))
    return _specification(chart, title, source)


def reliability_diagram(report: EvaluationReport) -> JsonObject:
    """Draw how often answers are right against their score: on the diagonal where scores are what they say.

    Args:
        report: of an evaluation.

    Returns:
        A Vega-Lite specification.
    """
    import altair as alt

    bins, model = report.reliability or (), report.model
    title = f"{model.name or 'A model'} ({model.engine}) on {report.data.name}, {report.n_texts:,} texts"
    rows = [
        {"score": one.score, "texts": one.texts, "right": one.right.value, "low": one.right.low, "high": one.right.high}
        for one in bins
    ]
    ends = [end for one in bins for end in (one.score, one.right.low) if end is not None]
    low = math.floor(10 * min([0.5, *ends])) / 10
    scale = alt.Scale(domain=[low, 1], nice=False)
    base = alt.Chart(_rows(rows)).encode(
        x=alt.X("score:Q", title="score of the answer, mean of the bin", scale=scale),
        tooltip=[
            alt.Tooltip("texts:Q", title="texts"),
            alt.Tooltip("score:Q", title="mean score", format=".3f"),
            alt.Tooltip("right:Q", title="share right", format=".3f"),
        ],
    )
    said = "share of answers that are right"
    right = alt.Y("right:Q", title=said, scale=scale)
    chart = alt.layer(
        alt.Chart(_rows([{"score": end, "right": end} for end in (low, 1)]))
        .mark_line(color=_INK, strokeDash=[4, 3], strokeWidth=1)
        .encode(x="score:Q", y=right),
        base.mark_rule(color=_FIRST, strokeWidth=1.5).encode(y=alt.Y("low:Q", title=said, scale=scale), y2="high:Q"),
        base.mark_point(size=50, color=_FIRST, filled=True, opacity=1).encode(y=right),
    ).properties(width=_SQUARE, height=_SQUARE)
    legend = "Bins of equally many texts, with 95 % intervals; dashed: perfectly calibrated."
    return _specification(chart, title, legend)


def as_svg(specification: Mapping[str, object]) -> str:
    """Render a specification, without a network.

    Args:
        specification: of one of the charts above.

    Returns:
        SVG on a white ground, the same every time.
    """
    import vl_convert

    svg: str = vl_convert.vegalite_to_svg(_complete(specification))
    names: dict[str, str] = {}  # vl-convert counts them on from chart to chart
    return re.sub(r"\b(?:clip|gradient_)\d+\b", lambda found: names.setdefault(found[0], f"part{len(names)}"), svg)


def as_png(specification: Mapping[str, object], scale: float = 2) -> bytes:
    """Render a specification, without a network.

    Args:
        specification: of one of the charts above.
        scale: pixels of the picture per pixel of the specification.

    Returns:
        PNG on a white ground.
    """
    import vl_convert

    png: bytes = vl_convert.vegalite_to_png(_complete(specification), scale=scale)
    return png


@cache
def javascript() -> str:
    """Give what draws a specification in a browser: Vega, Vega-Lite and Vega-Embed in one script.

    Returns:
        JavaScript that defines `vegaEmbed` and asks nothing of a network.
    """
    import vl_convert

    bundle: str = vl_convert.javascript_bundle()  # type: ignore[call-arg]  # its stub lacks the default
    return bundle


def renderer_versions() -> dict[str, str]:
    """Tell which libraries are in `javascript`.

    Returns:
        Name to version.
    """
    import vl_convert

    return {
        "Vega": vl_convert.get_vega_version(),
        "Vega-Lite": vl_convert.get_vegalite_versions()[-1],
        "Vega-Embed": vl_convert.get_vega_embed_version(),
    }


def _map_layers(values: Sequence[MapValue], width: int | None = None) -> Any:
    """Three layers: outlines of places without a value, shapes, circles.

    Charts beside each other need their width as a number; one alone follows its view's.
    """
    import altair as alt

    rows = [_map_row(value) for value in values]
    shapes = alt.NamedData(name=WORLD, format=alt.TopoDataFormat(feature=OBJECT, type="topojson"))
    joined = alt.LookupData(
        data=_rows(rows), key="iso_numeric", fields=["name", "value", "shown", "interval", "training", "spoken"]
    )
    colour = alt.Color(
        "value:Q",
        title="P(positive)",
        scale=alt.Scale(scheme=_PALETTE, domain=[0, 1]),
        legend=alt.Legend(orient="bottom", values=[0, 0.25, 0.5, 0.75, 1], gradientLength=220, format=".2f"),
    )
    tooltip = [
        alt.Tooltip("name:N", title="country"),
        alt.Tooltip("shown:N", title="P(positive)"),
        alt.Tooltip("interval:N", title="95 % interval"),
        alt.Tooltip("training:N", title="in training sets of --debias"),
    ]
    circle = width * _CIRCLE if width else alt.ExprRef(f"max(width * {_CIRCLE:.4f}, 14)")
    base = alt.Chart(shapes).transform_lookup(lookup="id", from_=joined)
    return alt.layer(
        base.transform_filter("!isValid(datum.value)").mark_geoshape(
            fill=None, stroke=_INK, strokeOpacity=0.45, strokeWidth=0.5, clip=True, aria=False
        ),
        base.transform_filter("isValid(datum.value)")
        .mark_geoshape(stroke=_INK, strokeOpacity=0.6, strokeWidth=0.4, clip=True)
        .encode(color=colour, tooltip=tooltip, description="spoken:N"),
        alt.Chart(_rows([row for row in rows if row["circle"]]))
        .mark_circle(size=circle, opacity=1, stroke=_INK, strokeWidth=0.8, clip=True)
        .encode(latitude="latitude:Q", longitude="longitude:Q", color=colour, tooltip=tooltip, description="spoken:N"),
    ).project(
        # Areas are true to scale, so that no country is made important by its latitude.
        type="equalEarth",
        scale=_per_region([times for times, _, _ in _REGIONS.values()], f" * {width or 'width'} / 5.42"),
        rotate=_per_region([[-longitude, 0] for _, longitude, _ in _REGIONS.values()]),
        center=_per_region([[0, latitude] for _, _, latitude in _REGIONS.values()]),
        translate=[width / 2, width * MAP_RATIO / 2] if width else alt.ExprRef("[width / 2, height / 2]"),
    )


def _per_region(choices: Sequence[Any], then: str = "") -> Any:
    import altair as alt

    return alt.ExprRef(f"{list(choices)}[region]{then}")


def _map_row(value: MapValue) -> JsonObject:
    code = value.iso_numeric
    if code is not None and not re.fullmatch(r"[0-9]{3}", code):
        raise InputError(f"{value.name}: the ISO numeric code is {code!r}; expected text of three digits, as in '004'")
    interval = _interval(Estimate(value.value, value.low, value.high))
    visible = code is not None and largest_parts().get(code, 0) >= _SMALLEST_VISIBLE
    return {
        "name": value.name,
        "iso_numeric": code,
        "value": value.value,
        "shown": f"{value.value:.3f}",
        "interval": interval,
        "spoken": f"{value.name}: {value.value:.3f}" + ("" if interval == "–" else f", 95 % interval {interval}"),
        "training": {True: "yes", False: "no", None: "–"}[value.used_in_training],
        "latitude": value.latitude,
        "longitude": value.longitude,
        "circle": not visible and value.latitude is not None and value.longitude is not None,
    }


def _bar_rows(
    name: str, pair: tuple[Estimate | None, Estimate | None], models: tuple[str, str]
) -> "list[dict[str, Any]]":
    """Both bars of a figure, with lengths that make the longest 1."""
    known = [figure for figure in pair if figure is not None]
    ends = [end for figure in known for end in (figure.value, figure.low, figure.high) if end is not None]
    longest = max(map(abs, ends), default=0) or 1
    rows = []
    for letter, model, figure in zip("AB", models, pair, strict=True):
        if figure is None:
            continue
        low = figure.value if figure.low is None else figure.low
        high = figure.value if figure.high is None else figure.high
        rows.append(
            {
                "figure": name,
                "letter": letter,
                "model": model,
                "length": figure.value / longest,
                "low": low / longest,
                "high": high / longest,
                "end": max(figure.value, high, 0) / longest,
                "shown": rounded(figure.value),
                "label": f"{letter}  {rounded(figure.value)}",
                "interval": _interval(figure),
            }
        )
    return rows


def _excludes_zero(figure: Estimate) -> bool:
    return figure.low is not None and figure.high is not None and not figure.low <= 0 <= figure.high


def _interval(figure: Estimate) -> str:
    return bounds(figure, "{:.3f}".format)


def _rows(rows: Sequence[Mapping[str, object]]) -> "alt.InlineData":
    import altair as alt

    return alt.InlineData(values=[dict(row) for row in rows])


def _specification(chart: Any, title: str | None, source: str | None) -> JsonObject:
    import altair as alt

    if title is not None or source is not None:
        chart = chart.properties(title=alt.Title(text=title or "", subtitle=source or ""))
    chart = (
        chart.configure(font=_FONT, background="transparent")
        .configure_view(stroke=None)
        .configure_axis(
            labelColor=_INK,
            titleColor=_INK,
            domainColor=_INK,
            tickColor=_INK,
            gridColor=_INK,
            gridOpacity=0.15,
            labelFontSize=12,
            titleFontSize=12,
            titleFontWeight="normal",
        )
        .configure_axisY(labelLimit=280)
        .configure_legend(
            labelColor=_INK, titleColor=_INK, labelFontSize=12, titleFontSize=12, titleFontWeight="normal"
        )
        .configure_title(color=_INK, subtitleColor=_INK, anchor="start", fontSize=15, subtitleFontSize=12, offset=10)
    )
    specification: JsonObject = chart.to_dict()
    return specification


def _complete(specification: Mapping[str, object]) -> JsonObject:
    """A specification that needs nothing else, for a picture."""
    own = specification.get("datasets")
    datasets = {**(own if isinstance(own, dict) else {}), WORLD: read_world()}
    return {**specification, "datasets": datasets, "background": "white", "padding": 12}
