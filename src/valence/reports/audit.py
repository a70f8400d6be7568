"""The report of an audit: reports/audit.json."""

from collections.abc import Callable, Mapping

import msgspec

from valence.reports.environment import Machine
from valence.reports.estimate import Estimate, Interval
from valence.reports.report import Count, JsonObject, Report

__all__ = ["Against", "AuditReport", "AuditedModel", "ProbeReport", "Table"]


class Table(msgspec.Struct, frozen=True):
    """Details of a probe to read.

    Args:
        title: what it shows.
        columns: their titles.
        rows: a cell for each column.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | int | float | None, ...], ...]


class ProbeReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a probe found.

    Args:
        name: of the probe.
        title: as readers see it.
        asks: what it asks, in a sentence or two.
        figures: by name, in the order to show; None for one that is not defined for this model.
        headline: names of those that say most; none in reports of earlier versions.
        cannot_show: what must not be concluded.
        source: where the sentences come from.
        n_texts: how many texts were scored.
        tables: details to read.
        details: everything else, each probe's own.
        seconds: how long it took.
    """

    name: str
    title: str = ""
    asks: str = ""
    figures: Mapping[str, Estimate | None] = msgspec.field(default_factory=dict)
    headline: tuple[str, ...] = ()
    cannot_show: str = ""
    source: str = ""
    n_texts: Count | None = None
    tables: tuple[Table, ...] = ()
    details: JsonObject = msgspec.field(default_factory=dict)
    seconds: float | None = None

    @property
    def main_figures(self) -> Mapping[str, Estimate | None]:
        """Those that are shown where there is no room for all: the headline; all where there is none."""
        return {name: one for name, one in self.figures.items() if name in self.headline} or self.figures


class AuditedModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model that was audited: a classifier of two classes, a raw model, or a classifier beside a raw model.

    Args:
        name: how it is called.
        architecture: its family, as config.json has it.
        parameters: how many it has, if that is known.
        engine: what ran it.
        weights_sha256: of its weights, if they are known.
        engine_sha256: of the files that a classifier ran from.
        labels: the classes of a classifier.
        positive_label: the one whose probability was asked for.
        heads: what could be asked of a raw model.
        uncased: whether a raw model reads lower case.
        masked_lm: the raw model that was asked beside a classifier.
    """

    name: str
    architecture: str | None = None
    parameters: int | None = None
    engine: str | None = None
    weights_sha256: str | None = None
    engine_sha256: str | msgspec.UnsetType | None = msgspec.UNSET
    labels: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    positive_label: str | msgspec.UnsetType = msgspec.UNSET
    heads: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    uncased: bool | msgspec.UnsetType = msgspec.UNSET
    masked_lm: "AuditedModel | msgspec.UnsetType" = msgspec.UNSET


class Against(msgspec.Struct, frozen=True, kw_only=True):
    """Another model that was asked the same.

    Args:
        model: which.
        probes: what they found.
    """

    model: AuditedModel
    probes: tuple[ProbeReport, ...]


class AuditReport(Report, frozen=True, kw_only=True):
    """What an audit found.

    Args:
        model: what was audited.
        date: of the audit, ISO 8601.
        probes: what each found.
        skipped: probes that were not run, or parts of them, and why.
        against: another model that was asked the same.
        interval: how the intervals were found.
        versions: of the packages that ran.
        machine: where it ran.
        seconds: how long it took.
    """

    model: AuditedModel
    date: str | None = None
    probes: tuple[ProbeReport, ...]
    skipped: dict[str, str] = msgspec.field(default_factory=dict)
    against: Against | msgspec.UnsetType = msgspec.UNSET
    interval: Interval = Interval(method="percentile bootstrap")
    versions: dict[str, str] = msgspec.field(default_factory=dict)
    machine: Machine = Machine()
    seconds: float | None = None

    @classmethod
    def nested(cls, content: JsonObject) -> JsonObject:
        """Leave out estimates without a value: they are not defined for this model."""
        return _each_estimate(content, lambda found: None if _is_undefined(found) else found)

    @classmethod
    def flattened(cls, content: JsonObject) -> JsonObject:
        """Write estimates that are not defined as such."""
        return _each_estimate(content, lambda found: _UNDEFINED if found is None else found)


_UNDEFINED = {"value": None, "low": None, "high": None}


def _is_undefined(found: object) -> bool:
    return isinstance(found, dict) and "value" in found and found["value"] is None


def _each_estimate(content: JsonObject, change: Callable[[object], object]) -> JsonObject:
    """Change the estimates of all probes; what is not as it must be stays, and is refused by the types."""

    def probes(found: object) -> object:
        if not isinstance(found, list | tuple):
            return found
        return [
            probe | {"figures": {name: change(one) for name, one in probe["figures"].items()}}
            if isinstance(probe, dict) and isinstance(probe.get("figures"), dict)
            else probe
            for probe in found
        ]

    against = content.get("against")
    changed = content | {"probes": probes(content["probes"])} if "probes" in content else content
    if isinstance(against, dict) and "probes" in against:
        changed |= {"against": against | {"probes": probes(against["probes"])}}
    return changed
