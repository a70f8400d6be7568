"""Learning curves of a training report, as SVG."""

from typing import Any

import altair

from valence.benchmark.chart import as_svg

_TRAIN, _HELD_OUT, _TEXT = "#94a3b8", "#c2410c", "#1e293b"


def learning_curves(report: dict[str, Any], title: str, panels: dict[str, str]) -> str:
    """Draw the training loss, and what was measured on held-out data.

    Args:
        report: of `valence pretrain` or `valence distill`.
        title: of the picture.
        panels: figures on held-out data, a panel each, and what they are called.

    Returns:
        SVG, on a light ground of its own.
    """
    loss = _line(report["curve"], "train_loss", "training loss", _TRAIN)
    measured = [
        _line([point for point in report["evaluations"] if name in point], name, called, _HELD_OUT, points=True)
        for name, called in panels.items()
    ]
    chart = (
        altair.hconcat(loss, *measured, spacing=24)
        .properties(title=title, background="white", padding=12)
        .configure_view(stroke=None)
        .configure_axis(labelColor=_TEXT, titleColor=_TEXT, gridColor="#e2e8f0", labelFontSize=11)
        .configure_title(anchor="start", color=_TEXT)
    )
    return as_svg(chart)


def _line(rows: list[dict[str, float]], name: str, called: str, colour: str, points: bool = False) -> altair.Chart:
    """Draw one figure over the steps."""
    share = all(0 <= row[name] <= 1 for row in rows)
    axis = altair.Axis(format="%", tickCount=5) if share else altair.Axis(tickCount=5)
    scale = altair.Scale(type="log") if name == "perplexity" else altair.Scale(zero=False)
    values = [{"step": row["step"], name: row[name]} for row in rows]
    chart: altair.Chart = (
        altair.Chart(altair.InlineData(values=values))
        .mark_line(color=colour, point=altair.OverlayMarkDef(color=colour) if points else False)
        .encode(
            x=altair.X("step:Q", title="step", axis=altair.Axis(tickCount=5, grid=False)),
            y=altair.Y(f"{name}:Q", title=called, scale=scale, axis=axis),
        )
        .properties(width=200, height=180)
    )
    return chart
