"""Measuring again what the reports of a model say, with the code that measured it first.

A measurement gives facts of the same names as the report, so that the two are compared name by name. What cannot be
measured here is said with what is missing and where to get it.
"""

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import msgspec

from valence.card.auditing import Auditor, audit_again
from valence.card.data_files import DataFiles
from valence.card.fact import Fact
from valence.card.facts import TRAINING, Facts, model_hashes
from valence.card.marks import slug
from valence.card.report import Report
from valence.card.report_facts import (
    agreement_facts,
    audit_facts,
    averaged,
    comparison_facts,
    evaluation_facts,
    megabytes,
)
from valence.card.tolerances import Setting, setting_of
from valence.data.examples import Examples, read_examples
from valence.data.recorded import recorded_columns, recorded_labels, recorded_options
from valence.data.sources import find_source
from valence.errors import MissingExtraError, ModelError, ValenceError
from valence.files import sha256, tensor_shapes
from valence.folder import ModelFolder
from valence.hub import DEFAULT, find_model
from valence.reports.codec import encode_report
from valence.reports.data_ref import DataRef
from valence.runtime.choice import EngineName
from valence.runtime.classifier import Classifier
from valence.runtime.export.agreement import compare as compare_scores
from valence.runtime.export.sample import BUILT_IN, Sample
from valence.runtime.load import load_folder
from valence.runtime.manifest import Export
from valence.text.tokenizer import Text

__all__ = ["Measured", "NotMeasured", "OnProgress", "Refuted", "Workbench", "load_like"]

_ROUNDS = 7  # in which the models of a comparison are timed in turn: on a busy machine the median needs some

OnProgress = Callable[[str, int, int], None]
"""Is told what is measured, how much of it is done, and of how much."""


@dataclass(frozen=True)
class Measured:
    """What came out.

    Args:
        facts: by name.
        setting: how alike the engine is to the one that measured first.
        how: what ran it.
        same_engine: whether that is what ran it first.
        missing: starts of the names of facts that did not come out, and why.
    """

    facts: dict[str, Fact]
    setting: Setting
    how: str
    same_engine: bool = True
    missing: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class NotMeasured:
    """What is missing.

    Args:
        why: what, and where to get it.
    """

    why: str


@dataclass(frozen=True)
class Refuted:
    """What shows that the claim is wrong, without a figure.

    Args:
        why: what.
    """

    why: str


