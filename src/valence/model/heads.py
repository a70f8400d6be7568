"""Heads, and a task as an encoder with a head.

Shapes: B batch, T tokens, D width, C classes, V vocabulary.
Source: Devlin et al. 2019, "BERT"; Sanh et al. 2019, "DistilBERT".
"""

import torch
from torch import Tensor, nn

from valence.errors import MissingHeadError
from valence.families import Family, Task
from valence.model.config import EncoderConfig
from valence.model.dropout import Dropout
from valence.model.encoder import Activation, Encoder, initialise_weights

__all__ = ["FirstTokenHead", "MaskedLMHead", "PretrainingHeads", "TaskModel", "no_such_head"]


def no_such_head(family: Family, task: Task) -> str:
    """Say that a family has no head for a task, and what to do.

    Args:
        family: the family.
        task: one that it lacks.

    Returns:
        Words.
    """
    if task == "masked-lm":
        return f"a {family.title} has no masked-LM head"
    without = " and no token types" if family.fixed.get("n_token_types") == 0 else ""
    return (
        f"a {family.title} has no next-sentence head{without}: "
        "use a BERT checkpoint, whose head can be trained, too (valence pretrain TEXTS --base BERT --architecture bert "
        "--next-sentence --out FOLDER)"
    )


class FirstTokenHead(nn.Module):
    """Logits for a whole text from its first token: a linear layer, a non-linearity, a classifier.

    Which non-linearity, the family's record says: DistilBERT's classifier has ReLU, BERT's has tanh (the pooler).

    Args:
        config: the encoder's shape.
        n_classes: C.
        dropout: before the classifier, and in some families before the first linear layer.
        task: whose head it is.
    """

    def __init__(self, config: EncoderConfig, n_classes: int, dropout: float, task: Task = "classification") -> None:
        super().__init__()
        head = config.family.heads[task]
        self.dropout_before = Dropout(dropout if head.dropout_before else 0.0)
        self.transform = nn.Linear(config.hidden_size, config.hidden_size)
        self.activation = Activation(head.activation or config.activation)
        self.dropout = Dropout(dropout)
        self.classifier = nn.Linear(config.hidden_size, n_classes)

    def forward(self, hidden: Tensor) -> Tensor:
        """Classify.

        Args:
            hidden: [B, T, D].

        Returns:
            Logits [B, C].
        """
        first = self.activation(self.transform(self.dropout_before(hidden[:, 0])))  # [B, D]
        logits: Tensor = self.classifier(self.dropout(first))
        return logits


class MaskedLMHead(nn.Module):
    """Logits over the vocabulary for every token.

    Args:
        config: the encoder's shape.
        words: the encoder's word embeddings, which the last projection shares if the config ties them.
    """

    def __init__(self, config: EncoderConfig, words: nn.Embedding) -> None:
        super().__init__()
        width = config.embedding_width
        self.transform = nn.Linear(config.hidden_size, width)
        self.activation = Activation(config.family.heads["masked-lm"].activation or config.activation)
        self.norm = nn.LayerNorm(width, eps=config.layer_norm_eps)
        self.decoder = nn.Linear(width, config.vocab_size)
        self.tied = config.tie_word_embeddings
        self.tie(words)

    def tie(self, words: nn.Embedding) -> None:
        """Make the last projection share the word embeddings, if the config ties them.

        Args:
            words: the encoder's word embeddings.
        """
        if self.tied:
            self.decoder.weight = words.weight

    def forward(self, hidden: Tensor) -> Tensor:
        """Score every word at every place.

        Args:
            hidden: [..., D], such as [B, T, D], or [M, D] for chosen places alone.

        Returns:
            Logits [..., V].
        """
        logits: Tensor = self.decoder(self.norm(self.activation(self.transform(hidden))))
        return logits


class PretrainingHeads(nn.Module):
    """BERT's two heads on one encoder.

    Args:
        config: the encoder's shape.
        words: see `MaskedLMHead`.
    """

    def __init__(self, config: EncoderConfig, words: nn.Embedding) -> None:
        super().__init__()
        self.masked_lm = MaskedLMHead(config, words)
        self.next_sentence = FirstTokenHead(config, 2, dropout=0.0, task="next-sentence")


class TaskModel(nn.Module):
    """An encoder with a head.

    Args:
        config: the encoder's shape.
        task: which head.
        n_classes: C, for classification; next-sentence prediction always has 2.
    """

    def __init__(self, config: EncoderConfig, task: Task, n_classes: int = 2) -> None:
        super().__init__()
        self.config = config
        self.task = task
        self.encoder = Encoder(config)
        self.head: nn.Module
        if task not in config.family.heads:
            raise MissingHeadError(no_such_head(config.family, task))
        if task == "masked-lm":
            self.head = MaskedLMHead(config, self.encoder.embeddings.words)
        elif task == "pretraining":
            self.head = PretrainingHeads(config, self.encoder.embeddings.words)
        elif task == "classification":
            self.head = FirstTokenHead(config, n_classes, config.classifier_dropout)
        else:
            self.head = FirstTokenHead(config, 2, dropout=0.0, task=task)

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, token_type_ids: Tensor | None = None
    ) -> Tensor:
        """Run the encoder, then the head, of a model that has one.

        Args:
            input_ids: int64 [B, T].
            attention_mask: [B, T], 1 for a token and 0 for padding; None where nothing is padded.
            token_type_ids: int64 [B, T]; None for all zeros. Not read by families without token types.

        Returns:
            Logits: [B, T, V] for masked words, [B, C] otherwise.
        """
        assert isinstance(self.head, FirstTokenHead | MaskedLMHead), "two heads: run the encoder, then each"
        first_token_only = isinstance(self.head, FirstTokenHead)
        logits: Tensor = self.head(self.encoder(input_ids, attention_mask, token_type_ids, first_token_only))
        return logits

    @property
    def masked_lm_head(self) -> MaskedLMHead:
        """The head that scores words, of a model that has it."""
        head = self.head.masked_lm if isinstance(self.head, PretrainingHeads) else self.head
        assert isinstance(head, MaskedLMHead), f"a model for {self.task} has no masked-LM head"
        return head

    def initialise(self, seed: int) -> None:
        """Give every parameter a fresh value. The model lies on the CPU.

        Args:
            seed: the same seed gives the same values; the global random state is left as it was.
        """
        generator = torch.Generator().manual_seed(seed)
        self.apply(lambda module: initialise_weights(module, self.config.initializer_range, generator))

    @classmethod
    def outline(cls, config: EncoderConfig, task: Task, n_classes: int = 2) -> "TaskModel":
        """Build a model that has shapes but neither memory nor values; see `allocate`.

        Args:
            config: see the class.
            task: see the class.
            n_classes: see the class.

        Returns:
            The model, on PyTorch's "meta" device.
        """
        with torch.device("meta"):
            return cls(config, task, n_classes)

    def allocate(self) -> None:
        """Give an outline memory on the CPU. Its values are whatever lay there: every one must be filled."""
        self.to_empty(device="cpu")
        for module in self.modules():
            if isinstance(module, MaskedLMHead):
                module.tie(self.encoder.embeddings.words)
