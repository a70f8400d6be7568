"""What is run: a checkpoint in fp32, the same for everybody."""

import json
from pathlib import Path
from typing import Any

from valence.benchmark.results import Answer

__all__ = ["SEED", "USUAL_SHAPE", "write_checkpoint"]

SEED = 42
USUAL_SHAPE = {
    "architecture": "distilbert",
    "hidden_size": 768,
    "n_layers": 6,
    "n_heads": 12,
    "intermediate_size": 3072,
    "max_positions": 512,
    "n_token_types": 0,
    "activation": "gelu",
    "dropout": 0.1,
    "attention_output_dropout": 0.0,
    "attention_dropout": 0.1,
    "classifier_dropout": 0.2,
    "layer_norm_eps": 1e-12,
    "initializer_range": 0.02,
    "pad_token_id": 0,
    "tie_word_embeddings": True,
}
"""DistilBERT as it is usually built; its vocabulary is that of the default model, which is BERT's (30,522 pieces)."""


def write_checkpoint(source: Path | None, target: Path) -> Answer:
    """Write a checkpoint in fp32, with its tokenizer, as `transformers` reads it.

    Args:
        source: the model folder to copy; None for random weights of the usual shape, the same at every call.
        target: where.

    Returns:
        The number of parameters.
    """
    from valence.checkpoint.checkpoint import load_model, save_model
    from valence.folder import ModelFolder
    from valence.hub import DEFAULT, find_model
    from valence.model.config import EncoderConfig
    from valence.model.heads import TaskModel
    from valence.text.tokenizer import Tokenizer

    folder = find_model(DEFAULT) if source is None else ModelFolder(source, str(source))
    if source is None:
        shape: dict[str, Any] = {**USUAL_SHAPE, "vocab_size": folder.config["vocab_size"]}
        model = TaskModel(EncoderConfig(**shape), "classification", 2)
        model.initialise(seed=SEED)
        labels: tuple[str, ...] | None = ("NEGATIVE", "POSITIVE")
    else:
        model, labels = load_model(folder, "classification"), folder.labels
    save_model(model, target, labels, problem_type="single_label_classification")
    Tokenizer.from_folder(folder).save(target)
    # transformers takes the type of the weights from here, and must take fp32.
    config = json.loads((target / "config.json").read_text(encoding="utf-8"))
    assert config.get("dtype", "float32") == "float32"
    return {"parameters": sum(parameter.numel() for parameter in model.parameters())}