class Workbench:
    """Measures the facts of a model again, each source of facts once.

    Args:
        facts: what the folder says.
        data: where data, and other models, are looked for.
        auditor: measures bias; the audit's own if None.
        on_progress: is told how it goes.
    """

    def __init__(
        self,
        facts: Facts,
        data: Sequence[Path] = (),
        auditor: Auditor | None = None,
        on_progress: OnProgress = lambda what, done, total: None,
    ) -> None:
        self.facts = facts
        self.folder = facts.folder
        self.on_progress = on_progress
        self.auditor = auditor or audit_again
        self.files = DataFiles(data)
        self.has_data = bool(data)

    def measure(self, fact: Fact) -> Measured | NotMeasured | Refuted:
        """Measure a fact again, and all that comes with it.

        Args:
            fact: one that can be measured.

        Returns:
            What came out, or what is missing.
        """
        start = fact.name.split(".")[0]
        if start == "bias":
            return self._guarded("audit")
        if start == "evaluation":
            return self._guarded(f"evaluation {self._owner(fact.name, 'evaluation', self.facts.evaluations)}")
        if start == "agreement":
            export = self._owner(fact.name, "agreement", self._exports())
            engines = {slug(engine): engine for engine in self._exports()[export].agreement}
            engine = engines[self._owner(fact.name, f"agreement.{export}", engines)]
            return self._guarded(f"agreement {export} {engine}")
        if start in self.facts.comparisons:
            return self._guarded(f"comparison {start}")
        if fact.name == "model.parameters":
            return self._guarded("parameters")
        return self._guarded("sizes")

    def _owner(self, name: str, start: str, owners: dict[str, Any]) -> str:
        """Find whose fact this is; names of data and files may hold dots."""
        return max((owner for owner in owners if name.startswith(f"{start}.{owner}.")), key=len)

    def _exports(self) -> dict[str, Export]:
        exports = {} if self.facts.manifest is None else self.facts.manifest.exports
        return {slug(export.file): export for export in exports.values()}

    @functools.cache  # noqa: B019  # as long as the workbench lives, which is as long as the check takes
    def _guarded(self, what: str) -> Measured | NotMeasured | Refuted:
        kind, _, name = what.partition(" ")
        try:
            match kind:
                case "evaluation":
                    return self._evaluation(name)
                case "agreement":
                    return self._agreement(*name.split(" "))
                case "comparison":
                    return self._comparison(name)
                case "audit":
                    return self._audit()
                case "parameters":
                    return self._parameters()
            return self._sizes()
        except _MissingError as missing:
            return NotMeasured(f"missing: {missing}")
        except _RefutedError as problem:
            return Refuted(str(problem))
        except ValenceError as problem:
            return NotMeasured(f"it cannot be measured here: {problem}")

    # Evaluations

    def _evaluation(self, name: str) -> Measured:
        if find_spec("sklearn") is None:
            raise MissingExtraError("evaluate", "Evaluating")
        from valence.evaluation.evaluate import evaluate

        report = self.facts.evaluations[name]
        path = self._data(report.text("data", "sha256"), report.text("data", "name"))
        classifier, setting = self._classifier(report)
        examples = self._examples(path, classifier.labels, report.find("data"))
        measured = evaluate(
            classifier,
            examples,
            self.folder,
            _resamples(report),
            lambda done: self.on_progress(f"measuring on {report.text('data', 'name')}", done, len(examples)),
            averaged(report),
        )
        again = encode_report(measured)
        if "positive" in report.content:
            again["positive"] = report.find("positive")  # null where nobody said, as the facts of the report
        else:
            again.pop("positive")
        found = evaluation_facts(name, Report(report.path, report.file, again))
        return Measured({fact.name: fact for fact in found}, setting, classifier.engine.name)

    def _data(self, digest: str, name: str) -> Path:
        sources = () if self.facts.origin is None else self.facts.origin.objects("data")
        source = next((f", from {one.text('from')}" for one in sources if one.find("name") == name), "")
        if not self.has_data:
            raise _MissingError(
                f"the data {name} (SHA-256 {digest}){source}: give the folder that holds it with --data"
            )
        self.on_progress(f"looking for {name}", 0, 1)
        path = self.files.find(digest, name)
        if path is None:
            raise _MissingError(f"no file below {self.files.where()} is the data {name} (SHA-256 {digest}){source}")
        return path

    def _examples(self, path: Path, labels: tuple[str, ...], described: Any = None) -> Examples:
        data = msgspec.convert({"name": "", "sha256": ""} | (described or {}), DataRef)
        source = find_source(str(path), "eval", recorded_options(data))
        return read_examples(source, recorded_columns(data), recorded_labels(data), known=labels)

    def _classifier(self, report: Report) -> tuple[Classifier, Setting]:
        """Load the model as it was measured; with another engine where that one does not run here."""
        engine = report.text("model", "engine")
        labels = report.texts("confusion_matrix", "labels") or None
        options: dict[str, Any] = {"labels": labels, "max_length": report.find("max_length")}
        for option, key in (("long_text", "how"), ("stride", "stride"), ("aggregation", "aggregation")):
            if report.find("long_text", key) is not None:
                options[option] = report.find("long_text", key)
        classifier = load_like(self.folder, engine, **options)
        return classifier, setting_of(engine, classifier.engine.name)

    # Exports

    def _agreement(self, name: str, engine: str) -> Measured:
        export = self._exports()[name]
        expected = self._expected(name)
        running = load_folder(self.folder, engine=cast(EngineName, engine), labels=_numbers(export))
        found = asdict(compare_scores(expected, _scores(running, self._sample_of(name))))
        file = f"onnx/{self.folder.manifest_file.name}"
        facts = agreement_facts(name, file, f"exports.{export.file}", {engine: found})
        used = f"{engine} {export.precision}"
        return Measured(
            {fact.name: fact for fact in facts}, setting_of(used, used), f"{used} beside the weights in fp32"
        )

    @functools.cache  # noqa: B019
    def _expected(self, name: str) -> Any:
        """Run the weights that an export was made from over the texts that it was compared on."""
        export = self._exports()[name]
        sample = self._sample_of(name)
        if find_spec("torch") is None:
            raise MissingExtraError("train", "Comparing an export with its source")
        source = self._weights(export.source_sha256, "the weights that the export was made from")
        self.on_progress("running the weights in fp32", 0, 1)
        return _scores(load_folder(source, engine="torch", precision="fp32", labels=_numbers(export)), sample)

    @functools.cache  # noqa: B019
    def _sample_of(self, name: str) -> Sequence[Text]:
        """Find the texts that an export was compared on: built-in ones, or marked ones of the training data."""
        export = self._exports()[name]
        n_texts = {figures["n_texts"] for figures in export.agreement.values()}
        if export.sample == Sample().name and n_texts <= {len(BUILT_IN)}:
            return BUILT_IN
        training = self.facts.training
        rows = None if training is None else training.find("agreement_sample", "rows")
        if (
            training is None
            or "training texts" not in export.sample
            or not isinstance(rows, list)
            or not all(isinstance(row, int) and row >= 0 for row in rows)
            or n_texts != {len(rows)}
        ):
            raise _MissingError(f"the texts that it was compared on ({export.sample}); reports/{TRAINING} marks none")
        path = self._data(training.text("agreement_sample", "train_sha256"), export.sample)
        texts = self._examples(path, self.folder.labels or (), training.find("agreement_sample")).texts
        if max(rows, default=0) >= len(texts):
            raise ModelError(f"{training.path}: marks row {max(rows)} of {len(texts):,}")
        return [texts[row] for row in rows]

    def _weights(self, digest: str, what: str) -> ModelFolder:
        """Find the model whose weights, or an engine of which, have this hash."""
        if self.folder.weight_files and self.folder.weights_hash() == digest:
            return self.folder
        for weights in self._kept_weights():
            if sha256(weights) == digest:
                return ModelFolder(weights.parent, str(weights.parent))
        if not self.has_data:
            raise _MissingError(f"{what} (SHA-256 {digest}): give a folder that holds the model with --data")
        self.on_progress(f"looking for {what}", 0, 1)
        path = self.files.find(digest, "model safetensors onnx")
        for parent in [] if path is None else path.parents[:2]:
            if (parent / "config.json").is_file():
                return ModelFolder(parent, str(parent))
        raise _MissingError(f"{what}: no model below {self.files.where()} has this SHA-256: {digest}")

    def _kept_weights(self) -> Iterator[Path]:
        """In a checkout the embedded model's weights lie beside the package, in models/."""
        if self.folder.embedded and len(self.folder.path.parents) > 2:
            yield from sorted((self.folder.path.parents[2] / "models").glob("*/model.safetensors"))

    def _sizes(self) -> Measured:
        found: dict[str, Fact] = {}
        for name, export in self._exports().items():
            paths = [self.folder.manifest_file.parent / file for file in export.files]
            if sha256(paths) != export.sha256:
                raise _RefutedError(f"{export.file} is not the file that the manifest describes (SHA-256)")
            n_bytes = sum(path.stat().st_size for path in paths)
            fact = self.facts.by_name[f"size.{name}"]
            found[fact.name] = Fact(fact.name, n_bytes, megabytes(n_bytes), fact.file, fact.key, fact.kind)
        if (fact_or_none := self.facts.by_name.get("size.weights")) is not None:
            found["size.weights"] = fact_or_none  # was counted when the facts were collected
        return Measured(found, "exact", "the files counted")

    def _parameters(self) -> Measured:
        fact = self.facts.by_name["model.parameters"]
        count = None
        if self.folder.weight_files:
            count = self.folder.n_parameters
        else:
            for export in self._exports().values():
                if export.beside is not None and export.beside.endswith(".safetensors"):
                    shapes = tensor_shapes(self.folder.manifest_file.parent / export.beside)
                    # a scale belongs to how a parameter is kept
                    count = sum(math.prod(shape) for name, shape in shapes.items() if not name.endswith(".scale"))
        if count is None:
            raise _MissingError("the tensors: the folder holds neither safetensors weights nor an int8 export")
        again = Fact(fact.name, count, f"{count:,}", fact.file, fact.key, fact.kind)
        return Measured({fact.name: again}, "exact", "the tensors counted")

    # Comparisons and audits

    def _comparison(self, name: str) -> Measured:
        if find_spec("sklearn") is None:
            raise MissingExtraError("evaluate", "Comparing")
        from valence.evaluation.compare import Contestant, compare

        report = self.facts.comparisons[name]
        path = self._data(report.text("data", "sha256"), report.text("data", "name"))
        contestants = []
        settings: set[Setting] = set()
        claimed = []
        for model in report.objects("models"):
            folder = self._contestant(model)
            classifier = load_like(folder, model.text("engine"))
            claimed.append(model.text("engine"))
            settings.add(setting_of(model.text("engine"), classifier.engine.name))
            contestants.append(Contestant(classifier, folder))
        first, second = contestants
        examples = self._examples(path, first.classifier.labels, report.find("data"))
        compared = compare(
            first,
            second,
            examples,
            _resamples(report),
            _ROUNDS,
            lambda done: self.on_progress("comparing", done, 2 * len(examples)),
            averaged(report),
        )
        found = comparison_facts(name, Report(report.path, report.file, encode_report(compared)))
        worst: Setting = "other" if "other" in settings else "fp32" if "fp32" in settings else "exact"
        engines = [contestant.classifier.engine.name for contestant in contestants]
        return Measured({fact.name: fact for fact in found}, worst, " and ".join(engines), engines == claimed)

    def _contestant(self, model: Report) -> ModelFolder:
        name, digest = str(model.find("name")), model.find("engine_sha256")
        if not isinstance(digest, str):
            raise _MissingError(f"the other model, {name}: the report has no hash of it")
        if digest in self.facts.hashes:
            return self.folder
        default = find_model(DEFAULT)
        if name == DEFAULT and digest in model_hashes(default):
            return default
        return self._weights(digest, f"the other model, {name}")

    def _audit(self) -> Measured:
        report = self.facts.audit
        assert report is not None, "a fact of the audit comes from it"
        engine = report.find("model", "engine")
        names = [probe.text("name") for probe in report.objects("probes")]
        again = self.auditor(
            self.folder,
            engine if isinstance(engine, str) else None,
            names,
            self.files.folders,
            lambda done, total: self.on_progress("auditing", done, total),
        )
        content = Report(report.path, report.file, again)
        found = str(content.find("model", "engine"))
        skipped = again.get("skipped", {})
        return Measured(
            {fact.name: fact for fact in audit_facts("bias", content)},
            setting_of(str(engine), found),
            found,
            missing={f"bias.{slug(name)}": str(reason) for name, reason in skipped.items()},
        )


