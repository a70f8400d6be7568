"""Exporting a model folder: write the graph, compare it with the source, list it in the manifest."""

import contextlib
import importlib.metadata
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from valence.checkpoint.checkpoint import load_model
from valence.errors import ExportError
from valence.files import fingerprint, sha256
from valence.folder import ModelFolder
from valence.model.heads import TaskModel
from valence.runtime.classifier import Classifier
from valence.runtime.export.graph import build_graph
from valence.runtime.export.samples import SAMPLES
from valence.runtime.manifest import Export, Manifest, Precision, read_manifest
from valence.runtime.onnx_engine import OnnxEngine
from valence.runtime.torch_engine import TorchEngine
from valence.text.tokenizer import Text, Tokenizer

__all__ = ["LEAST_AGREEMENT", "Agreement", "export_model"]

LEAST_AGREEMENT: dict[Precision, float] = {"fp32": 1.0, "int8": 0.99}
"""The share of labels on which an export must agree with its source."""
_FP32_TOLERANCE = 1e-3
_MAX_FILE_BYTES = 2**31 - 1  # protobuf's limit


@dataclass(frozen=True)
class Agreement:
    """How an exported engine compares with the source in fp32.

    Args:
        sample: what texts these are.
        n_texts: how many.
        labels: the share of texts that get the same label.
        largest_difference: of a score, over all texts and classes.
        p99_difference: the 99th percentile over texts of the largest difference of a score.
    """

    sample: str
    n_texts: int
    labels: float
    largest_difference: float
    p99_difference: float


def export_model(
    folder: ModelFolder,
    precision: Precision = "fp32",
    sample: Sequence[Text] | None = None,
    sample_name: str = "built-in sentences",
    allow_disagreement: bool = False,
) -> Export:
    """Write an ONNX engine of a checkpoint into its folder and make it the one that runs.

    Args:
        folder: the model.
        precision: of the products.
        sample: texts to compare the engine with its source on; a few built-in sentences if None.
        sample_name: what the sample is, for the manifest.
        allow_disagreement: keep the engine even if it agrees less than it must.

    Returns:
        What the manifest says of it.

    Raises:
        ExportError: if the engine agrees too little with its source, or cannot be written.
    """
    if folder.embedded:
        raise ExportError("the embedded model is part of the package and is never written to")
    if sample is not None and not len(sample):
        raise ExportError("the sample holds no texts")
    model = load_model(folder, "classification")
    n_classes = TorchEngine(model).n_classes
    graph = build_graph(_weights(model), model.config, n_classes, precision)
    if graph.ByteSize() > _MAX_FILE_BYTES:
        raise ExportError(f"{folder.name}: too large for one ONNX file: {graph.ByteSize() / 2**30:.1f} GiB")
    path = folder.manifest_file.parent / ("model.onnx" if precision == "fp32" else f"model_{precision}.onnx")
    temporary = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(exist_ok=True)
        onnx.save(graph, temporary)
        agreement = _compare(folder, model, temporary, precision, list(sample or SAMPLES), sample_name)
        if not allow_disagreement:
            _refuse_if_poor(folder, agreement, precision)
        temporary.replace(path)
    except OSError as problem:
        raise ExportError(f"{path}: cannot be written: {problem.strerror or problem}") from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
    export = Export(
        file=path.name,
        precision=precision,
        n_classes=n_classes,
        bytes=path.stat().st_size,
        sha256=sha256(path),
        source_sha256=folder.weights_hash() or "",
        source_fingerprint=fingerprint(folder.weight_files),
        agreement=asdict(agreement),
        versions={name: importlib.metadata.version(name) for name in ("valence", "onnx", "onnxruntime")},
    )
    before = read_manifest(folder)
    exports = {
        file: old
        for file, old in (before.exports if before else {}).items()
        if old.source_sha256 == export.source_sha256
    }
    Manifest(path.name, exports | {path.name: export}).write(folder)
    return export


def _weights(model: TaskModel) -> dict[str, NDArray[np.float32]]:
    return {name: parameter.detach().float().numpy() for name, parameter in model.named_parameters()}


def _compare(
    folder: ModelFolder,
    model: TaskModel,
    path: Path,
    precision: Precision,
    sample: Sequence[Text],
    sample_name: str,
) -> Agreement:
    tokenizer = Tokenizer.from_folder(folder)
    engine = TorchEngine(model)
    labels = tuple(map(str, range(engine.n_classes)))
    source = Classifier(tokenizer, engine, labels, folder.problem_type)
    exported = Classifier(tokenizer, OnnxEngine(path, precision), labels, folder.problem_type)
    expected = source.probabilities(source.logits(sample))
    found = exported.probabilities(exported.logits(sample))
    differences = np.abs(expected - found).max(axis=1)
    return Agreement(
        sample_name,
        len(sample),
        float((expected.argmax(axis=1) == found.argmax(axis=1)).mean()),
        float(differences.max()),
        float(np.quantile(differences, 0.99)),
    )


def _refuse_if_poor(folder: ModelFolder, agreement: Agreement, precision: Precision) -> None:
    too_far = precision == "fp32" and agreement.largest_difference > _FP32_TOLERANCE
    if agreement.labels < LEAST_AGREEMENT[precision] or too_far:
        raise ExportError(
            f"{folder.name}: the {precision} export gives the label of the source for {agreement.labels:.2%} of "
            f"{agreement.n_texts} texts ({agreement.sample}), at least {LEAST_AGREEMENT[precision]:.1%} are needed; "
            f"the 99th percentile of the difference in score is {agreement.p99_difference:.3f}. "
            "It was not kept; --allow-disagreement keeps it"
        )
