"""The shape of a tiny encoder, to be changed where a test needs another."""

from typing import Any

from valence.model.config import EncoderConfig
from words import WORDS


def tiny_config(architecture: str = "distilbert", **changes: Any) -> EncoderConfig:
    """Two layers of 32, for the vocabulary of `words`."""
    is_bert = architecture == "bert"
    shape: dict[str, Any] = {
        "architecture": architecture,
        "vocab_size": len(WORDS),
        "hidden_size": 32,
        "n_layers": 2,
        "n_heads": 4,
        "intermediate_size": 64,
        "max_positions": 64,
        "n_token_types": 2 if is_bert else 0,
        "activation": "gelu",
        "dropout": 0.1,
        "attention_output_dropout": 0.1 if is_bert else 0.0,
        "attention_dropout": 0.1,
        "classifier_dropout": 0.1,
        "layer_norm_eps": 1e-12,
        "initializer_range": 0.3,
        "pad_token_id": 0,
        "tie_word_embeddings": True,
    }
    return EncoderConfig(**shape | changes)
