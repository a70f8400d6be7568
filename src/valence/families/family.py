"""What is particular to a family of models, as data: how it is configured, named, marked up and run.

A family is one record in a file of its own; `valence.families` lists them. Nothing else knows a family by its name.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

__all__ = [
    "Architecture",
    "ConfigKey",
    "Family",
    "Head",
    "HeadActivation",
    "Rows",
    "SpecialTokens",
    "Task",
    "Tokenizing",
]

Architecture = str
"""The name of a family, as config.json has it under model_type."""
Task = Literal["classification", "masked-lm", "next-sentence", "pretraining"]
"""What a head is for; "pretraining" is masked words and next sentences at once."""
HeadActivation = Literal["relu", "tanh", "gelu"]
Rows = tuple[tuple[str, str], ...]
"""Names of ours beside those of `transformers`, without the family's prefix; `{}` stands for the layer."""


@dataclass(frozen=True)
class ConfigKey:
    """A key of config.json.

    Args:
        theirs: as config.json has it.
        ours: the field of `valence.model.config.EncoderConfig`.
        default: where the key is absent or null; None: the key is required.
        like: a field of ours whose value it has where the key is absent or null, instead of the default.
    """

    theirs: str
    ours: str
    default: object = None
    like: str | None = None


@dataclass(frozen=True)
class Head:
    """How a family's head for a task computes, and what its tensors are called.

    Args:
        tensors: their names.
        activation: after the first linear layer; None for that of the feed-forward layers.
        dropout_before: whether there is dropout before the first linear layer, too.
        tied: a tensor's second name in files, to the name in `tensors`; where both are there, `transformers` computes
            with the second name's.
    """

    tensors: Rows
    activation: HeadActivation | None = None
    dropout_before: bool = False
    tied: Rows = ()


@dataclass(frozen=True, kw_only=True)
class SpecialTokens:
    """What a family's tokenizer calls its special tokens, by what `transformers` calls their uses."""

    cls_token: str
    sep_token: str
    pad_token: str
    unk_token: str
    mask_token: str
    bos_token: str | None = None
    eos_token: str | None = None

    def names(self) -> dict[str, str]:
        """List them.

        Returns:
            Uses such as "cls_token", to tokens.
        """
        return {use: token for use, token in vars(self).items() if token is not None}


@dataclass(frozen=True, kw_only=True)
class Tokenizing:
    """How a family reads text, unless the tokenizer's files say otherwise."""

    class_name: str
    """The class of `transformers`, without "Fast"."""
    like: tuple[str, ...] = ()
    """Further classes of `transformers` that are the same."""
    model: Literal["WordPiece", "BPE"]
    """WordPiece with BERT's normalisation, or byte-level BPE."""
    special: SpecialTokens
    separators: int = 1
    """How many stand between the texts of a pair: `[CLS] A [SEP] B [SEP]` has one, `<s> A </s></s> B </s>` two."""
    token_types: bool = True
    """Whether the second text of a pair has token type 1; otherwise the model is given no types."""
    mask_takes_space: bool = False
    """Whether the mask token takes the space before it, as a word with its space does; `transformers` 5 says so of
    RoBERTa's no more, but the files of nearly all of them do."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Family:
    """A family of models."""

    name: Architecture
    """As config.json has it under model_type; also the prefix of its tensors in a task checkpoint."""
    title: str
    """As people write it."""
    class_name: str
    """What the names of its classes in `transformers` begin with."""
    citation: str
    """The paper, as BibTeX."""
    paper: str
    """Where the paper is."""
    keys: tuple[ConfigKey, ...]
    fixed: Mapping[str, object] = field(default_factory=dict)
    """Fields of ours that no key has and that are the same in the whole family."""
    same: Mapping[str, str] = field(default_factory=dict)
    """Fields of ours that no key has, to those whose value they share."""
    required: Mapping[str, object] = field(default_factory=dict)
    """Keys of config.json that change what is computed and for which this value alone is supported."""
    written: Mapping[str, object] = field(default_factory=dict)
    """Further keys of config.json, as they are written."""
    embeddings: Rows
    """Whole names."""
    layer: Rows
    """Modules with a weight and a bias."""
    heads: Mapping[Task, Head]
    other_heads: tuple[str, ...] = ()
    """Modules of heads that `transformers` has and valence has not, as a checkpoint's tensor names begin with."""
    tokenizing: Tokenizing
    first_position: int | None = 0
    """The row of the position table that a text's first token has; None: the one after that of padding."""
    buckets: int = 0
    """Of distances between tokens, for which attention has a bias; 0 for none."""
    becomes: Architecture | None = None
    """The family that training makes of such a base where none is asked for; the same if None."""
    why_not_native: str | None = None
    """Why the native engine does not run such a classifier; None where it does."""

    @property
    def trained_as(self) -> Architecture:
        """The family that training makes of such a base where none is asked for."""
        return self.becomes or self.name

    def default(self, ours: str) -> int:
        """Look up what a whole number of the config is where the file does not say.

        Args:
            ours: a field of ours.

        Returns:
            The default.
        """
        found = next(key.default for key in self.keys if key.ours == ours)
        assert isinstance(found, int), f"{ours} has no default"
        return found

    def longest_text(self, positions: int, pad_token_id: int) -> int:
        """Tell how many tokens a model reads, special tokens included.

        Args:
            positions: rows of its position table.
            pad_token_id: of its config.

        Returns:
            The rows but for those that no token of a text has.
        """
        return positions - self.position_of_first(pad_token_id)

    def position_of_first(self, pad_token_id: int) -> int:
        """Tell which row of the position table a text's first token has.

        Args:
            pad_token_id: of the model's config.

        Returns:
            The row.
        """
        return pad_token_id + 1 if self.first_position is None else self.first_position
