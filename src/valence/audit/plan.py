"""Which probes an audit runs: those that fit the model and whose data is there, with the reason for each left out."""

import difflib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from valence.audit.countries import CountriesProbe
from valence.audit.crows_pairs import CrowsPairsProbe
from valence.audit.identities import IdentitiesProbe
from valence.audit.kept_labels import KeptLabelsProbe
from valence.audit.names import NamesProbe
from valence.audit.own_templates import OwnTemplatesProbe, built_in_words, read_templates, read_words
from valence.audit.probe import Need, Probe
from valence.audit.stereoset import StereoSetClassifierProbe, StereoSetProbe
from valence.audit.suites import (
    SOURCES,
    SuiteName,
    find_suites,
    read_crows_pairs,
    read_stereoset,
    read_winobias,
    read_winogender,
)
from valence.audit.winobias import WinoBiasMaskedLMProbe, WinoBiasProbe
from valence.audit.winogender import WinogenderMaskedLMProbe, WinogenderProbe
from valence.errors import InputError

__all__ = ["OWN_TEMPLATES", "PROBES", "Plan", "plan_probes", "read_own_templates"]

OWN_TEMPLATES = OwnTemplatesProbe.name


@dataclass(frozen=True)
class _Known:
    """A probe that can be asked for by name."""

    name: str
    needs: frozenset[Need]
    suite: SuiteName | None
    make: Callable[[Any], Probe]
    """From the content of the suite, or of the user's templates."""


def _with_own_data(probe: Any) -> _Known:
    return _Known(probe.name, probe.needs, None, lambda _: probe())


def _of_suite(suite: SuiteName, probe: Any) -> _Known:
    return _Known(probe.name, probe.needs, suite, probe)


_KNOWN = (
    _with_own_data(CountriesProbe),
    _with_own_data(KeptLabelsProbe),
    _with_own_data(NamesProbe),
    _with_own_data(IdentitiesProbe),
    _Known(OWN_TEMPLATES, OwnTemplatesProbe.needs, None, lambda probe: probe),
    _of_suite("winobias", WinoBiasProbe),
    _of_suite("winogender", WinogenderProbe),
    _of_suite("stereoset", StereoSetClassifierProbe),
    _of_suite("winobias", WinoBiasMaskedLMProbe),
    _of_suite("winogender", WinogenderMaskedLMProbe),
    _of_suite("stereoset", StereoSetProbe),
    _of_suite("crows_pairs", CrowsPairsProbe),
)
PROBES: tuple[str, ...] = tuple(one.name for one in _KNOWN)
"""The names of all probes, in the order in which they run."""

_READERS: dict[SuiteName, Callable[[Path], Any]] = {
    "stereoset": read_stereoset,
    "crows_pairs": read_crows_pairs,
    "winobias": read_winobias,
    "winogender": read_winogender,
}
_LACKS: dict[Need, str] = {
    "classifier": "needs a classifier, and this is a raw model",
    "masked-lm": "needs a masked LM: name a raw model with --masked-lm",
    "next-sentence": "the raw model has no next-sentence head",
}


@dataclass(frozen=True)
class Plan:
    """What an audit runs.

    Args:
        probes: in order, with their data.
        skipped: those left out, and why.
    """

    probes: tuple[Probe, ...]
    skipped: dict[str, str]

    def fitting(self, offers: Collection[Need]) -> "Plan":
        """Leave out what does not fit another model.

        Args:
            offers: what can be asked of it.

        Returns:
            The probes that can be run on both.
        """
        probes = tuple(probe for probe in self.probes if probe.needs <= set(offers))
        return Plan(probes, _parts_left_out(probes, offers))


def plan_probes(
    offers: Collection[Need],
    names: Sequence[str] = (),
    data: Sequence[Path] = (),
    own_templates: OwnTemplatesProbe | None = None,
) -> Plan:
    """Choose the probes of an audit and read their data.

    Args:
        offers: what can be asked of the model.
        names: of the probes that are wanted; all of `PROBES` if empty, own templates where there are any.
        data: folders that may hold the published suites; the first that has one gives it.
        own_templates: the probe of a user's templates; it runs whether it is named or not.

    Returns:
        The plan.

    Raises:
        InputError: if a name is none of `PROBES`.
        DataError: if a folder is none, or a suite that is needed is not as published.
    """
    _check_names(names)
    wanted = set(names) or set(PROBES) - {OWN_TEMPLATES}
    if own_templates is not None:
        wanted.add(OWN_TEMPLATES)
    found: dict[SuiteName, Path] = {}
    for folder in data:
        found = find_suites(folder) | found
    contents: dict[SuiteName, Any] = {}
    probes: list[Probe] = []
    skipped: dict[str, str] = {}
    for known in _KNOWN:
        if known.name not in wanted:
            continue
        if lacking := sorted(known.needs - set(offers)):
            skipped[known.name] = _LACKS[lacking[0]]
        elif known.suite is not None and known.suite not in found:
            skipped[known.name] = _absent(known.suite, data)
        elif known.suite is not None:
            if known.suite not in contents:
                contents[known.suite] = _READERS[known.suite](found[known.suite])
            probes.append(known.make(contents[known.suite]))
        elif known.name == OWN_TEMPLATES and own_templates is None:
            skipped[known.name] = "needs templates of yours: name their file with --templates"
        else:
            probes.append(known.make(own_templates))
    return Plan(tuple(probes), skipped | _parts_left_out(probes, offers))


def _check_names(names: Sequence[str]) -> None:
    for name in names:
        if name not in PROBES:
            near = difflib.get_close_matches(name, PROBES, 1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise InputError(f"no probe is called {name!r:.40}: {hint}there are {', '.join(PROBES)}")


def _parts_left_out(probes: Sequence[Probe], offers: Collection[Need]) -> dict[str, str]:
    if "next-sentence" in offers or all(probe.name != StereoSetProbe.name for probe in probes):
        return {}
    return {f"{StereoSetProbe.name}, next sentences": _LACKS["next-sentence"]}


def _absent(suite: SuiteName, data: Sequence[Path]) -> str:
    where = f"not found in {', '.join(map(str, data))}" if data else "its data is not part of the package"
    return f"{where}: get it from {SOURCES[suite]} and name the folder that holds it with --data"


def read_own_templates(templates: Path, words: Mapping[str, Path]) -> OwnTemplatesProbe:
    """Make a probe of a user's templates.

    Args:
        templates: their file; see `read_templates`.
        words: slot names to files of words, which replace the built-in list of that name; see `read_words`.

    Returns:
        The probe.

    Raises:
        DataError: if a file is not as expected.
        InputError: if there are words for a slot that no template has, or the templates make too many sentences.
    """
    lists = built_in_words() | {slot: read_words(path) for slot, path in words.items()}
    read = read_templates(templates, lists)
    slots = list(dict.fromkeys(slot for one in read for slot in one.slots))
    for slot in words:
        if slot not in slots:
            there = ", ".join(f"{{{name}}}" for name in slots)
            raise InputError(f"words for the slot {{{slot}}}, which no template of {templates} has: there are {there}")
    origins = [f"{{{slot}}}: {words[slot].name if slot in words else 'built-in list'}" for slot in slots]
    return OwnTemplatesProbe(read, lists, source=f"Templates: {templates.name}; words: {', '.join(origins)}.")
