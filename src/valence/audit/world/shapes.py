"""The shapes of the world's countries, as TopoJSON, and how large each is.

Source: Natural Earth 1:50m as npm world-atlas 2.0.2 packs it; see README.md beside the file. The format:
https://github.com/topojson/topojson-specification.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from valence.reports.report import JsonObject

__all__ = ["OBJECT", "largest_parts", "read_world"]

OBJECT = "countries"
"""The name of the topology's one object."""
_FILE = Path(__file__).parent / "countries-50m.json"
_ANTARCTICA = "010"
_EARTH_RADIUS = 6371.0  # km


def read_world() -> JsonObject:
    """Read the shapes of all countries.

    Returns:
        A topology; a geometry's "id" is its ISO 3166-1 numeric code as three digits. Antarctica, which is no
        country, is left out. Do not write to it.
    """
    return _topology()


@cache
def _topology() -> dict[str, Any]:
    topology: dict[str, Any] = json.loads(_FILE.read_text(encoding="utf-8"))
    countries = topology["objects"][OBJECT]
    geometries = [geometry for geometry in countries["geometries"] if geometry.get("id") != _ANTARCTICA]
    return {**topology, "objects": {OBJECT: {**countries, "geometries": geometries}}}


@cache
def largest_parts() -> dict[str, float]:
    """Measure the largest connected part of each country, which decides whether a map shows the country at all.

    Returns:
        ISO 3166-1 numeric code to km², to within a few per cent. Do not write to it.
    """
    topology = _topology()
    scale, shift = (np.array(topology["transform"][name]) for name in ("scale", "translate"))
    arcs = [np.cumsum(np.array(arc), axis=0) * scale + shift for arc in topology["arcs"]]
    largest: dict[str, float] = {}
    for geometry in topology["objects"][OBJECT]["geometries"]:
        parts = geometry["arcs"] if geometry["type"] == "MultiPolygon" else [geometry["arcs"]]
        area = max(_area(_ring(outer, arcs)) for outer, *_ in parts)
        code = geometry.get("id")
        if code is not None:
            largest[code] = max(area, largest.get(code, 0.0))
    return largest


def _ring(indices: list[int], arcs: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """The corners of a ring, [P, 2] degrees; a negative index is an arc that is walked backwards."""
    return np.concatenate([arcs[index] if index >= 0 else arcs[~index][::-1] for index in indices])


def _area(ring: NDArray[np.float64]) -> float:
    """Of a ring on the sphere, km²: Chamberlain & Duquette 2007, "Some algorithms for polygons on a sphere"."""
    steps = np.diff(np.radians(ring[:, 0]))
    steps = (steps + np.pi) % (2 * np.pi) - np.pi  # across the date line
    heights = np.sin(np.radians(ring[:, 1]))
    return abs(float((steps * (heights[1:] + heights[:-1])).sum())) / 2 * _EARTH_RADIUS**2