class _MissingError(Exception):
    """Something is not here; the message says what, and where to get it."""


class _RefutedError(Exception):
    """Something is not as the card says; the message says what."""


def load_like(folder: ModelFolder, engine: str, **options: Any) -> Classifier:
    """Load a classifier with the engine that a report names, or with another where that one does not run here.

    Args:
        folder: the model.
        engine: as a report names it: "native int8", "torch fp32".
        **options: of `valence.runtime.load.load_folder`.

    Returns:
        The classifier.

    Raises:
        ModelError: if nothing can run the model.
    """
    name, _, precision = engine.partition(" ")
    if name == "torch" and precision in ("fp32", "bf16"):
        options = {**options, "precision": precision}
    try:
        return load_folder(folder, engine=cast(EngineName, name), **options)
    except ValenceError:
        options.pop("precision", None)
        return load_folder(folder, engine="auto", **options)


def _resamples(report: Report) -> int:
    found = report.find("interval", "resamples")
    return found if isinstance(found, int) and 1 <= found <= 100_000 else 1000


def _numbers(export: Export) -> tuple[str, ...]:
    """Name classes by their number, for comparing scores alone."""
    return tuple(map(str, range(export.n_classes)))


def _scores(classifier: Classifier, texts: Sequence[Text]) -> Any:
    return classifier.probabilities(classifier.logits(list(texts)))
