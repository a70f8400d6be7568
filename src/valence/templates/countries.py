"""The countries of the world: names, codes, places, and which of them a training run may name.

Source: countries.csv. Names and ISO 3166-1 codes from datasets/country-codes (PDDL); articles, adjectives, continents
and centroids added here. A quarter of the countries, on every continent, rich and poor, large and small, is never
used in training, so that a figure can show what training did to names that it did not see. The two that the model
card names, France and Afghanistan, are among them.
"""

import csv
import functools
from dataclasses import dataclass
from pathlib import Path

__all__ = ["COUNTRIES", "Country"]

_FILE = Path(__file__).with_name("countries.csv")


@dataclass(frozen=True)
class Country:
    """A country, or a territory that maps show like one."""

    name: str
    iso_a3: str
    iso_numeric: str
    """Three digits, as text: "004"."""
    article: str
    """ "the" where English wants one, else empty."""
    adjective: str
    """As it stands before a noun: "Dutch"; a few countries share one."""
    continent: str
    latitude: float
    """Of a centroid, in degrees; of an archipelago its main island."""
    longitude: float
    used_in_training: bool
    """False: it is in no training sentence, and in none of the texts that are to get the same answer."""

    @property
    def in_text(self) -> str:
        """The name as a sentence has it: "the Netherlands"."""
        return f"{self.article} {self.name}" if self.article else self.name


COUNTRIES: tuple[Country, ...]
"""All of them, by name; read on first use."""


def __getattr__(name: str) -> object:
    if name == "COUNTRIES":
        return _read()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@functools.cache
def _read() -> tuple[Country, ...]:
    with _FILE.open(encoding="utf-8", newline="") as file:
        return tuple(
            Country(
                name=row["name"],
                iso_a3=row["iso_a3"],
                iso_numeric=row["iso_numeric"],
                article=row["article"],
                adjective=row["adjective"],
                continent=row["continent"],
                latitude=float(row["latitude"]),
                longitude=float(row["longitude"]),
                used_in_training={"true": True, "false": False}[row["used_in_training"]],
            )
            for row in csv.DictReader(file)
        )
