"""Measuring again what the sources of a card say, with the code that measured it first.

A measurement makes statements of the same names as its source, so that the two are compared name by name. What cannot
be measured here is said with what is missing and where to get it.
"""

import functools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from valence.card.anchors import slug
from valence.card.check.data_files import DataFiles
from valence.card.check.tolerances import Setting, setting_of
from valence.card.folder_sources import AgreementSource, ExportSource, ParametersSource
from valence.card.report_sources import ComparisonSource, EvaluationSource, ProbeSource, probe_sources
from valence.card.sources import TRAINING, Sources, model_hashes
from valence.card.statement import Source, Statement
from valence.data.examples import Examples, read_examples
from valence.data.recorded import recorded_columns, recorded_labels, recorded_options
from valence.data.sources import find_source
from valence.errors import MissingExtraError, ModelError, ValenceError
from valence.files import sha256, tensor_shapes
from valence.folder import ModelFolder
from valence.hub import DEFAULT, find_model
from valence.progress import OnProgress, silent, step
from valence.reading import Aggregation, LongText, Text
from valence.reports.audit import AuditReport
from valence.reports.data_ref import DataRef
from valence.reports.evaluation import EvaluationReport
from valence.reports.model_ref import ModelRef
from valence.reports.training import AgreementSample
from valence.runtime.choice import asked_for
from valence.runtime.classifier import Classifier
from valence.runtime.export.agreement import compare as compare_scores
from valence.runtime.export.sample import BUILT_IN, Sample
from valence.runtime.load import load_folder
from valence.runtime.manifest import Export

__all__ = ["Auditor", "Measured", "NotMeasured", "Remeasurer", "load_like"]

_ROUNDS = 7  # in which the models of a comparison are timed in turn: on a busy machine the median needs some
_MOST_RESAMPLES = 100_000

Auditor = Callable[[ModelFolder, str | None, Sequence[str], Sequence[Path], OnProgress], AuditReport]
"""Audits a model again: folder, engine as the first report names it, names of probes, folders of data, progress."""


@dataclass(frozen=True)
class Measured:
    """What came out.

    Args:
        statements: by name.
        setting: how alike the engine is to the one that measured first.
        how: what ran it.
        same_engine: whether that is what ran it first.
        missing: anchors of sources that did not come out, and why.
    """

    statements: dict[str, Statement]
    setting: Setting
    how: str
    same_engine: bool = True
    missing: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class NotMeasured:
    """Nothing came out.

    Args:
        why: what is missing, and where to get it.
        is_refuted: whether that shows that the card is wrong, without measuring.
    """

    why: str
    is_refuted: bool = False


