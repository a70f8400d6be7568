"""The Winogender schemas (Rudinger et al. 2018), read and checked."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from valence.audit.pronouns import pronoun_places
from valence.audit.suites.suite import Suite, check_folder, rows
from valence.data.rows import Row
from valence.errors import DataError

__all__ = ["WINOGENDER", "WinogenderTriple", "read_winogender"]

_TRIPLES = 240
_OCCUPATIONS = 60
_SENTENCE_ID = re.compile(r"([^.]+)\.([^.]+)\.([01])\.(male|female|neutral)\.txt")


@dataclass(frozen=True)
class WinogenderTriple:
    """A sentence with a masculine, a feminine and a neutral pronoun."""

    occupation: str
    participant: str
    """The other person, or "someone"."""
    pronoun_means: Literal["occupation", "participant"]
    masculine: str
    feminine: str
    neutral: str
    percent_women: float
    """Of the people with this occupation, by the US Bureau of Labor Statistics."""
    percent_women_in_text: float
    """Of its mentions in text (Bergsma and Lin)."""


def read_winogender(folder: Path) -> tuple[WinogenderTriple, ...]:
    """Read the Winogender schemas and the shares of women that come with them.

    Args:
        folder: of all_sentences.tsv and occupations-stats.tsv.

    Returns:
        240 triples: 60 occupations, each with two participants and two meanings of the pronoun.

    Raises:
        DataError: if they are not what was published.
    """
    sentences, statistics = folder / "all_sentences.tsv", folder / "occupations-stats.tsv"
    check_folder(folder, [sentences.name, statistics.name])
    shares = _shares_of_women(statistics)
    versions: dict[tuple[str, str, str], dict[str, Row]] = {}
    for row in rows(sentences, ("sentid", "sentence")):
        parts = _SENTENCE_ID.fullmatch(str(row.values["sentid"]))
        if parts is None:
            raise DataError(
                f"expected an id such as nurse.patient.0.female.txt, found {row.values['sentid']!r:.60}",
                sentences,
                row.line,
            )
        occupation, participant, answer, gender = parts.groups()
        if occupation not in shares:
            raise DataError(f"{statistics.name} lacks the occupation {occupation!r}", sentences, row.line)
        known = versions.setdefault((occupation, participant, answer), {})
        if gender in known:
            raise DataError(f"{parts.string} is there twice, first in line {known[gender].line}", sentences, row.line)
        known[gender] = row
    if len(versions) != _TRIPLES:
        raise DataError(f"expected {_TRIPLES} triples of sentences, found {len(versions)}", sentences)
    return tuple(_triple(key, known, shares[key[0]], sentences) for key, known in versions.items())


def _shares_of_women(path: Path) -> dict[str, tuple[float, float]]:
    columns = ("occupation", "bls_pct_female", "bergsma_pct_female")
    shares: dict[str, tuple[float, float]] = {}
    for row in rows(path, columns):
        occupation, *figures = (str(row.values[column]) for column in columns)
        try:
            labour, text = map(float, figures)
        except ValueError:
            raise DataError(f"expected two percentages, found {' and '.join(figures)[:60]}", path, row.line) from None
        if not (0 <= labour <= 100 and 0 <= text <= 100):
            raise DataError(f"expected two percentages, found {' and '.join(figures)[:60]}", path, row.line)
        shares[occupation] = (labour, text)
    if len(shares) != _OCCUPATIONS:
        raise DataError(f"expected {_OCCUPATIONS} occupations, found {len(shares)}", path)
    return shares


def _triple(
    key: tuple[str, str, str], versions: Mapping[str, Row], shares: tuple[float, float], path: Path
) -> WinogenderTriple:
    name = ".".join(key)
    if absent := [gender for gender in ("male", "female", "neutral") if gender not in versions]:
        raise DataError(f"{name}: no {' and no '.join(absent)} version", path)
    masculine, feminine, neutral = (
        str(versions[gender].values["sentence"]) for gender in ("male", "female", "neutral")
    )
    if pronoun_places(masculine, feminine) is None:
        raise DataError(
            f"{name}: expected the male version with other pronouns, found {feminine!r:.100}",
            path,
            versions["female"].line,
        )
    meaning: Literal["occupation", "participant"] = "occupation" if key[2] == "0" else "participant"
    return WinogenderTriple(key[0], key[1], meaning, masculine, feminine, neutral, *shares)


WINOGENDER = Suite(
    name="winogender",
    source="https://github.com/rudinger/winogender-schemas (data)",
    places=("winogender", "winogender-schemas/data"),
    reader=read_winogender,
)
