"""Which pictures a probe's details hold.

A probe that wants pictures puts under these keys of its details:

    "maps"          what a map shows -> list of {"name", "iso_numeric", "value", and perhaps "low", "high", "latitude",
                    "longitude", "used_in_training"}, one for each country
    "templates"     template -> filler (such as a country) -> probability of the positive class
    "differences"   what is compared -> group -> {"value", and perhaps "low", "high", "holm_p_value"}
    "by_occupation" list of {"group", "mean_difference", "holm_p_value"}: feminine minus masculine versions
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, TypeVar

from valence.audit.charts import (
    SHAPES_SOURCE,
    MapValue,
    as_png,
    as_svg,
    difference_domain,
    difference_plot,
    template_spread,
    world_map,
    world_map_pair,
)
from valence.reports.estimate import Estimate

__all__ = ["Picture", "map_files", "pictures"]

T = TypeVar("T")

_MAP_NOTE = (
    "Circles are countries too small to see, or without a shape of their own; what has no colour was not asked. "
    "Choose a region to enlarge it. "
)
_SPREAD_NOTE = "A dot is the template with one filler; the bar is their mean. Neighbouring heights mean nothing."
_DIFFERENCE_NOTE = "Lines are 95 % intervals; a filled dot has one that leaves zero out."
_TESTED_NOTE = (
    "Lines are 95 % intervals, each for itself; a filled dot differs from zero at the 5 % level, corrected for the "
    "number of comparisons (Holm)."
)
_OCCUPATION_NOTE = "A filled dot differs from zero at the 5 % level, corrected for the number of occupations (Holm)."
_OCCUPATIONS = "Feminine minus masculine, by occupation"
_LEVEL = 0.05
_MOST_DOTS, _MOST_ROWS = 1000, 100  # what a reader can tell apart, and a browser draw


@dataclass(frozen=True)
class Picture:
    """A chart and the words around it."""

    kind: Literal["map", "spread", "differences"]
    title: str
    note: str
    specification: dict[str, Any]


def pictures(
    details: Mapping[str, Any], against: Mapping[str, Any] | None = None
) -> list[tuple[Picture | None, Picture | None]]:
    """Draw what a probe's details hold.

    Args:
        details: of a probe's result.
        against: the details of the same probe for a second model.

    Returns:
        Pairs on one scale, of the first and the second model; None where one has no such picture.
    """
    both = (details, against or {})
    pairs: list[tuple[Picture | None, Picture | None]] = []
    for title in _titles(both, "maps"):
        rows = [one.get("maps", {}).get(title) for one in both]
        pairs.append(_pair(None if not part else _map(title, part) for part in rows))
    if any(one.get("templates") for one in both):
        pairs.append(_pair(_spread(one["templates"]) if one.get("templates") else None for one in both))
    for title in _titles(both, "differences"):
        groups = [_figures(one.get("differences", {}).get(title, {})) for one in both]
        domain = difference_domain(*groups)
        tested = [_apart(one.get("differences", {}).get(title, {})) for one in both]
        parts = zip(groups, tested, strict=True)
        pairs.append(_pair(_differences(title, part, domain, apart) if part else None for part, apart in parts))
    if any(one.get("by_occupation") for one in both):
        rows = [one.get("by_occupation") or [] for one in both]
        domain = difference_domain(*map(_occupations, rows))
        pairs.append(_pair(_occupation_plot(part, domain) if part else None for part in rows))
    return pairs


def map_files(
    details: Mapping[str, Any],
    against: Mapping[str, Any] | None = None,
    names: tuple[str, str] = ("before", "after"),
) -> dict[str, bytes]:
    """Draw the maps of a probe's details as picture files.

    Args:
        details: of a probe's result.
        against: the details of the same probe for a second model; the two are then side by side.
        names: of the two models, for the titles.

    Returns:
        File name to content: `map.png` and `map.svg`, `map-2.png` and so on where there are more maps.
    """
    files = {}
    for number, (title, rows) in enumerate(details.get("maps", {}).items(), start=1):
        other = (against or {}).get("maps", {}).get(title)
        if other:
            drawn = world_map_pair(_values(rows), _values(other), names, title, SHAPES_SOURCE)
        else:
            drawn = world_map(_values(rows), title, SHAPES_SOURCE)
        stem = "map" if number == 1 else f"map-{number}"
        files[f"{stem}.png"] = as_png(drawn)
        files[f"{stem}.svg"] = as_svg(drawn).encode("utf-8")
    return files


def _titles(both: Sequence[Mapping[str, Any]], key: str) -> list[str]:
    return list(dict.fromkeys(title for one in both for title in one.get(key, {})))


def _pair(parts: Any) -> tuple[Picture | None, Picture | None]:
    first, second = parts
    return first, second


def _values(rows: Sequence[Mapping[str, Any]]) -> list[MapValue]:
    known = [field.name for field in fields(MapValue)]
    return [MapValue(**{name: row.get(name) for name in known}) for row in rows]  # type: ignore[arg-type]


def _map(title: str, rows: Sequence[Mapping[str, Any]]) -> Picture:
    return Picture("map", title, _MAP_NOTE + SHAPES_SOURCE, world_map(_values(rows)))


def _spread(templates: Mapping[str, Mapping[str, float]]) -> Picture:
    drawn = {text: _thinned(fillers, lambda value: value, _MOST_DOTS) for text, fillers in templates.items()}
    note = _SPREAD_NOTE
    if any(len(fillers) > _MOST_DOTS for fillers in templates.values()):
        note += f" {_MOST_DOTS:,} fillers are drawn, evenly from the lowest to the highest."
    return Picture("spread", "Each template", note, template_spread(drawn))


def _thinned(values: Mapping[str, T], key: Callable[[T], float], most: int) -> dict[str, T]:
    """All values in their order, or as many as are wanted by rank, with the lowest and the highest."""
    if len(values) <= most:
        return dict(values)
    ranked = sorted(values, key=lambda name: key(values[name]))
    return {name: values[name] for name in (ranked[n * (len(ranked) - 1) // (most - 1)] for n in range(most))}


def _figures(groups: Mapping[str, Mapping[str, Any]]) -> dict[str, Estimate]:
    return {name: Estimate(part["value"], part.get("low"), part.get("high")) for name, part in groups.items()}


def _apart(groups: Mapping[str, Mapping[str, Any]]) -> set[str] | None:
    """The groups that differ from zero after correction; None where they were not tested."""
    if not all("holm_p_value" in part for part in groups.values()):
        return None
    return {name for name, part in groups.items() if part["holm_p_value"] < _LEVEL}


def _differences(
    title: str, groups: Mapping[str, Estimate], domain: tuple[float, float], apart: set[str] | None
) -> Picture:
    drawn = _thinned(groups, lambda figure: figure.value, _MOST_ROWS)
    note = _DIFFERENCE_NOTE if apart is None else _TESTED_NOTE
    if len(drawn) < len(groups):
        note += f" {len(drawn)} of {len(groups):,} groups are drawn, evenly from the lowest to the highest."
    return Picture("differences", title, note, difference_plot(drawn, domain=domain, apart=apart))


def _occupations(rows: Sequence[Mapping[str, Any]]) -> dict[str, Estimate]:
    """From the most negative difference to the most positive."""
    ordered = sorted(rows, key=lambda row: float(row["mean_difference"]))
    return {str(row["group"]): Estimate(row["mean_difference"]) for row in ordered}


def _occupation_plot(rows: Sequence[Mapping[str, Any]], domain: tuple[float, float]) -> Picture:
    apart = {str(row["group"]) for row in rows if row["holm_p_value"] < _LEVEL}
    plot = difference_plot(_occupations(rows), domain=domain, apart=apart)
    return Picture("differences", _OCCUPATIONS, _OCCUPATION_NOTE, plot)
