"""Every fact of a model folder that a card can state: its value, where it comes from, and how it can be checked.

Facts come from config.json, onnx/manifest.json and reports/*.json. What is not there is recorded as missing, with the
command that measures it; nothing is ever filled in. A report of other weights than the folder holds counts as missing.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from valence.card.fact import Fact
from valence.card.marks import slug
from valence.card.report import Report, read_report
from valence.card.report_facts import (
    agreement_facts,
    audit_facts,
    comparison_facts,
    data_titles,
    evaluation_facts,
    megabytes,
    training_facts,
)
from valence.errors import InputError, ModelError
from valence.files import sha256
from valence.folder import ModelFolder
from valence.runtime.manifest import Export, Manifest, read_manifest

__all__ = [
    "AUDIT",
    "AUDIT_BEFORE",
    "MAPS",
    "ORIGIN",
    "RISKS",
    "TRAINING",
    "Facts",
    "Missing",
    "collect_facts",
    "map_details",
    "model_hashes",
]

AUDIT, AUDIT_BEFORE = "audit.json", "audit-before.json"
"""What `valence audit` found, and what it found before the bias was reduced."""
TRAINING = "training.json"
ORIGIN = "origin.json"
"""What nobody can measure: title, languages, licence, the sources that the weights were made from. Written by hand."""
MAPS = ("map", "map-before")
"""Pictures beside the card, .png or .svg: the map of each of the two audits. One that lies among the reports is taken,
or beside the card already; else it is drawn."""
_PICTURES = (".png", ".svg")

RISKS = "Risks, Limitations and Biases"
"""The section of the card that bias stands in."""
_SHAPE = {
    "layers": ("n_layers", "num_hidden_layers"),
    "width": ("dim", "hidden_size"),
    "heads": ("n_heads", "num_attention_heads"),
    "feed_forward_width": ("hidden_dim", "intermediate_size"),
    "vocabulary": ("vocab_size",),
    "positions": ("max_position_embeddings",),
}


@dataclass(frozen=True)
class Missing:
    """Something that a card would state if it were known.

    Args:
        section: of the card.
        what: as the start of a sentence.
        advice: how to get it.
    """

    section: str
    what: str
    advice: str


@dataclass(frozen=True)
class Facts:
    """All that is known of a model.

    Args:
        folder: the model.
        hashes: what its weights and engines can be known by.
        by_name: the facts.
        missing: what is not known.
        manifest: of its exported engines.
        training: the report of its training.
        evaluations: reports by the slug of their data, the one that the epoch was chosen on first.
        comparisons: reports by the slug of their file.
        audit: what the audit found.
        before: what an audit found before the bias was reduced.
        origin: what was written down by hand.
        pictures: the maps, by their names in `MAPS`; None for one that has to be drawn.
    """

    folder: ModelFolder
    hashes: frozenset[str]
    by_name: dict[str, Fact]
    missing: tuple[Missing, ...]
    manifest: Manifest | None
    training: Report | None
    evaluations: dict[str, Report]
    comparisons: dict[str, Report]
    audit: Report | None
    before: Report | None
    origin: Report | None
    pictures: dict[str, Path | None] = field(default_factory=dict)

    def picture_file(self, name: str) -> str:
        """Name the file of a picture beside the card.

        Args:
            name: of `MAPS`.

        Returns:
            Its name.
        """
        path = self.pictures[name]
        return f"{name}.png" if path is None else path.name

    @cached_property
    def titles(self) -> dict[str, str]:
        """What the data of each evaluation are called, unlike all others, by the slug of its file."""
        return data_titles(self.evaluations)

    @property
    def export(self) -> Export | None:
        """The engine that runs unless another is asked for."""
        return None if self.manifest is None else self.manifest.exports[self.manifest.default]


def collect_facts(folder: ModelFolder, reports: Path | None = None) -> Facts:
    """Read everything that a model folder says of itself.

    Args:
        folder: the model.
        reports: where its reports lie, if not in the folder.

    Returns:
        The facts.

    Raises:
        ModelError: if a report cannot be understood; names the file and what was expected.
        InputError: if the folder of reports is none.
    """
    if reports is not None and not reports.is_dir():
        raise InputError(f"{reports}: no such folder of reports")
    return _Collector(folder, reports or folder.reports).collect()


def model_hashes(folder: ModelFolder) -> frozenset[str]:
    """Hash what can run of a model, in the ways in which reports name it.

    Args:
        folder: the model.

    Returns:
        SHA-256 of the weights, of each exported file, and of the files of each export together.
    """
    manifest = read_manifest(folder)
    found = {sha256(folder.weight_files)} if folder.weight_files else set()
    for export in () if manifest is None else manifest.exports.values():
        paths = [folder.manifest_file.parent / file for file in export.files]
        found |= {sha256(paths), *map(sha256, paths)}
    return frozenset(found)


class _Collector:
    def __init__(self, folder: ModelFolder, reports: Path) -> None:
        self.folder = folder
        self.reports = reports
        self.manifest = read_manifest(folder)
        self.hashes = model_hashes(folder)
        self.known_as = self.hashes | {export.source_sha256 for export in self.exports}
        self.facts: dict[str, Fact] = {}
        self.missing: list[Missing] = []
        self.called = "default" if folder.embedded else "MODEL"

    @property
    def exports(self) -> tuple[Export, ...]:
        return () if self.manifest is None else tuple(self.manifest.exports.values())

    def collect(self) -> Facts:
        training = self.own(TRAINING, "Training", "the report of the training", "valence train")
        self.add(self.of_the_model())
        self.add(self.of_the_size())
        if training is not None:
            self.add(training_facts(training))
        evaluations = self.evaluations(training)
        comparisons = self.comparisons()
        audit, before = self.audits()
        origin = read_report(self.reports / ORIGIN)
        if origin is None:
            self.lacks(
                "Origin and Licences", "the origin and licence of the weights", f"reports/{ORIGIN}, written by hand"
            )
        pictures = self.pictures(audit, before)
        if audit is not None and MAPS[0] not in pictures:
            self.lacks(RISKS, "the map", f"valence audit {self.called} --out DIR")
        return Facts(
            self.folder,
            self.hashes,
            self.facts,
            tuple(self.missing),
            self.manifest,
            training,
            evaluations,
            comparisons,
            audit,
            before,
            origin,
            pictures,
        )

    def add(self, facts: Iterable[Fact]) -> None:
        for fact in facts:
            if fact.name in self.facts:
                raise ModelError(f"{fact.file} and {self.facts[fact.name].file} both state {fact.name}: rename one")
            self.facts[fact.name] = fact

    def lacks(self, section: str, what: str, advice: str) -> None:
        self.missing.append(Missing(section, what, advice))

    def own(self, name: str, section: str, what: str, advice: str) -> Report | None:
        """Read a report of this model; one of other weights is as good as none."""
        report = read_report(self.reports / name)
        if report is None:
            self.lacks(section, what, advice)
        elif not self.is_own(report):
            self.lacks(section, f"{what} ({report.file} is of other weights than the folder holds)", advice)
            return None
        return report

    def is_own(self, report: Report) -> bool:
        stated = {
            found
            for keys in (
                ("model", "weights_sha256"),
                ("model", "engine_sha256"),
                ("weights_sha256",),
                ("kept_as", "weights_sha256"),
            )
            if isinstance(found := report.find(*keys), str)
        }
        return not stated or not self.hashes or bool(stated & self.known_as)

    def of_the_model(self) -> Iterator[Fact]:
        config = self.folder.config
        for name, keys in _SHAPE.items():
            for key in keys:
                value = config.get(key)
                if isinstance(value, int) and not isinstance(value, bool):
                    yield Fact(f"model.{name}", value, f"{value:,}", "config.json", key)
                    break
        parameters = self.folder.n_parameters
        if parameters is None:
            self.lacks("Model Details", "the number of parameters", "model.safetensors or a training report")
            return
        by_weights = bool(self.folder.weight_files)
        yield Fact(
            "model.parameters",
            parameters,
            f"{parameters:,}",
            self.folder.weight_files[0].name if by_weights else f"reports/{TRAINING}",
            "shapes" if by_weights else "parameters",
            "exact",
        )

    def of_the_size(self) -> Iterator[Fact]:
        for export in self.exports:
            file = f"onnx/{self.folder.manifest_file.name}"
            place = f"exports.{export.file}"
            name = slug(export.file)
            yield Fact(f"size.{name}", export.bytes, megabytes(export.bytes), file, f"{place}.bytes", "exact", "bytes")
            yield from agreement_facts(name, file, place, export.agreement)
        if self.folder.weight_files:
            n_bytes = sum(path.stat().st_size for path in self.folder.weight_files)
            file = self.folder.weight_files[0].name
            yield Fact("size.weights", n_bytes, megabytes(n_bytes), file, "size", "exact", "bytes")

    def evaluations(self, training: Report | None) -> dict[str, Report]:
        found: dict[str, Report] = {}
        for path in sorted(self.reports.glob("evaluation-*.json"), key=lambda path: path.stem):
            name = path.stem.removeprefix("evaluation-")
            report = self.own(
                path.name, "Evaluation", f"what was measured on {name}", f"valence evaluate {self.called} DATA"
            )
            if report is None:
                continue
            if slug(name) in found:
                raise ModelError(f"{path} and {found[slug(name)].path.name} have too similar names: rename one")
            found[slug(name)] = report
            self.add(evaluation_facts(slug(name), report))
        if not found and self.folder.labels is not None:
            self.lacks("Evaluation", "every figure of merit", f"valence evaluate {self.called} DATA")
        chosen_on = None if training is None else training.find("chosen_on")
        first = [name for name in found if isinstance(chosen_on, str) and name == slug(chosen_on)]
        return {name: found[name] for name in [*first, *(name for name in found if name not in first)]}

    def comparisons(self) -> dict[str, Report]:
        found: dict[str, Report] = {}
        for path in sorted(self.reports.glob("comparison*.json")):
            report = read_report(path)
            assert report is not None
            place = self.place_in(report)
            if place is None:
                self.lacks(
                    "Comparison",
                    f"a comparison ({report.file} is of other weights than the folder holds)",
                    f"valence compare {self.called} OTHER DATA --out MODEL/{report.file}",
                )
                continue
            name = slug(path.stem)
            found[name] = report
            self.add(comparison_facts(name, report))
        if not found and self.folder.labels is not None:
            advice = f"valence compare {self.called} OTHER DATA --out MODEL/reports/comparison.json"
            self.lacks("Comparison", "a comparison with another model", advice)
            self.lacks("Size and Speed", "the speed, beside a reference in the same run", advice)
        return found

    def place_in(self, report: Report) -> int | None:
        """Find out which of the two models of a comparison this one is."""
        for place, model in enumerate(report.objects("models")):
            if not self.hashes or {model.find("weights_sha256"), model.find("engine_sha256")} & self.known_as:
                return place
        return None

    def audits(self) -> tuple[Report | None, Report | None]:
        advice = f"valence audit {self.called} --out DIR"
        section = RISKS
        audit = self.own(AUDIT, section, "what the model does to countries, names and groups", advice)
        before = read_report(self.reports / AUDIT_BEFORE)
        if audit is not None:
            self.add(audit_facts("bias", audit))
            if before is not None:
                self.add(audit_facts("bias-before", before))
        return audit, before if audit is not None else None

    def pictures(self, audit: Report | None, before: Report | None) -> dict[str, Path | None]:
        found: dict[str, Path | None] = {}
        for name, report in zip(MAPS, (audit, before), strict=True):
            # Not those beside the card: it wrote them itself, perhaps from an older audit.
            paths = [path for suffix in _PICTURES if (path := self.reports / f"{name}{suffix}").is_file()]
            if report is not None and paths:
                found[name] = paths[0]
            elif report is not None and map_details(report) is not None:
                found[name] = None
        return found


def map_details(audit: Report) -> dict[str, Any] | None:
    """Find what a map can be drawn from.

    Args:
        audit: reports/audit.json.

    Returns:
        The details of the first probe that has maps, or None.
    """
    for probe in audit.objects("probes"):
        details: Any = probe.find("details")
        if isinstance(details, dict) and isinstance(details.get("maps"), dict) and details["maps"]:
            return details
    return None