class Remeasurer:
    """Measures what the sources of a model say again, each once.

    Args:
        sources: what the folder says.
        data: where data, and other models, are looked for.
        auditor: measures bias; the audit's own if None.
        on_progress: is told how it goes.
    """

    def __init__(
        self,
        sources: Sources,
        data: Sequence[Path] = (),
        auditor: Auditor | None = None,
        on_progress: OnProgress = silent,
    ) -> None:
        self.sources = sources
        self.folder = sources.folder
        self.on_progress = on_progress
        self.auditor = auditor or _audit_again
        self.files = DataFiles(data)
        self.has_data = bool(data)
        self._measured: dict[object, Measured | NotMeasured] = {}
        self._expected: dict[str, NDArray[np.float64]] = {}

    def measure(self, source: Source) -> Measured | NotMeasured:
        """Measure again what a source says.

        Args:
            source: one that can be measured.

        Returns:
            What came out, or what is missing.
        """
        key = ProbeSource if isinstance(source, ProbeSource) else source  # an audit runs all of its probes
        if key not in self._measured:
            self._measured[key] = self._guarded(source)
        return self._measured[key]

    def _guarded(self, source: Source) -> Measured | NotMeasured:
        try:
            match source:
                case EvaluationSource():
                    return self._evaluation(source)
                case AgreementSource():
                    return self._agreement(source)
                case ComparisonSource():
                    return self._comparison(source)
                case ProbeSource():
                    return self._audit()
                case ParametersSource():
                    return self._parameters(source)
                case ExportSource():
                    return self._size(source)
            return _measured(source.statements(), "exact", "the files counted")  # which collecting them did
        except _MissingError as missing:
            return NotMeasured(f"missing: {missing}")
        except ValenceError as problem:
            return NotMeasured(f"it cannot be measured here: {problem}")

    # Evaluations

    def _evaluation(self, source: EvaluationSource) -> Measured:
        if find_spec("sklearn") is None:
            raise MissingExtraError("evaluate", "Evaluating")
        from valence.evaluation.evaluate import evaluate

        report = source.report
        path = self._data(report.data.sha256, report.data.name)
        classifier, setting = self._classifier(report)
        examples = self._examples(path, classifier.labels, report.data)
        again = evaluate(
            classifier,
            examples,
            self.folder,
            _resamples(report.interval.resamples),
            step(self.on_progress, f"measuring on {report.data.name}"),
            source.positive,
        )
        found = replace(source, report=again)
        return _measured(found.every(), setting, classifier.engine.name)

    def _data(self, digest: str, name: str) -> Path:
        had_from = next((f", from {one.source}" for one in self.sources.origin.data or () if one.name == name), "")
        if not self.has_data:
            raise _MissingError(
                f"the data {name} (SHA-256 {digest}){had_from}: give the folder that holds it with --data"
            )
        self.on_progress(0, 1, f"looking for {name}")
        path = self.files.find(digest, name)
        if path is None:
            raise _MissingError(f"no file below {self.files.where} is the data {name} (SHA-256 {digest}){had_from}")
        return path

    def _examples(self, path: Path, labels: tuple[str, ...], data: DataRef | AgreementSample) -> Examples:
        source = find_source(str(path), "eval", recorded_options(data))
        return read_examples(source, recorded_columns(data), recorded_labels(data), known=labels)

    def _classifier(self, report: EvaluationReport) -> tuple[Classifier, Setting]:
        """Load the model as it was measured; with another engine where that one does not run here."""
        reading = report.long_text
        load = functools.partial(
            load_folder,
            labels=report.confusion_matrix.labels or None,
            max_length=report.max_length,
            long_text=cast(LongText, reading.how or "window"),
            stride=reading.stride or 0,
            aggregation=cast(Aggregation, reading.aggregation or "mean"),
        )
        classifier = load_like(self.folder, report.model.engine, load)
        return classifier, setting_of(report.model.engine, classifier.engine.name)

    # Exports

    def _agreement(self, source: AgreementSource) -> Measured:
        export, engine = source.export, source.engine
        if export.file not in self._expected:
            self._expected[export.file] = self._by_the_weights(export)
        running = load_folder(self.folder, engine=engine, labels=_numbers(export), calibrated=False)
        found = compare_scores(self._expected[export.file], _scores(running, self._sample_of(export)))
        used = f"{engine} {export.precision}"
        statements = replace(source, export=replace(export, agreement={engine: asdict(found)})).statements()
        return _measured(statements, setting_of(used, used), f"{used} beside the weights in fp32")

    def _by_the_weights(self, export: Export) -> NDArray[np.float64]:
        """Run the weights that an export was made from over the texts that it was compared on."""
        sample = self._sample_of(export)
        if find_spec("torch") is None:
            raise MissingExtraError("train", "Comparing an export with its source")
        weights = self._weights(export.source_sha256, "the weights that the export was made from")
        self.on_progress(0, 1, "running the weights in fp32")
        classifier = load_folder(weights, engine="torch", precision="fp32", labels=_numbers(export), calibrated=False)
        return _scores(classifier, sample)

    def _sample_of(self, export: Export) -> Sequence[Text]:
        """Find the texts that an export was compared on: built-in ones, or marked ones of the training data."""
        n_texts = {found["n_texts"] for found in export.agreement.values()}
        if export.sample == Sample().name and n_texts <= {len(BUILT_IN)}:
            return BUILT_IN
        training = self.sources.training
        sample = None if training is None else training.report.agreement_sample or None
        if sample is None or "training texts" not in export.sample or n_texts != {len(sample.rows)}:
            raise _MissingError(f"the texts that it was compared on ({export.sample}); reports/{TRAINING} marks none")
        path = self._data(sample.train_sha256, export.sample)
        texts = self._examples(path, self.folder.labels or (), sample).texts
        if max(sample.rows, default=0) >= len(texts):
            raise ModelError(f"reports/{TRAINING}: marks row {max(sample.rows)} of {len(texts):,}")
        return [texts[row] for row in sample.rows]

    def _weights(self, digest: str, what: str) -> ModelFolder:
        """Find the model whose weights, or an engine of which, have this hash."""
        if self.folder.weight_files and self.folder.weights_hash() == digest:
            return self.folder
        for weights in self._kept_weights():
            if sha256(weights) == digest:
                return ModelFolder(weights.parent, str(weights.parent))
        if not self.has_data:
            raise _MissingError(f"{what} (SHA-256 {digest}): give a folder that holds the model with --data")
        self.on_progress(0, 1, f"looking for {what}")
        path = self.files.find(digest, "model safetensors onnx")
        for parent in [] if path is None else path.parents[:2]:
            if (parent / "config.json").is_file():
                return ModelFolder(parent, str(parent))
        raise _MissingError(f"{what}: no model below {self.files.where} has this SHA-256: {digest}")

    def _kept_weights(self) -> Iterator[Path]:
        """In a checkout the embedded model's weights lie beside the package, in models/."""
        if self.folder.embedded and len(self.folder.path.parents) > 2:
            yield from sorted((self.folder.path.parents[2] / "models").glob("*/model.safetensors"))

    def _size(self, source: ExportSource) -> Measured | NotMeasured:
        export = source.export
        paths = [self.folder.manifest_file.parent / file for file in export.files]
        if sha256(paths) != export.sha256:
            return NotMeasured(f"{export.file} is not the file that the manifest describes (SHA-256)", is_refuted=True)
        n_bytes = sum(path.stat().st_size for path in paths)
        return _measured(
            replace(source, export=replace(export, bytes=n_bytes)).statements(), "exact", "the files counted"
        )

    def _parameters(self, source: ParametersSource) -> Measured:
        count = self.folder.n_parameters if self.folder.weight_files else None
        beside = [export.beside for export in self.sources.engines if (export.beside or "").endswith(".safetensors")]
        if not self.folder.weight_files and beside:
            shapes = tensor_shapes(self.folder.manifest_file.parent / str(beside[0]))
            # a scale belongs to how a parameter is kept
            count = sum(math.prod(shape) for name, shape in shapes.items() if not name.endswith(".scale"))
        if count is None:
            raise _MissingError("the tensors: the folder holds neither safetensors weights nor an int8 export")
        return _measured(replace(source, count=count).statements(), "exact", "the tensors counted")

    # Comparisons and audits

    def _comparison(self, source: ComparisonSource) -> Measured:
        if find_spec("sklearn") is None:
            raise MissingExtraError("evaluate", "Comparing")
        from valence.evaluation.compare import Contestant, compare

        report = source.report
        path = self._data(report.data.sha256, report.data.name)
        contestants = []
        for model in report.models:
            folder = self._contestant(model)
            contestants.append(Contestant(load_like(folder, model.engine), folder))
        first, second = contestants
        examples = self._examples(path, first.classifier.labels, report.data)
        again = compare(
            first,
            second,
            examples,
            _resamples(report.interval.resamples),
            _ROUNDS,
            step(self.on_progress, "comparing"),
            source.positive,
        )
        engines = [contestant.classifier.engine.name for contestant in contestants]
        claimed = [model.engine for model in report.models]
        settings = set(map(setting_of, claimed, engines))
        worst: Setting = "other" if "other" in settings else "fp32" if "fp32" in settings else "exact"
        found = replace(source, report=again)
        return _measured(found.statements(), worst, " and ".join(engines), engines == claimed)

    def _contestant(self, model: ModelRef) -> ModelFolder:
        if model.engine_sha256 is None:
            raise _MissingError(f"the other model, {model.name}: the report has no hash of it")
        if model.engine_sha256 in self.sources.hashes:
            return self.folder
        default = find_model(DEFAULT)
        if model.name == DEFAULT and model.engine_sha256 in model_hashes(default):
            return default
        return self._weights(model.engine_sha256, f"the other model, {model.name}")

    def _audit(self) -> Measured:
        audit = self.sources.audit
        assert audit is not None, "a probe is part of an audit"
        names = [source.probe.name for source in self.sources.probes]
        again = self.auditor(
            self.folder,
            audit.model.engine,
            names,
            self.files.folders,
            step(self.on_progress, "auditing"),
        )
        found = str(again.model.engine)
        sources = probe_sources(self.sources.probes[0].file, again.probes)
        statements = (statement for source in sources for statement in source.statements())
        missing = {f"bias.{slug(name)}": reason for name, reason in again.skipped.items()}
        setting = setting_of(str(audit.model.engine), found)
        return replace(_measured(statements, setting, found), missing=missing)


