"""A bar for every engine and way of using it."""

import re
from typing import TYPE_CHECKING

from valence.benchmark.contenders import MODES
from valence.benchmark.results import Report

if TYPE_CHECKING:
    import altair

__all__ = ["as_svg", "throughput_chart"]

_OURS, _PEER, _TEXT = "#c2410c", "#94a3b8", "#1e293b"


def throughput_chart(report: Report, workload: str, model: str) -> str:
    """Draw texts per second, fastest first, ours in another colour.

    Args:
        report: of `valence bench`.
        workload: "short" or "long".
        model: its key.

    Returns:
        SVG, on a light ground of its own.
    """
    import altair

    rows = [row for row in report["rows"] if (row["workload"], row["model"]) == (workload, model)]
    bars = [
        {
            "name": f"{row['title']}, {MODES[row['mode']]}",
            "rate": row["texts_per_second"],
            "shown": f"{row['texts_per_second']:,.0f}",
            "whose": "valence" if row["ours"] else "peers",
        }
        for row in sorted(rows, key=lambda row: -row["texts_per_second"])
    ]
    base = altair.Chart(altair.InlineData(values=bars)).encode(
        x=altair.X("rate:Q", title="texts per second", axis=altair.Axis(grid=True, gridColor="#e2e8f0")),
        y=altair.Y("name:N", sort=None, title=None, axis=altair.Axis(labelLimit=420, ticks=False, domain=False)),
    )
    colours = altair.Scale(domain=["valence", "peers"], range=[_OURS, _PEER])
    chart = (
        (
            base.mark_bar(cornerRadiusEnd=2).encode(
                color=altair.Color("whose:N", scale=colours, legend=altair.Legend(title=None, orient="top"))
            )
            + base.mark_text(align="left", dx=4, color=_TEXT).encode(text="shown:N")
        )
        .properties(
            width=520,
            height=altair.Step(18),
            background="white",
            padding=12,
            title=f"{report['models'][model]['title']}: {report['workloads'][workload]['title']}",
        )
        .configure_view(stroke=None)
        .configure_axis(labelColor=_TEXT, titleColor=_TEXT, labelFontSize=11)
        .configure_title(anchor="start", color=_TEXT)
    )
    return as_svg(chart)


def as_svg(chart: "altair.Chart | altair.LayerChart") -> str:
    """Render a chart.

    Args:
        chart: of altair.

    Returns:
        SVG, the same every time.
    """
    import vl_convert

    svg: str = vl_convert.vegalite_to_svg(chart.to_json())
    names: dict[str, str] = {}  # vl-convert counts them on from chart to chart
    return re.sub(r"\bclip\d+\b", lambda found: names.setdefault(found[0], f"clip{len(names)}"), svg)
