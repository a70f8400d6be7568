"""Reports read from JSON files, checked, and written: the one place that does so.

A file may be of an earlier version, of a newer one, or changed by anybody. Types decide what it must hold; what it
holds besides is kept.
"""

import math
import re
from pathlib import Path
from typing import TypeVar, cast

import msgspec

from valence.errors import ModelError
from valence.files import is_unicode, read_json, write_json
from valence.reports.report import FORMAT, JsonObject, Report

__all__ = ["decode_report", "encode_report", "read_report", "write_report"]

_Report = TypeVar("_Report", bound=Report)
_PLACE = re.compile(r"^(?P<what>.*?)(?: - at `(?P<place>(?:key in )?\$[^`]*)`)?$", re.DOTALL)
_EXPECTED = re.compile(r"^Expected `(?P<type>[^`]*)`")
_MISSING = re.compile(r"missing required field `(?P<name>[^`]*)`")
_WORDS = {"int": "a whole number", "float": "a number", "int | float": "a number", "str": "a text", "array": "a list"}
_WORDS |= {
    "str | array": "a text or a list of texts",
    "object": "an object",
    "null": "nothing",
    "bool": "true or false",
}
_MOST_INTEGER = 1 << 63


def read_report(path: Path, kind: type[_Report]) -> _Report | None:
    """Read a report.

    Args:
        path: the file.
        kind: what it must be.

    Returns:
        The report, of the format of this version; None where there is no such file.

    Raises:
        ModelError: if the file is something else; names it, the place, and what was expected and found there.
    """
    return decode_report(read_json(path), kind, path) if path.is_file() else None


def write_report(path: Path, report: Report) -> None:
    """Write a report, so that a reader sees the old or the new one, never half of it.

    Args:
        path: the file; its folder is created.
        report: any.
    """
    write_json(path, encode_report(report))


def encode_report(report: Report) -> JsonObject:
    """Bring a report into the form of its file.

    Args:
        report: any.

    Returns:
        A JSON object.
    """
    content = cast(JsonObject, _with_lists(msgspec.to_builtins(report, enc_hook=_plain_number)))
    del content["extra"]
    return cast(JsonObject, _merged(type(report).flattened(content), report.extra))


def _plain_number(value: object) -> object:
    """Take the number out of what NumPy computes, which metrics and probes of others may hand on."""
    item = getattr(value, "item", None)
    if callable(item) and getattr(value, "ndim", None) == 0:
        return item()
    raise TypeError(f"a report cannot hold {type(value).__name__}")


def decode_report(content: JsonObject, kind: type[_Report], path: object) -> _Report:
    """Check the content of a file, and bring it to the format of this version.

    Args:
        content: a JSON object.
        kind: what it must be.
        path: the file, for messages.

    Returns:
        The report.

    Raises:
        ModelError: if it is something else.
    """
    found = content.get("format", 0)
    if not isinstance(found, int) or isinstance(found, bool) or found < 0:
        raise _wrong(path, "format", "a whole number from 0", found)
    if found > FORMAT:
        raise ModelError(f"{path}: a report of format {found}, and this version of valence reads up to {FORMAT}")
    try:
        _check_values(content, path, ())
        nested = kind.nested((content if found else kind.upgraded(content)) | {"format": FORMAT})
        nested.pop("extra", None)
        report = msgspec.convert(nested, kind)
        extra = _rest(content, encode_report(report))
    except msgspec.ValidationError as problem:
        raise _explained(path, nested, kind, str(problem)) from None
    except RecursionError:
        raise ModelError(f"{path}: objects within objects, too many for a report") from None
    return msgspec.structs.replace(report, extra=extra or {})


def _check_values(value: object, path: object, keys: tuple[str, ...]) -> None:
    """Refuse what JSON in Python can hold and a report cannot: infinity, endless numbers, halves of surrogate pairs."""
    if isinstance(value, dict):
        for key, inner in value.items():
            _check_values(key, path, keys)
            _check_values(inner, path, (*keys, str(key)))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            _check_values(inner, path, (*keys, str(number)))
    elif isinstance(value, float) and not math.isfinite(value):
        raise _wrong(path, ".".join(keys), "a number", value)
    elif isinstance(value, int) and abs(value) >= _MOST_INTEGER:
        raise _wrong(path, ".".join(keys), "a number of usual size", "one of too many digits")
    elif isinstance(value, str) and not is_unicode(value):
        raise _wrong(path, ".".join(keys), "a text", value)


