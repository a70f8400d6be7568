"""The shape of an encoder, whichever family it comes from."""

from dataclasses import dataclass

from valence.errors import ConfigError
from valence.families import FAMILIES, Architecture, Family

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
    """The name of its family; see `valence.families`."""
    vocab_size: int
    hidden_size: int
    n_layers: int
    n_heads: int
    intermediate_size: int
    """Width of the feed-forward layer."""
    max_positions: int
    """Rows of the position table; some families leave out the first (see `longest_text`)."""
    n_token_types: int
    """Rows of the token-type table; 0 for none, as in DistilBERT."""
    embedding_size: int = 0
    """Width of the embeddings, where a projection brings them to the hidden size; 0 for the hidden size."""
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
        title, fixed = self.family.title, self.family.fixed
        if "n_token_types" not in fixed and not 1 <= self.n_token_types <= _LARGEST["vocab_size"]:
            problems.append(f"n_token_types must be at least 1 for {title}, found {self.n_token_types}")
        if not 0 <= self.embedding_size <= _LARGEST["hidden_size"]:
            problems.append(f"embedding_size must not be above {_LARGEST['hidden_size']}, found {self.embedding_size}")
        problems += [
            f"{name} of a {title} is {value}, found {found}"
            for name, value in fixed.items()
            if (found := getattr(self, name)) != value
        ]
        if not 0 <= self.pad_token_id < max(self.vocab_size, 1):
            problems.append(f"pad_token_id {self.pad_token_id} is not a row of the vocabulary")
        if problems:
            raise ConfigError("unusable model config: " + "; ".join(problems))

    @property
    def family(self) -> Family:
        """The record of the family."""
        return FAMILIES[self.architecture]

    @property
    def embedding_width(self) -> int:
        """Of the embeddings, before a projection."""
        return self.embedding_size or self.hidden_size

    @property
    def first_position(self) -> int:
        """The row of the position table that a text's first token has."""
        return self.family.position_of_first(self.pad_token_id)

    @property
    def longest_text(self) -> int:
        """In tokens, special tokens included."""
        return self.family.longest_text(self.max_positions, self.pad_token_id)
