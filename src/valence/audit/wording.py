"""How values are written for people."""

from collections.abc import Mapping
from typing import Any

__all__ = ["shown"]


def shown(value: Any) -> str:
    """Write a value for people.

    Args:
        value: a number, a text, or nothing.

    Returns:
        A number with as many digits as it is worth, a text as it is.
    """
    if value is None or (isinstance(value, float) and value != value):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}".replace("-", "−")
    if isinstance(value, float):
        return _number(value).replace("-", "−")
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {shown(part)}" for name, part in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(shown, value))
    return str(value)


def _number(value: float) -> str:
    size = abs(value)
    if value == 0:
        return "0"
    if size == float("inf"):
        return "infinite" if value > 0 else "-infinite"
    if size < 0.00005:
        return f"{value:.1e}"
    if size < 0.0995:
        return f"{value:.4f}"
    if size >= 10 and value == round(value):
        return f"{value:,.0f}"
    return f"{value:.3f}" if size < 10 else f"{value:.2f}" if size < 1000 else f"{value:,.0f}"
