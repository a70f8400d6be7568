"""Which probes there are, and which of them an audit runs: those that fit the model and whose data is there."""

import difflib
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar, get_args

from valence.audit.probe import Need, Probe
from valence.audit.probes.behaviour import BehaviourProbe
from valence.audit.probes.countries import CountriesProbe
from valence.audit.probes.crows_pairs import CrowsPairsProbe
from valence.audit.probes.identities import IdentitiesProbe
from valence.audit.probes.kept_labels import KeptLabelsProbe
from valence.audit.probes.names import NamesProbe
from valence.audit.probes.own_templates import OwnTemplatesProbe, built_in_words, read_templates, read_words
from valence.audit.probes.stereoset import StereoSetClassifierProbe, StereoSetProbe
from valence.audit.probes.winobias import WinoBiasMaskedLMProbe, WinoBiasProbe
from valence.audit.probes.winogender import WinogenderMaskedLMProbe, WinogenderProbe
from valence.audit.suites.crows_pairs import CROWS_PAIRS
from valence.audit.suites.stereoset import STEREOSET
from valence.audit.suites.suite import Suite
from valence.audit.suites.winobias import WINOBIAS
from valence.audit.suites.winogender import WINOGENDER
from valence.errors import InputError

__all__ = [
    "OWN_TEMPLATES",
    "PROBES",
    "SUITES",
    "Plan",
    "plan_probes",
    "probe_names",
    "read_own_templates",
    "register_probe",
]

OWN_TEMPLATES = OwnTemplatesProbe.name
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
SUITES: tuple[Suite[object], ...] = (STEREOSET, CROWS_PAIRS, WINOBIAS, WINOGENDER)
"""The published suites."""

Content_contra = TypeVar("Content_contra", contravariant=True)
Content = TypeVar("Content")


class ProbeClass(Protocol):
    """Makes a probe that brings its own data."""

    name: str
    needs: frozenset[Need]

    def __call__(self) -> Probe:
        """Make it."""
        ...


class SuiteProbeClass(Protocol[Content_contra]):
    """Makes a probe that asks a published suite."""

    name: str
    needs: frozenset[Need]

    def __call__(self, content: Content_contra, /) -> Probe:
        """Make it."""
        ...


@dataclass(frozen=True)
class _Data:
    """What probes may be made from: folders of suites, and a user's own templates."""

    folders: Sequence[Path]
    own_templates: OwnTemplatesProbe | None

    def __post_init__(self) -> None:
        for folder in self.folders:
            STEREOSET.find(folder)  # refuses what is no folder, even where no suite is asked for


@dataclass(frozen=True)
class _Row:
    """A probe that can be asked for by name."""

    name: str
    needs: frozenset[Need]
    make: Callable[[_Data], Probe | str]
    """Gives the probe, or says why it cannot be made."""


def _with_own_data(probe: ProbeClass) -> _Row:
    return _Row(probe.name, probe.needs, lambda _: probe())


def _of_suite(suite: Suite[Content], probe: SuiteProbeClass[Content]) -> _Row:
    def make(data: _Data) -> Probe | str:
        path = next((found for folder in data.folders if (found := suite.find(folder)) is not None), None)
        return _absent(suite, data.folders) if path is None else probe(suite.read(path))

    return _Row(probe.name, probe.needs, make)


def _own_templates(data: _Data) -> Probe | str:
    return data.own_templates or "needs templates of yours: name their file with --templates"


