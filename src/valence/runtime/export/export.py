"""Exporting a model folder: write an engine's files, compare them with the source, list them in the manifest."""

import functools
import os
import shutil
import tempfile
import time
from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from valence.checkpoint.checkpoint import load_model
from valence.errors import EngineError, ExportError, ValenceError
from valence.files import fingerprint, sha256
from valence.folder import ModelFolder
from valence.model.heads import TaskModel
from valence.progress import Say
from valence.runtime.classifier import Classifier
from valence.runtime.engine import Engine
from valence.runtime.export.agreement import LEAST_AGREEMENT, MOST_P99_DIFFERENCE, Agreement, compare
from valence.runtime.export.graph import PRODUCER, Graph, build_graph
from valence.runtime.export.openvino_export import export_openvino
from valence.runtime.export.sample import Sample
from valence.runtime.export.sensitivity import rank_products
from valence.runtime.int8_tensors import Int8Tensors, write_tensors
from valence.runtime.manifest import Export, Format, Manifest, Precision, read_manifest
from valence.runtime.native_engine import NativeEngine, why_not_native
from valence.runtime.onnx_engine import OnnxEngine
from valence.runtime.openvino_engine import OpenVinoEngine
from valence.runtime.torch_engine import TorchEngine
from valence.text.tokenizer import Tokenizer
from valence.versions import installed_versions

__all__ = ["export_model"]

_MAX_FILE_BYTES = 2**31 - 1  # protobuf's limit
_TEMPORARY = ".export-"
_LEFT_SECONDS = 24 * 3600
_MARGIN = 0.5  # of the bounds, while products can still be made finer: other texts are harder than the sample
_PACKAGES = {"onnx": ("onnx", "onnxruntime"), "openvino": ("onnx", "openvino")}


def export_model(
    folder: ModelFolder,
    precision: Precision = "fp32",
    sample: Sample | None = None,
    allow_disagreement: bool = False,
    file_format: Format = "onnx",
    two_steps: Collection[str] | None = None,
    report: Say = lambda line: None,
) -> Export:
    """Write an engine of a checkpoint into its folder and make it the one that runs.

    In int8, products whose activations prove too coarse are taken in two steps by ONNX Runtime, the worst first,
    until the engine agrees as it must.

    Args:
        folder: the model.
        precision: of the products.
        sample: texts to compare the engine with its source on; built-in sentences if None.
        allow_disagreement: keep the engine even if it agrees less than it must.
        file_format: "onnx" (which in int8 the native engine reads too) or "openvino".
        two_steps: the products to take in two steps; decided by the comparison if None.
        report: is told what happens.

    Returns:
        What the manifest says of it.

    Raises:
        ExportError: if the engine agrees too little with its source, or cannot be written, or another program's export
            is in the way.
        MissingExtraError: if a package is not installed.
    """
    sample = sample or Sample()
    if folder.embedded:
        raise ExportError("the embedded model is part of the package and is never written to")
    in_place = (*folder.plain_onnx()[:1], *folder.plain_onnx("int8")[:1]) if folder.weight_files else ()
    for file in in_place:
        _ = folder.family  # what cannot be exported needs no room
        if file.parent == folder.manifest_file.parent and not _is_ours(file):
            raise ExportError(
                f"{file} was exported by another program, and would be lost, or no longer be found: move it out of "
                f"{file.parent} first"
            )
    if not len(sample.texts):
        raise ExportError(f"no texts to compare with in {sample.name}")
    return _Exporter(folder, precision, sample, file_format, report).run(two_steps, allow_disagreement)


def _is_ours(file: Path) -> bool:
    """Tell what an export that was killed left behind from what another program exported."""
    try:
        return bool(onnx.load(file, load_external_data=False).producer_name == PRODUCER)
    except Exception:  # protobuf's own exceptions share no base class
        return False