def _explained(path: object, content: object, kind: type[Report], problem: str) -> ModelError:
    """Say in our words what msgspec found wrong, and what is there."""
    match = _PLACE.match(problem)
    assert match is not None, "the pattern matches any text"
    place = (match["place"] or "$").removeprefix("key in ").removeprefix("$").replace("[...]", ".*")  # * is any key
    keys = [key for key in re.sub(r"\[(\d+)\]", r".\1", place).split(".") if key]
    keys = _with_names(content, kind, keys, problem)
    found = _find(content, keys)
    if missing := _MISSING.search(problem):
        return _wrong(path, ".".join([*kind.place(keys), missing["name"]]), "a value", None)
    expected = _EXPECTED.match(match["what"])
    types = expected["type"].removesuffix(" | null") if expected else ""
    words = _WORDS.get(types, types if types else match["what"].removeprefix("Expected "))
    if match["what"].endswith(">= 0"):
        words += " from 0"
    elif length := re.search(r"of length (\d+)", match["what"]):
        words += f" of {length[1]}"
    elif match["what"].startswith("Invalid enum value"):
        words = "a value that this version knows"
    return _wrong(path, ".".join(kind.place(keys)), words, found)


def _with_names(content: object, kind: type[Report], keys: list[str], problem: str) -> list[str]:
    """Find the keys of objects that msgspec leaves out of a place: alone, the one at fault gives the same problem."""
    for place in [place for place, key in enumerate(keys) if key == "*"]:
        above = keys[:place]
        found = _find(content, above)
        for name, inner in found.items() if isinstance(found, dict) else ():
            try:
                msgspec.convert(_replaced(content, above, {name: inner}), kind)
            except msgspec.ValidationError as again:
                if str(again) == problem:
                    keys = [*above, str(name), *keys[place + 1 :]]
                    break
    return keys


def _replaced(content: object, keys: list[str], inner: object) -> object:
    if not keys:
        return inner
    key, *deeper = keys
    if isinstance(content, dict):
        return content | {key: _replaced(content[key], deeper, inner)}
    assert isinstance(content, list), "nothing else has a place in it"
    return [_replaced(one, deeper, inner) if number == int(key) else one for number, one in enumerate(content)]


def _find(content: object, keys: list[str]) -> object:
    for key in keys:
        if isinstance(content, dict):
            content = content.get(key)
        elif isinstance(content, list) and key.isdecimal() and int(key) < len(content):
            content = content[int(key)]
        else:
            return None
    return content


def _wrong(path: object, place: str, expected: str, found: object) -> ModelError:
    shown = "".join(character if character.isprintable() else repr(character)[1:-1] for character in place)
    at = f" at {shown:.200}" if place else ""
    return ModelError(f"{path}: expected {expected}{at}, found {found!r:.80}; measure again to write it anew")


def _rest(content: object, known: object) -> JsonObject | None:
    """Find what a file holds besides what its type knows: by key, and by index within lists of one length."""
    if isinstance(content, dict) and isinstance(known, dict):
        pairs = ((str(key), inner, key in known, known.get(key)) for key, inner in content.items())
    elif isinstance(content, list) and isinstance(known, list) and len(content) == len(known):
        pairs = ((str(number), pair[0], True, pair[1]) for number, pair in enumerate(zip(content, known, strict=True)))
    else:
        return None
    found: JsonObject = {}
    for key, inner, is_known, other in pairs:
        if not is_known:
            found[key] = inner
        elif (deeper := _rest(inner, other)) is not None:
            found[key] = deeper
    return found or None


def _with_lists(value: object) -> object:
    """Make lists of tuples, as reading the file gives them."""
    if isinstance(value, dict):
        return {key: _with_lists(inner) for key, inner in value.items()}
    return [_with_lists(inner) for inner in value] if isinstance(value, list | tuple) else value


def _merged(content: object, rest: object) -> object:
    """Put what was kept back into its place."""
    if not isinstance(rest, dict):
        return content
    if isinstance(content, dict):
        return content | {key: _merged(content[key], inner) if key in content else inner for key, inner in rest.items()}
    if isinstance(content, list):
        return [_merged(one, rest.get(str(number))) for number, one in enumerate(content)]
    return content