_ROWS = [
    _with_own_data(CountriesProbe),
    _with_own_data(KeptLabelsProbe),
    _with_own_data(NamesProbe),
    _with_own_data(IdentitiesProbe),
    _with_own_data(BehaviourProbe),
    _Row(OWN_TEMPLATES, OwnTemplatesProbe.needs, _own_templates),
    _of_suite(WINOBIAS, WinoBiasProbe),
    _of_suite(WINOGENDER, WinogenderProbe),
    _of_suite(STEREOSET, StereoSetClassifierProbe),
    _of_suite(WINOBIAS, WinoBiasMaskedLMProbe),
    _of_suite(WINOGENDER, WinogenderMaskedLMProbe),
    _of_suite(STEREOSET, StereoSetProbe),
    _of_suite(CROWS_PAIRS, CrowsPairsProbe),
]
PROBES: tuple[str, ...] = tuple(row.name for row in _ROWS)
"""The names of the package's own probes, in the order in which they run."""

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


def probe_names() -> tuple[str, ...]:
    """List the probes that can be asked for.

    Returns:
        Their names, in the order in which they run: the package's own, then those that were registered.
    """
    return tuple(row.name for row in _ROWS)


def register_probe(probe: ProbeClass) -> Callable[[], None]:
    """Add a probe of one's own to those that an audit runs, before `valence.cli` is imported for the command, too.

    Args:
        probe: its class, or whatever makes it and has its `name` and `needs`.

    Returns:
        Takes it back.

    Raises:
        InputError: if there is a probe of that name, or the name, what it needs or its headline is of no use.
    """
    name: object = probe.name
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InputError(f"a probe needs a name of small letters, digits and hyphens, found {name!r:.40}")
    if name in probe_names():
        raise InputError(f"there is a probe called {name!r:.40} already")
    if not set(probe.needs) <= set(get_args(Need)):
        raise InputError(f"{name}: a probe needs some of {', '.join(get_args(Need))}, found {set(probe.needs)!r:.80}")
    try:
        re.compile(getattr(probe, "headline", ""))
    except (re.error, TypeError) as problem:
        raise InputError(f"{name}: the headline is no regular expression: {problem}") from None
    row = _with_own_data(probe)
    _ROWS.append(row)
    return lambda: _ROWS.remove(row)


def plan_probes(
    offers: Collection[Need],
    names: Sequence[str] = (),
    data: Sequence[Path] = (),
    own_templates: OwnTemplatesProbe | None = None,
) -> Plan:
    """Choose the probes of an audit and read their data.

    Args:
        offers: what can be asked of the model.
        names: of the probes that are wanted; all of `probe_names` if empty, own templates where there are any.
        data: folders that may hold the published suites; the first that has one gives it.
        own_templates: the probe of a user's templates; it runs whether it is named or not.

    Returns:
        The plan.

    Raises:
        InputError: if a name is none of `probe_names`.
        DataError: if a folder is none, or a suite that is needed is not as published.
    """
    _check_names(names)
    wanted = set(names) or set(probe_names()) - {OWN_TEMPLATES}
    if own_templates is not None:
        wanted.add(OWN_TEMPLATES)
    there = _Data(data, own_templates)
    probes: list[Probe] = []
    skipped: dict[str, str] = {}
    for row in _ROWS:
        if row.name not in wanted:
            continue
        if lacking := sorted(row.needs - set(offers)):
            skipped[row.name] = _LACKS[lacking[0]]
        elif isinstance(made := row.make(there), str):
            skipped[row.name] = made
        else:
            probes.append(made)
    return Plan(tuple(probes), skipped | _parts_left_out(probes, offers))


def _check_names(names: Sequence[str]) -> None:
    known = probe_names()
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise InputError(f"no probe is called {name!r:.40}: {hint}there are {', '.join(known)}")


def _parts_left_out(probes: Sequence[Probe], offers: Collection[Need]) -> dict[str, str]:
    if "next-sentence" in offers or all(probe.name != StereoSetProbe.name for probe in probes):
        return {}
    return {f"{StereoSetProbe.name}, next sentences": _LACKS["next-sentence"]}


def _absent(suite: Suite[object], data: Sequence[Path]) -> str:
    where = f"not found in {', '.join(map(str, data))}" if data else "its data is not part of the package"
    return f"{where}: get it from {suite.source} and name the folder that holds it with --data"


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