class _Exporter:
    def __init__(
        self,
        folder: ModelFolder,
        precision: Precision,
        sample: Sample,
        file_format: Format,
        report: Say,
    ) -> None:
        self.folder = folder
        self.precision = precision
        self.sample = sample
        self.format = file_format
        self.report = report
        self.model: TaskModel = load_model(folder, "classification")
        self.source = TorchEngine(self.model)
        self.n_classes = self.source.n_classes
        self.weights = {name: parameter.detach().float().numpy() for name, parameter in self.model.named_parameters()}
        self.tokenizer = Tokenizer.from_folder(folder)
        stem = "model" if precision == "fp32" else f"model_{precision}"
        self.file = f"{stem}.onnx" if file_format == "onnx" else f"{stem}.xml"
        self.beside: str | None = None
        self.told: list[str] = []
        if file_format == "openvino":
            self.beside = f"{stem}.bin"
        elif precision == "int8":
            self.beside = f"{stem}.safetensors"

    def run(self, two_steps: Collection[str] | None, allow_disagreement: bool) -> Export:
        target = self.folder.manifest_file.parent
        try:
            target.mkdir(exist_ok=True)
            for leftover in target.glob(f"{_TEMPORARY}*"):  # of an export that was killed
                if time.time() - leftover.stat().st_mtime > _LEFT_SECONDS:
                    shutil.rmtree(leftover, ignore_errors=True)
            temporary = Path(tempfile.mkdtemp(prefix=_TEMPORARY, dir=target))
        except OSError as problem:
            raise ExportError(f"{target}: cannot be written: {problem.strerror or problem}") from None
        try:
            self.expected = self.scores(self.source)
            chosen, agreement = self.write_well(temporary, two_steps)
            good = {name: found for name, found in agreement.items() if found.suffices(self.precision)}
            if not good and not allow_disagreement:
                self.refuse(agreement)
            for name in agreement.keys() - good.keys():
                self.report(f"{name} agrees too little: {agreement[name]}")
            return self.keep(temporary, good if good else agreement, chosen)
        except OSError as problem:
            raise ExportError(f"{target}: cannot be written: {problem.strerror or problem}") from None
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def write_well(self, temporary: Path, two_steps: Collection[str] | None) -> tuple[list[str], dict[str, Agreement]]:
        """Write and compare; with more and more products in two steps as long as ONNX Runtime needs it."""
        decide = two_steps is None and self.format == "onnx" and self.precision == "int8"
        chosen = list(two_steps or [])
        self.write(temporary, chosen)
        agreement = self.measure(temporary)
        if not decide or agreement["onnx"].suffices(self.precision, _MARGIN):
            return chosen, agreement
        self.report(f"onnx: {agreement['onnx']}; looking for the products that cost most")
        ranked = self.ranked
        count = 1
        while count <= len(ranked):
            chosen = ranked[:count]
            self.write(temporary, chosen)
            agreement = self.measure(temporary)
            self.report(f"onnx, {count} of {len(ranked)} products in two steps: {agreement['onnx']}")
            if agreement["onnx"].suffices(self.precision, _MARGIN):
                break
            count = len(ranked) if count < len(ranked) < 2 * count else 2 * count
        return chosen, agreement

    @functools.cached_property
    def ranked(self) -> list[str]:
        """The products, the one that int8 harms most first."""
        return rank_products(self.model, self.tokenizer, self.sample.texts)

    def write(self, temporary: Path, two_steps: Collection[str]) -> None:
        path = temporary / self.file
        if self.format == "openvino":
            export_openvino(self.graph("fp32").whole(), self.precision, path)
            return
        graph = self.graph(self.precision, two_steps)
        if self.beside is None:
            whole = graph.whole()
            if whole.ByteSize() > _MAX_FILE_BYTES:
                raise ExportError(f"{self.folder.name}: too large for one file: {whole.ByteSize() / 2**30:.1f} GiB")
            onnx.save(whole, path)
            return
        config = self.model.config
        tensors = Int8Tensors(
            graph.tensors,
            config.architecture,
            config.activation,
            config.n_layers,
            config.n_heads,
            config.layer_norm_eps,
        )
        places = write_tensors(temporary / self.beside, tensors)
        for initializer in graph.model.graph.initializer:
            if initializer.name in places:
                offset, length = places[initializer.name]
                initializer.data_location = onnx.TensorProto.EXTERNAL
                for key, value in (("location", self.beside), ("offset", offset), ("length", length)):
                    initializer.external_data.add(key=key, value=str(value))
        onnx.save(graph.model, path)

    def graph(self, precision: Precision, two_steps: Collection[str] = ()) -> Graph:
        return build_graph(self.weights, self.model.config, self.n_classes, precision, two_steps)

    def measure(self, temporary: Path) -> dict[str, Agreement]:
        """Compare every engine that can run the files here."""
        path = temporary / self.file
        engines: dict[str, Engine] = {}
        if self.format == "openvino":
            engines["openvino"] = OpenVinoEngine(path, self.precision)
        else:
            engines["onnx"] = OnnxEngine(path, self.precision)
        runs_native = self.model.config.family.why_not_native is None and why_not_native() is None
        if self.beside is not None and self.format == "onnx" and runs_native:
            try:
                engines["native"] = NativeEngine(temporary / self.beside)
            except EngineError as problem:  # its kernels do not cover every shape
                reason = str(problem).replace(f"{temporary}{os.sep}", "")
                if reason not in self.told:
                    self.told.append(reason)
                    self.report(reason)
        return {name: compare(self.expected, self.scores(engine)) for name, engine in engines.items()}

    def scores(self, engine: Engine) -> NDArray[np.float64]:
        labels = tuple(map(str, range(engine.n_classes)))
        classifier = Classifier(self.tokenizer, engine, labels, self.folder.problem_type)
        return classifier.probabilities(classifier.logits(list(self.sample.texts)))

    def refuse(self, agreement: dict[str, Agreement]) -> None:
        causes = ""
        if self.precision == "int8":
            causes = f" The products that int8 harms most: {', '.join(self.ranked[:3])}."
        found = "; ".join(f"{name}: {figures}" for name, figures in agreement.items())
        raise ExportError(
            f"{self.folder.name}: the {self.precision} export gives {found} ({self.sample.name}). Needed are "
            f"{LEAST_AGREEMENT[self.precision]:.1%} of the labels and a 99th percentile of at most "
            f"{MOST_P99_DIFFERENCE[self.precision]:g}.{causes} It was not kept; --allow-disagreement keeps it"
        )

    def keep(self, temporary: Path, agreement: dict[str, Agreement], two_steps: list[str]) -> Export:
        target = self.folder.manifest_file.parent
        before = self.listed()
        # Without a manifest nothing in the folder runs: files of two exports never come together.
        self.folder.manifest_file.unlink(missing_ok=True)
        parts = [self.file] if self.beside is None else [self.file, self.beside]
        for part in parts:
            os.replace(temporary / part, target / part)
        export = Export(
            file=self.file,
            beside=self.beside,
            format=self.format,
            precision=self.precision,
            n_classes=self.n_classes,
            bytes=sum((target / part).stat().st_size for part in parts),
            sha256=sha256([target / part for part in parts]),
            source_sha256=self.folder.weights_hash() or "",
            source_fingerprint=fingerprint(self.folder.weight_files),
            sample=self.sample.name,
            agreement={name: asdict(found) for name, found in agreement.items()},
            two_steps=two_steps,
            versions=installed_versions(*_PACKAGES[self.format]),
        )
        exports = {file: old for file, old in before.items() if old.source_sha256 == export.source_sha256}
        Manifest(export.file, exports | {export.file: export}).write(self.folder)
        return export

    def listed(self) -> dict[str, Export]:
        """What the folder's manifest lists; nothing where it is damaged, or an older version's."""
        try:
            before = read_manifest(self.folder)
        except ValenceError:
            return {}
        return before.exports if before else {}
