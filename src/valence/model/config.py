"""The shape of an encoder, whichever family it comes from."""

from dataclasses import dataclass

from valence.errors import ConfigError
from valence.families import Architecture

__all__ = ["ACTIVATIONS", "EncoderConfig"]

ACTIVATIONS = ("gelu", "gelu_new", "gelu_pytorch_tanh", "relu")
# Far beyond any model of these families: a size above is a damaged config, found before memory is asked for.
_LARGEST = {
    "vocab_size": 10_000_000,
    "hidden_size": 100_000,
    "n_layers": 1_000,
    "n_heads": 100_000,
    "intermediate_size": 1_000_000,
    "max_positions": 10_000_000,
}


@dataclass(frozen=True, kw_only=True)
class EncoderConfig:
    """All that is needed to build an encoder and its heads."""

    architecture: Architecture
    """DistilBERT (no token types; a classifier with ReLU) or BERT (token types; a tanh pooler)."""
    vocab_size: int
    hidden_size: int
    n_layers: int
    n_heads: int
    intermediate_size: int
    """Width of the feed-forward layer."""
    max_positions: int
    """Longest input in tokens."""
    n_token_types: int
    """Rows of the token-type table; 0 for none, as in DistilBERT."""
    activation: str
    """Of the feed-forward layer and the masked-LM head; one of `ACTIVATIONS`."""
    dropout: float
    """After the embeddings and after the feed-forward layer."""
    attention_output_dropout: float
    """After the attention's output projection; DistilBERT has none there."""
    attention_dropout: float
    """On the attention probabilities."""
    classifier_dropout: float
    layer_norm_eps: float
    initializer_range: float
    """Standard deviation of fresh weights."""
    pad_token_id: int
    tie_word_embeddings: bool
    """Whether the masked-LM head projects with the word embeddings themselves."""

    def __post_init__(self) -> None:
        problems = [
            f"{name} must lie between 1 and {largest}, found {value}"
            for name, largest in _LARGEST.items()
            if not 1 <= (value := getattr(self, name)) <= largest
        ]
        if not problems and self.hidden_size % self.n_heads:
            problems.append(f"hidden size {self.hidden_size} is not a multiple of {self.n_heads} attention heads")
        if self.activation not in ACTIVATIONS:
            problems.append(f"activation must be one of {', '.join(ACTIVATIONS)}, found {self.activation!r}")
        problems += [
            f"{name} must lie in [0, 1), found {value}"
            for name in (
                "dropout",
                "attention_output_dropout",
                "attention_dropout",
                "classifier_dropout",
                "initializer_range",
            )
            if not 0 <= (value := getattr(self, name)) < 1
        ]
        if not 0 < self.layer_norm_eps < 1:
            problems.append(f"layer_norm_eps must lie between 0 and 1, found {self.layer_norm_eps}")
        if self.architecture == "bert" and not 1 <= self.n_token_types <= _LARGEST["vocab_size"]:
            problems.append(f"n_token_types must be at least 1 for BERT, found {self.n_token_types}")
        fixed = (self.n_token_types, self.attention_output_dropout, self.layer_norm_eps)
        if self.architecture == "distilbert" and fixed != (0, 0.0, 1e-12):
            problems.append("DistilBERT has no token types, no dropout after attention, and layer norms with eps 1e-12")
        if not 0 <= self.pad_token_id < max(self.vocab_size, 1):
            problems.append(f"pad_token_id {self.pad_token_id} is not a row of the vocabulary")
        if problems:
            raise ConfigError("unusable model config: " + "; ".join(problems))
