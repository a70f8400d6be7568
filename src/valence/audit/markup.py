"""HTML in which every text is escaped, unless it is HTML already."""

import html
import json
import re
from typing import Any

__all__ = ["Markup", "element", "json_script", "script", "style"]

_VOID = {"meta", "link", "br", "hr"}


class Markup(str):
    """Text that is HTML already; any other text gets escaped."""

    __slots__ = ()


def element(tag: str, *children: str | None, **attributes: str | bool | None) -> Markup:
    """Write an element.

    Args:
        tag: its name.
        *children: texts, which are escaped, and `Markup`; None is left out.
        **attributes: their values, escaped; True for one without a value, False or None for none. A trailing "_" is
            dropped from a name and others become "-".

    Returns:
        The element.
    """
    written = "".join(
        f" {name.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{_escape(value)}"')
        for name, value in attributes.items()
        if value is not None and value is not False
    )
    if tag in _VOID:
        return Markup(f"<{tag}{written}>")
    content = "".join(child if isinstance(child, Markup) else _escape(child) for child in children if child is not None)
    return Markup(f"<{tag}{written}>{content}</{tag}>")


def script(code: str) -> Markup:
    """Write a script.

    Args:
        code: JavaScript of our own or of a library, never a user's text.

    Returns:
        The element, which the code cannot end early.
    """
    return element(
        "script", Markup(re.sub("</(?=script)", r"<\\/", code, flags=re.IGNORECASE).replace("<!--", r"<\!--"))
    )


def style(rules: str) -> Markup:
    """Write a style sheet.

    Args:
        rules: CSS of our own.

    Returns:
        The element.
    """
    return element("style", Markup(rules))


def json_script(content: Any, **attributes: str) -> Markup:
    """Write data for scripts to read.

    Args:
        content: what JSON can hold.
        **attributes: of the element.

    Returns:
        A script element that is not run.
    """
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return element("script", Markup(text), type="application/json", **attributes)


def _escape(text: str | bool) -> str:
    """Also halves of surrogate pairs, which no file can hold, are replaced."""
    return html.escape(str(text), quote=True).encode("utf-8", "replace").decode("utf-8")
