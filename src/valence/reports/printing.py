"""How numbers, estimates, sizes and tables are printed: on the terminal, in pages, cards and documents."""

import math
from collections.abc import Callable, Sequence

from valence.reports.estimate import Estimate

__all__ = [
    "NOTHING",
    "bounds",
    "count",
    "fixed",
    "interval",
    "markdown_table",
    "megabytes",
    "plain_table",
    "rounded",
    "significant",
]

NOTHING = "–"
"""What stands in place of a number that is not there."""


def fixed(value: float) -> str:
    """Print a metric.

    Args:
        value: a number.

    Returns:
        With four decimals.
    """
    return f"{value:.4f}"


def significant(value: int | float) -> str:
    """Print a number of unknown size.

    Args:
        value: a number.

    Returns:
        With four significant digits; a whole or a large one without decimals.
    """
    return f"{value:,.0f}" if isinstance(value, int) or abs(value) >= 1000 else f"{value:.4g}"


def rounded(value: object) -> str:
    """Print what stands in a cell of a page.

    Args:
        value: a number, a text, or nothing.

    Returns:
        A number with as many digits as it is worth and a real minus, a text as it is.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}".replace("-", "−")
    return _decimals(value).replace("-", "−") if isinstance(value, float) else str(value)


def _decimals(value: float) -> str:
    size = abs(value)
    if value == 0:
        return "0"
    if math.isinf(size):
        return "infinite" if value > 0 else "-infinite"
    if size < 0.00005:
        return f"{value:.1e}"
    if size < 0.0995:
        return f"{value:.4f}"
    if size >= 10 and value == round(value):
        return f"{value:,.0f}"
    return f"{value:.3f}" if size < 10 else f"{value:.2f}" if size < 1000 else f"{value:,.0f}"


def bounds(estimate: Estimate, form: Callable[[float], str] = fixed) -> str:
    """Print the ends of an interval.

    Args:
        estimate: with or without one.
        form: prints a number.

    Returns:
        "0.8819 to 0.9220", or a dash.
    """
    if estimate.low is None or estimate.high is None:
        return NOTHING
    return f"{form(estimate.low)} to {form(estimate.high)}"


def interval(estimate: Estimate | None, form: Callable[[float], str] = fixed) -> str:
    """Print an estimate with its interval.

    Args:
        estimate: or nothing.
        form: prints a number.

    Returns:
        "0.9025 (0.8819 to 0.9220)", without the brackets where there is no interval, or a dash.
    """
    if estimate is None:
        return NOTHING
    ends = bounds(estimate, form)
    return form(estimate.value) + ("" if ends == NOTHING else f" ({ends})")


def count(number: int | None) -> str:
    """Print a count.

    Args:
        number: or nothing.

    Returns:
        With commas, or "not known".
    """
    return "not known" if number is None else f"{number:,}"


def megabytes(n_bytes: int) -> str:
    """Print a size.

    Args:
        n_bytes: how large.

    Returns:
        In millions of bytes.
    """
    return f"{n_bytes / 1e6:,.1f} MB"


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """Print a table as Markdown.

    Args:
        rows: the first is the head; cells as Markdown.

    Returns:
        Its lines.
    """
    head, *body = rows
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *body))


def plain_table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Print a table whose first column is text and whose others are numbers.

    Args:
        rows: the first is the head.

    Returns:
        Its lines, for a terminal.
    """
    first, *others = (max(map(len, column)) for column in zip(*rows, strict=True))
    return [
        name.ljust(first) + "".join(cell.rjust(width + 2) for cell, width in zip(cells, others, strict=True))
        for name, *cells in rows
    ]
