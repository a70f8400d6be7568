"""Tiny models: the shape of an encoder, to be changed where a test needs another, and folders of random ones."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from valence.families import FAMILIES
from valence.folder import ModelFolder
from valence.model.config import EncoderConfig
from words import WORDS


def tiny_config(architecture: str = "distilbert", **changes: Any) -> EncoderConfig:
    """Two layers of 32, for the vocabulary of `words`."""
    family = FAMILIES[architecture]
    shape: dict[str, Any] = {
        "architecture": architecture,
        "vocab_size": len(WORDS),
        "hidden_size": 32,
        "n_layers": 2,
        "n_heads": 4,
        "intermediate_size": 64,
        "max_positions": 64 + family.position_of_first(0),
        "n_token_types": 2,
        "embedding_size": 128 if any(key.ours == "embedding_size" for key in family.keys) else 0,
        "activation": "gelu",
        "dropout": 0.1,
        "attention_output_dropout": 0.1,
        "attention_dropout": 0.1,
        "classifier_dropout": 0.1,
        "layer_norm_eps": 1e-12,
        "initializer_range": 0.3,
        "pad_token_id": 0,
        "tie_word_embeddings": True,
    }
    return EncoderConfig(**shape | family.fixed | changes)


def make_model(
    path: Path, vocabulary: Path, config: EncoderConfig, head: str, labels: tuple[str, ...] | None, seed: int = 3
) -> ModelFolder:
    """Write a random model and its tokenizer."""
    import torch

    from valence.checkpoint.checkpoint import save_model
    from valence.model.heads import TaskModel

    model = TaskModel(config, head, *([len(labels)] if labels else []))
    model.initialise(seed=seed)
    save_model(model, path, labels, torch.float32)
    (path / "vocab.txt").write_bytes(vocabulary.read_bytes())
    return ModelFolder(path, str(path))


def make_tiny(path: Path, vocabulary: Path) -> None:
    """Write a DistilBERT of two classes and its fp32 ONNX export."""
    from valence.runtime.export.export import export_model

    config = tiny_config(classifier_dropout=0.2)
    export_model(make_model(path, vocabulary, config, "classification", ("NEGATIVE", "POSITIVE"), seed=7))


def make_exported(
    path: Path, vocabulary: Path, exports: Sequence[tuple[str, str]], architecture: str = "distilbert", **shape: int
) -> None:
    """Write a classifier of three classes, of a shape that the native engine covers, and exports of it.

    An export is a format and a precision.
    """
    from valence.runtime.export.export import export_model
    from valence.runtime.export.sample import Sample

    wide = {"hidden_size": 64, "n_heads": 4, "intermediate_size": 128, "initializer_range": 0.12}
    config = tiny_config(architecture, **wide | shape)
    folder = make_model(path, vocabulary, config, "classification", ("a", "b", "c"))
    sample = Sample(["good film", "the plot was awful and the acting bad"])
    for file_format, precision in exports:
        if file_format == "onnx" or find_spec("nncf" if precision == "int8" else "openvino"):
            int8 = {"allow_disagreement": True} | ({"two_steps": []} if file_format == "onnx" else {})
            export_model(folder, precision, sample, file_format=file_format, **int8 if precision == "int8" else {})


def make_raw(path: Path, vocabulary: Path) -> None:
    """Write a raw BERT."""
    make_model(path, vocabulary, tiny_config("bert", max_positions=128), "pretraining", None)
