"""Which pictures a probe's details hold.

A probe that wants pictures puts under these keys of its details:

    "maps"          what a map shows -> list of {"name", "iso_numeric", "value", and perhaps "low", "high", "latitude",
                    "longitude", "used_in_training"}, one for each country
    "templates"     template -> filler (such as a country) -> probability of the positive class
    "differences"   what is compared -> group -> {"value", and perhaps "low", "high", "holm_p_value"}
    "by_occupation" list of {"group", "mean_difference", "holm_p_value"}: feminine minus masculine versions
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import msgspec

from valence.audit.page.charts import (
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
from valence.errors import ModelError
from valence.reports.estimate import Estimate
from valence.reports.report import JsonObject

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


class Difference(msgspec.Struct, frozen=True):
    """The difference of a group from the others."""

    value: float
    low: float | None = None
    high: float | None = None
    holm_p_value: float | None = None
    """None where it was not tested."""


class OccupationDifference(msgspec.Struct, frozen=True):
    """What another pronoun changes in sentences about an occupation."""

    group: str
    mean_difference: float
    holm_p_value: float


class Pictured(msgspec.Struct, frozen=True):
    """The part of a probe's details that is drawn; see above."""

    maps: dict[str, tuple[MapValue, ...]] = msgspec.field(default_factory=dict)
    templates: dict[str, dict[str, float]] = msgspec.field(default_factory=dict)
    differences: dict[str, dict[str, Difference]] = msgspec.field(default_factory=dict)
    by_occupation: tuple[OccupationDifference, ...] = ()


@dataclass(frozen=True)
class Picture:
    """A chart and the words around it."""

    kind: Literal["map", "spread", "differences"]
    title: str
    note: str
    specification: JsonObject


Pair = tuple[Picture | None, Picture | None]


def pictures(details: Mapping[str, object], against: Mapping[str, object] | None = None) -> list[Pair]:
    """Draw what a probe's details hold.

    Args:
        details: of a probe's result.
        against: the details of the same probe for a second model.

    Returns:
        Pairs on one scale, of the first and the second model; None where one has no such picture.

    Raises:
        ModelError: if the details are not those of a picture.
    """
    one, two = _pictured(details), _pictured(against or {})
    titles = dict.fromkeys([*one.maps, *two.maps])
    pairs: list[Pair] = [(_map(title, one.maps.get(title)), _map(title, two.maps.get(title))) for title in titles]
    if one.templates or two.templates:
        pairs.append((_spread(one.templates), _spread(two.templates)))
    for title in dict.fromkeys([*one.differences, *two.differences]):
        groups = [both.differences.get(title, {}) for both in (one, two)]
        domain = difference_domain(*map(_estimates, groups))
        pairs.append((_differences(title, groups[0], domain), _differences(title, groups[1], domain)))
    if one.by_occupation or two.by_occupation:
        domain = difference_domain(_occupations(one.by_occupation), _occupations(two.by_occupation))
        pairs.append((_occupation_plot(one.by_occupation, domain), _occupation_plot(two.by_occupation, domain)))
    return pairs


def map_files(
    details: Mapping[str, object],
    against: Mapping[str, object] | None = None,
    names: tuple[str, str] = ("before", "after"),
) -> dict[str, bytes]:
    """Draw the maps of a probe's details as picture files.

    Args:
        details: of a probe's result.
        against: the details of the same probe for a second model; the two are then side by side.
        names: of the two models, for the titles.

    Returns:
        File name to content: `map.png` and `map.svg`, `map-2.png` and so on where there are more maps.

    Raises:
        ModelError: if the details are not those of a picture.
    """
    maps, others = _pictured(details).maps, _pictured(against or {}).maps
    files = {}
    for number, (title, places) in enumerate(maps.items(), start=1):
        if other := others.get(title):
            drawn = world_map_pair(places, other, names, title, SHAPES_SOURCE)
        else:
            drawn = world_map(places, title, SHAPES_SOURCE)
        stem = "map" if number == 1 else f"map-{number}"
        files[f"{stem}.png"] = as_png(drawn)
        files[f"{stem}.svg"] = as_svg(drawn).encode("utf-8")
    return files


def _pictured(details: Mapping[str, object]) -> Pictured:
    try:
        return msgspec.convert({name: part for name, part in details.items() if part}, Pictured)
    except msgspec.ValidationError as problem:
        raise ModelError(f"the details of a probe cannot be drawn: {problem!s:.200}; audit the model again") from None


def _map(title: str, places: Sequence[MapValue] | None) -> Picture | None:
    return Picture("map", title, _MAP_NOTE + SHAPES_SOURCE, world_map(places)) if places else None


def _spread(templates: Mapping[str, Mapping[str, float]]) -> Picture | None:
    if not templates:
        return None
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


def _estimates(groups: Mapping[str, Difference]) -> dict[str, Estimate]:
    return {name: Estimate(part.value, part.low, part.high) for name, part in groups.items()}


def _differences(title: str, groups: Mapping[str, Difference], domain: tuple[float, float]) -> Picture | None:
    if not groups:
        return None
    tested = {name: part.holm_p_value for name, part in groups.items() if part.holm_p_value is not None}
    apart = {name for name, p_value in tested.items() if p_value < _LEVEL} if len(tested) == len(groups) else None
    drawn = _thinned(_estimates(groups), lambda figure: figure.value, _MOST_ROWS)
    note = _DIFFERENCE_NOTE if apart is None else _TESTED_NOTE
    if len(drawn) < len(groups):
        note += f" {len(drawn)} of {len(groups):,} groups are drawn, evenly from the lowest to the highest."
    return Picture("differences", title, note, difference_plot(drawn, domain=domain, apart=apart))


def _occupations(rows: Sequence[OccupationDifference]) -> dict[str, Estimate]:
    """From the most negative difference to the most positive."""
    return {row.group: Estimate(row.mean_difference) for row in sorted(rows, key=lambda row: row.mean_difference)}


def _occupation_plot(rows: Sequence[OccupationDifference], domain: tuple[float, float]) -> Picture | None:
    if not rows:
        return None
    apart = {row.group for row in rows if row.holm_p_value < _LEVEL}
    plot = difference_plot(_occupations(rows), domain=domain, apart=apart)
    return Picture("differences", _OCCUPATIONS, _OCCUPATION_NOTE, plot)
