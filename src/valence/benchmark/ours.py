"""valence as a contender: through the public classifier, from strings to labels.

Long texts are truncated, as the peers do it, so that everybody reads the same tokens.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from valence.benchmark.contenders import EMBEDDED, Answer
from valence.errors import EngineError
from valence.folder import TOKENIZER_FILES, ModelFolder
from valence.hub import DEFAULT, find_model
from valence.runtime.classifier import Classifier
from valence.runtime.load import load
from valence.runtime.manifest import read_manifest
from valence.text.tokenizer import Tokenizer

__all__ = ["classify_options", "open_ours", "prepare_ours"]

# Key -> the engine, its precision, and the folder whose export it runs.
_ENGINES = {
    "valence-native": ("native", "int8", "valence-int8"),
    "valence-onnx-int8": ("onnx", "int8", "valence-int8"),
    "valence-onnx-fp32": ("onnx", "fp32", "valence-fp32"),
    "valence-openvino": ("openvino", "int8", "valence-openvino"),
    "valence-torch-fp32": ("torch", "fp32", "checkpoint"),
    "valence-torch-bf16": ("torch", "bf16", "checkpoint"),
}
_CHECKPOINT_FILES = ("config.json", "model.safetensors", *TOKENIZER_FILES)
_FEW_TEXTS = 20  # to compare random weights on, whose labels mean nothing


def classify_options(key: str, prepared: Path) -> list[str] | None:
    """Tell how `valence classify` runs a contender of ours.

    Args:
        key: which contender.
        prepared: the folder that `prepare_ours` wrote to.

    Returns:
        Its options; None for a peer, and where no option chooses the precision.
    """
    if key == EMBEDDED:
        return []
    engine, precision, name = _ENGINES.get(key, ("", "", ""))
    return None if not engine or precision == "bf16" else ["--model", str(prepared / name), "--engine", engine]


def prepare_ours(key: str, checkpoint: Path, prepared: Path, random: bool) -> None:
    """Export an engine into a folder of its own, beside links to the checkpoint's files; what is there is kept.

    The engine is kept however well it agrees: the benchmark reports that itself.

    Args:
        key: which contender.
        checkpoint: the model folder, in fp32.
        prepared: where to write.
        random: whether the weights are random. Their labels mean nothing and cannot decide how to export, so it is done
            as it was for the default model.
    """
    engine, precision, name = _ENGINES.get(key, ("torch", "", ""))
    if engine == "torch":
        return
    folder = prepared / name
    folder.mkdir(parents=True, exist_ok=True)
    for file in _CHECKPOINT_FILES:
        if (checkpoint / file).is_file() and not (folder / file).exists():
            (folder / file).symlink_to((checkpoint / file).resolve())
    model = ModelFolder(folder, str(folder))
    if not model.manifest_file.is_file():
        _export(model, "openvino" if engine == "openvino" else "onnx", precision, random)


def _export(model: ModelFolder, file_format: Any, precision: Any, random: bool) -> None:
    from valence.runtime.export.export import export_model
    from valence.runtime.export.sample import Sample

    sample, two_steps = Sample(), None
    if random:
        sample = Sample(sample.texts[:_FEW_TEXTS])
        two_steps = _steps_of_default() if (file_format, precision) == ("onnx", "int8") else []
    export_model(model, precision, sample, allow_disagreement=True, file_format=file_format, two_steps=two_steps)


def _steps_of_default() -> list[str]:
    """Read which products of the default model are taken in two steps."""
    manifest = read_manifest(find_model(DEFAULT))
    assert manifest is not None
    return manifest.exports[manifest.default].two_steps


class _Valence:
    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier

    def answers(self, texts: Sequence[str], mode: str, budget: int) -> list[Answer]:
        """Label texts; see `valence.benchmark.peers.Opened`."""
        if mode == "one":
            return [(answer.label, answer.score) for answer in map(self._classifier, texts)]
        return [(answer.label, answer.score) for answer in self._classifier(texts)]


def open_ours(key: str, prepared: Path) -> _Valence:
    """Open one of our engines.

    Args:
        key: which.
        prepared: the folder that `prepare_ours` wrote to.

    Returns:
        The classifier, as a contender.

    Raises:
        EngineError: if this machine or this version has no such engine.
    """
    if key not in _ENGINES:
        return _Valence(load(DEFAULT, long_text="truncate"))
    engine, precision, name = _ENGINES[key]
    folder = prepared / name
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # classes without names are fine here
        if engine == "torch":
            return _Valence(_torch_classifier(folder, precision))
        classifier = load(folder, engine=engine, long_text="truncate")
    if not classifier.engine.name.startswith(engine):
        raise EngineError(f"asked for {engine}, and {classifier.engine.name} runs")
    return _Valence(classifier)


def _torch_classifier(path: Path, precision: Any) -> Classifier:
    from valence.runtime.torch_engine import TorchEngine

    folder = ModelFolder(path, str(path))
    engine = TorchEngine.from_folder(folder, precision, "cpu")
    return Classifier(Tokenizer.from_folder(folder), engine, folder.labels or (), folder.problem_type, "truncate")
