"""All sources of a model's card: config.json, onnx/manifest.json and reports/*.json, each read once.

What is not there is recorded as missing, with the command that measures it; nothing is ever filled in. A report of
other weights than the folder holds counts as missing.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, TypeVar

from valence.card.anchors import slug
from valence.card.folder_sources import AgreementSource, ConfigSource, ExportSource, ParametersSource, WeightsSource
from valence.card.report_sources import (
    ComparisonSource,
    EvaluationSource,
    ProbeSource,
    TrainingSource,
    data_titles,
    probe_sources,
)
from valence.card.statement import Source, Statement
from valence.errors import InputError, ModelError
from valence.files import sha256
from valence.folder import ModelFolder
from valence.reports.audit import AuditReport
from valence.reports.codec import read_report
from valence.reports.comparison import ComparisonReport
from valence.reports.evaluation import EvaluationReport
from valence.reports.origin import Origin
from valence.reports.report import JsonObject, Report
from valence.reports.training import TrainingReport
from valence.runtime.manifest import Export, read_manifest

__all__ = [
    "MAPS",
    "RISKS",
    "TRAINING",
    "WRITTEN_BY",
    "Missing",
    "Sources",
    "map_details",
    "model_hashes",
    "read_sources",
]

AUDIT, AUDIT_BEFORE = "audit.json", "audit-before.json"
"""What `valence audit` found, and what it found before the bias was reduced."""
TRAINING = "training.json"
ORIGIN = "origin.json"
MAPS = ("map", "map-before")
"""Pictures beside the card, .png or .svg: the map of each of the two audits. One that lies among the reports is taken,
or beside the card already; else it is drawn."""
_PICTURES = (".png", ".svg")

RISKS = "Risks, Limitations and Biases"
"""The section of the card that bias stands in."""
WRITTEN_BY = {
    "evaluation": EvaluationSource.written_by,
    "comparison": ComparisonSource.written_by,
    "bias": ProbeSource.written_by,
    "hyper-parameter": TrainingSource.written_by,
    "training": TrainingSource.written_by,
    "agreement": AgreementSource.written_by,
    "size": ExportSource.written_by,
}
"""How anchors begin, and which command writes their source: for anchors that no source states any more."""

_Source = TypeVar("_Source", bound=Source)
_Report = TypeVar("_Report", bound=Report)
_Audit: TypeAlias = tuple[AuditReport | None, tuple[ProbeSource, ...]]


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
class Sources:
    """All that is known of a model.

    Args:
        folder: the model.
        hashes: what its weights and engines can be known by.
        statements: of all sources, by name.
        missing: what is not known.
        config: the shape.
        export: the engine that runs unless another is asked for.
        exports: the exported engines.
        agreements: of these with the weights that they were made from.
        weights: their size.
        training: of its training.
        evaluations: the one that the epoch was chosen on first.
        comparisons: with other models.
        audit: what the audit found.
        probes: the same, probe by probe.
        audit_before: what an audit found before the bias was reduced.
        probes_before: the same, probe by probe.
        origin: what was written down by hand.
        pictures: the maps, by their names in `MAPS`; None for one that has to be drawn.
    """

    folder: ModelFolder
    hashes: frozenset[str]
    statements: dict[str, Statement]
    missing: tuple[Missing, ...]
    config: ConfigSource
    export: Export | None
    exports: tuple[ExportSource, ...]
    agreements: tuple[AgreementSource, ...]
    weights: WeightsSource | None
    training: TrainingSource | None
    evaluations: tuple[EvaluationSource, ...]
    comparisons: tuple[ComparisonSource, ...]
    audit: AuditReport | None
    probes: tuple[ProbeSource, ...]
    audit_before: AuditReport | None
    probes_before: tuple[ProbeSource, ...]
    origin: Origin
    pictures: dict[str, Path | None]

    def picture_file(self, name: str) -> str:
        """Name the file of a picture beside the card.

        Args:
            name: of `MAPS`.

        Returns:
            Its name.
        """
        path = self.pictures[name]
        return f"{name}.png" if path is None else path.name

    @property
    def engines(self) -> list[Export]:
        """The exported engines, as the manifest describes them."""
        return [source.export for source in self.exports]


def read_sources(folder: ModelFolder, reports: Path | None = None) -> Sources:
    """Read everything that a model folder says of itself.

    Args:
        folder: the model.
        reports: where its reports lie, if not in the folder.

    Returns:
        The sources.

    Raises:
        ModelError: if a report cannot be understood; names the file and what was expected.
        InputError: if the folder of reports is none.
    """
    if reports is not None and not reports.is_dir():
        raise InputError(f"{reports}: no such folder of reports")
    return _Reader(folder, reports or folder.reports).read()


def model_hashes(folder: ModelFolder) -> frozenset[str]:
    """Hash what can run of a model, in the ways in which reports name it.

    Args:
        folder: the model.

    Returns:
        SHA-256 of the weights, of each exported file, and of the files of each export together, also another program's.
    """
    manifest = read_manifest(folder)
    found = {sha256(folder.weight_files)} if folder.weight_files else set()
    found |= {sha256(files) for precision in (None, "int8") if (files := folder.plain_onnx(precision))}
    for export in () if manifest is None else manifest.exports.values():
        paths = [folder.manifest_file.parent / file for file in export.files]
        found |= {sha256(paths), *map(sha256, paths)}
    return frozenset(found)


def map_details(audit: AuditReport) -> JsonObject | None:
    """Find what a map can be drawn from.

    Args:
        audit: what an audit found.

    Returns:
        The details of the first probe that has maps, or None.
    """
    for probe in audit.probes:
        if isinstance(maps := probe.details.get("maps"), dict) and maps:
            return probe.details
    return None


class _Reader:
    def __init__(self, folder: ModelFolder, reports: Path) -> None:
        self.folder = folder
        self.reports = reports
        self.manifest = read_manifest(folder)
        self.hashes = model_hashes(folder)
        self.engines = () if self.manifest is None else tuple(self.manifest.exports.values())
        self.known_as = self.hashes | {export.source_sha256 for export in self.engines}
        self.statements: dict[str, Statement] = {}
        self.missing: list[Missing] = []
        self.called = "default" if folder.embedded else "MODEL"

    def read(self) -> Sources:
        training = self.training()
        config = self.add(ConfigSource("config.json", "model", self.folder))
        self.parameters()
        exports, agreements, weights = self.sizes()
        if training is not None:
            self.add(training)
        evaluations, comparisons = self.evaluations(training), self.comparisons()
        (audit, probes), (audit_before, probes_before) = self.audits()
        origin = read_report(self.reports / ORIGIN, Origin)
        if origin is None:
            self.lacks(
                "Origin and Licences", "the origin and licence of the weights", f"reports/{ORIGIN}, written by hand"
            )
        pictures = self.pictures(audit, audit_before)
        if audit is not None and MAPS[0] not in pictures:
            self.lacks(RISKS, "the map", f"valence audit {self.called} --out DIR")
        return Sources(
            self.folder,
            self.hashes,
            self.statements,
            tuple(self.missing),
            config,
            None if self.manifest is None else self.manifest.exports[self.manifest.default],
            exports,
            agreements,
            weights,
            training,
            evaluations,
            comparisons,
            audit,
            probes,
            audit_before,
            probes_before,
            origin or Origin(),
            pictures,
        )

    def add(self, source: _Source) -> _Source:
        for statement in source.statements():
            if statement.name in self.statements:
                other = self.statements[statement.name].source.file
                raise ModelError(f"{source.file} and {other} both state {statement.name}: rename one")
            self.statements[statement.name] = statement
        return source

    def lacks(self, section: str, what: str, advice: str) -> None:
        self.missing.append(Missing(section, what, advice))

    def own(self, name: str, kind: type[_Report], section: str, what: str, advice: str) -> _Report | None:
        """Read a report of this model; one of other weights is as good as none."""
        report = read_report(self.reports / name, kind)
        if report is None:
            self.lacks(section, what, advice)
        elif not self.is_own(report):
            self.lacks(section, f"{what} (reports/{name} is of other weights than the folder holds)", advice)
            return None
        return report

    def is_own(self, report: Report) -> bool:
        if isinstance(report, TrainingReport):
            kept = report.kept_as or {}
            stated = {report.weights_sha256, kept.get("weights_sha256")}
        elif isinstance(report, EvaluationReport | AuditReport):
            stated = {report.model.weights_sha256, report.model.engine_sha256}
        else:
            return True
        known = {found for found in stated if isinstance(found, str)}
        return not known or not self.hashes or bool(known & self.known_as)

    def training(self) -> TrainingSource | None:
        report = self.own(TRAINING, TrainingReport, "Training", "the report of the training", "valence train")
        return None if report is None else TrainingSource(f"reports/{TRAINING}", "training", report)

    def parameters(self) -> None:
        if (count := self.folder.n_parameters) is None:
            self.lacks("Model Details", "the number of parameters", "model.safetensors or a training report")
        elif self.folder.weight_files:
            self.add(ParametersSource(self.folder.weight_files[0].name, "model", "shapes", count))
        else:
            self.add(ParametersSource(f"reports/{TRAINING}", "model", "parameters", count))

    def sizes(self) -> tuple[tuple[ExportSource, ...], tuple[AgreementSource, ...], WeightsSource | None]:
        file = f"onnx/{self.folder.manifest_file.name}"
        exports, agreements, weights = [], [], None
        for export in self.engines:
            exports.append(self.add(ExportSource(file, "size", export)))
            for engine in export.agreement:
                anchor = f"agreement.{slug(export.file)}.{slug(engine)}"
                agreements.append(self.add(AgreementSource(file, anchor, export, engine)))
        if self.folder.weight_files:
            n_bytes = sum(path.stat().st_size for path in self.folder.weight_files)
            weights = self.add(WeightsSource(self.folder.weight_files[0].name, "size", n_bytes))
        return tuple(exports), tuple(agreements), weights

    def evaluations(self, training: TrainingSource | None) -> tuple[EvaluationSource, ...]:
        reports: dict[str, EvaluationReport] = {}
        paths: dict[str, Path] = {}
        for path in sorted(self.reports.glob("evaluation-*.json"), key=lambda path: path.stem):
            name = path.stem.removeprefix("evaluation-")
            advice = f"valence evaluate {self.called} DATA"
            report = self.own(path.name, EvaluationReport, "Evaluation", f"what was measured on {name}", advice)
            if report is None:
                continue
            if slug(name) in reports:
                raise ModelError(f"{path} and {paths[slug(name)].name} have too similar names: rename one")
            reports[slug(name)], paths[slug(name)] = report, path
        if not reports and self.folder.labels is not None:
            self.lacks("Evaluation", "every figure of merit", f"valence evaluate {self.called} DATA")
        titles = data_titles(reports)
        found = {
            name: self.add(EvaluationSource(f"reports/{paths[name].name}", f"evaluation.{name}", report, titles[name]))
            for name, report in reports.items()
        }
        chosen_on = None if training is None else training.report.chosen_on
        first = [slug(chosen_on)] if isinstance(chosen_on, str) and slug(chosen_on) in found else []
        return tuple(found[name] for name in dict.fromkeys([*first, *found]))

    def comparisons(self) -> tuple[ComparisonSource, ...]:
        found = []
        for path in sorted(self.reports.glob("comparison*.json")):
            report = read_report(path, ComparisonReport)
            assert report is not None, "glob found it"
            if report.data.texts is None:
                raise ModelError(f"{path}: expected a whole number at data.texts, found None; compare the two again")
            file = f"reports/{path.name}"
            if self.is_compared(report):
                found.append(self.add(ComparisonSource(file, slug(path.stem), report)))
            else:
                self.lacks(
                    "Comparison",
                    f"a comparison ({file} is of other weights than the folder holds)",
                    f"valence compare {self.called} OTHER DATA --out MODEL/{file}",
                )
        if not found and self.folder.labels is not None:
            advice = f"valence compare {self.called} OTHER DATA --out MODEL/reports/comparison.json"
            self.lacks("Comparison", "a comparison with another model", advice)
            self.lacks("Size and Speed", "the speed, beside a reference in the same run", advice)
        return tuple(found)

    def is_compared(self, report: ComparisonReport) -> bool:
        """Find out whether one of the two models of a comparison is this one."""
        return not self.hashes or any(
            {model.weights_sha256, model.engine_sha256} & self.known_as for model in report.models
        )

    def audits(self) -> tuple[_Audit, _Audit]:
        what, advice = "what the model does to countries, names and groups", f"valence audit {self.called} --out DIR"
        audit = self.own(AUDIT, AuditReport, RISKS, what, advice)
        before = read_report(self.reports / AUDIT_BEFORE, AuditReport)
        return self.probes(AUDIT, audit, False), self.probes(AUDIT_BEFORE, None if audit is None else before, True)

    def probes(self, name: str, audit: AuditReport | None, is_before: bool) -> _Audit:
        found = () if audit is None else audit.probes
        return audit, tuple(map(self.add, probe_sources(f"reports/{name}", found, is_before)))

    def pictures(self, audit: AuditReport | None, before: AuditReport | None) -> dict[str, Path | None]:
        found: dict[str, Path | None] = {}
        for name, report in zip(MAPS, (audit, before), strict=True):
            # Not those beside the card: it wrote them itself, perhaps from an older audit.
            paths = [path for suffix in _PICTURES if (path := self.reports / f"{name}{suffix}").is_file()]
            if report is not None and paths:
                found[name] = paths[0]
            elif report is not None and map_details(report) is not None:
                found[name] = None
        return found