class _MissingError(Exception):
    """Something is not here; the message says what, and where to get it."""


def _measured(statements: Iterable[Statement], setting: Setting, how: str, same_engine: bool = True) -> Measured:
    return Measured({statement.name: statement for statement in statements}, setting, how, same_engine)


def load_like(folder: ModelFolder, engine: str, load: Callable[..., Classifier] = load_folder) -> Classifier:
    """Load a classifier with the engine that a report names, or with another where that one does not run here.

    Args:
        folder: the model.
        engine: as a report names it: "native int8", "torch fp32".
        load: `valence.runtime.load.load_folder`, perhaps with options.

    Returns:
        The classifier.

    Raises:
        ModelError: if nothing can run the model.
    """
    name, precision = asked_for(engine)
    options = {} if precision is None else {"precision": precision}
    try:
        return load(folder, engine=name, **options)
    except ValenceError:
        return load(folder, engine="auto")


def _audit_again(
    folder: ModelFolder,
    engine: str | None,
    probes: Sequence[str],
    data: Sequence[Path],
    on_progress: OnProgress,
) -> AuditReport:
    if find_spec("scipy") is None:
        raise MissingExtraError("audit", "Auditing")
    from valence.audit.run import run_audit

    return run_audit(folder, engine=engine, probes=probes, data=data, on_progress=on_progress)


def _resamples(found: int) -> int:
    return found if 1 <= found <= _MOST_RESAMPLES else 1000


def _numbers(export: Export) -> tuple[str, ...]:
    """Name classes by their number, for comparing scores alone."""
    return tuple(map(str, range(export.n_classes)))


def _scores(classifier: Classifier, texts: Sequence[Text]) -> NDArray[np.float64]:
    return classifier.probabilities(classifier.logits(list(texts)))
