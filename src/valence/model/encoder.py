"""The encoder that DistilBERT and BERT share: embeddings, then layers of attention and feed-forward.

Shapes: B batch, T tokens, D width, V vocabulary.
Source: Devlin et al. 2019, "BERT"; Sanh et al. 2019, "DistilBERT, a distilled version of BERT".
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from valence.model.attention import SelfAttention
from valence.model.config import EncoderConfig
from valence.model.dropout import Dropout

__all__ = ["Activation", "Encoder", "initialise_weights"]


class Activation(nn.Module):
    """The non-linearity a config names.

    Args:
        name: one of `valence.model.config.ACTIVATIONS`.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def forward(self, values: Tensor) -> Tensor:
        """Apply it to each value.

        Args:
            values: any shape.

        Returns:
            The same shape.
        """
        if self.name == "relu":
            return F.relu(values)
        return F.gelu(values, approximate="none" if self.name == "gelu" else "tanh")


class Embeddings(nn.Module):
    """Word, position and (for BERT) token-type embeddings, added and normalised.

    Args:
        config: the encoder's shape.
    """

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.words = nn.Embedding(config.vocab_size, config.hidden_size, padding_idx=config.pad_token_id)
        self.positions = nn.Embedding(config.max_positions, config.hidden_size)
        self.token_types = nn.Embedding(config.n_token_types, config.hidden_size) if config.n_token_types else None
        self.norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = Dropout(config.dropout)

    def forward(self, input_ids: Tensor, token_type_ids: Tensor | None) -> Tensor:
        """Look up what each token is and where it stands.

        Args:
            input_ids: int64 [B, T].
            token_type_ids: int64 [B, T]; None for all zeros.

        Returns:
            [B, T, D].
        """
        embedded: Tensor = self.words(input_ids) + self.positions.weight[: input_ids.shape[1]]
        if self.token_types is not None:
            if token_type_ids is None:
                embedded = embedded + self.token_types.weight[0]
            else:
                embedded = embedded + self.token_types(token_type_ids)
        normalised: Tensor = self.dropout(self.norm(embedded))
        return normalised


class FeedForward(nn.Module):
    """Two linear layers with a non-linearity between, applied to each token alone.

    Args:
        config: the encoder's shape.
    """

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.up = nn.Linear(config.hidden_size, config.intermediate_size)
        self.activation = Activation(config.activation)
        self.down = nn.Linear(config.intermediate_size, config.hidden_size)

    def forward(self, hidden: Tensor) -> Tensor:
        """Transform every token.

        Args:
            hidden: [B, T, D].

        Returns:
            [B, T, D].
        """
        transformed: Tensor = self.down(self.activation(self.up(hidden)))
        return transformed


class EncoderLayer(nn.Module):
    """Attention and feed-forward, each added to its input and then normalised (post-norm).

    Args:
        config: the encoder's shape.
    """

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.attention = SelfAttention(config)
        self.attention_dropout = Dropout(config.attention_output_dropout)
        self.attention_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.feed_forward = FeedForward(config)
        self.feed_forward_dropout = Dropout(config.dropout)
        self.feed_forward_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, hidden: Tensor, mask: Tensor | None, first_token_only: bool = False) -> Tensor:
        """Run one layer.

        Args:
            hidden: [B, T, D].
            mask: bool [B, 1, 1, T] or None; see `SelfAttention`.
            first_token_only: compute the first token of the result and no other.

        Returns:
            [B, T, D], or [B, 1, D] for the first token only.
        """
        readers = hidden[:, :1] if first_token_only else hidden
        attended = self.attention_norm(readers + self.attention_dropout(self.attention(readers, hidden, mask)))
        transformed: Tensor = self.feed_forward_norm(attended + self.feed_forward_dropout(self.feed_forward(attended)))
        return transformed


class Encoder(nn.Module):
    """Token ids to one vector per token.

    Args:
        config: its shape.
    """

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.embeddings = Embeddings(config)
        self.layers = nn.ModuleList(EncoderLayer(config) for _ in range(config.n_layers))

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        first_token_only: bool = False,
    ) -> Tensor:
        """Encode a batch.

        Args:
            input_ids: int64 [B, T], T at most `config.max_positions`.
            attention_mask: [B, T], 1 for a token and 0 for padding; None where nothing is padded.
            token_type_ids: int64 [B, T]; None for all zeros. Not read by DistilBERT.
            first_token_only: leave out of the last layer what only other tokens than the first need, which
                a classifier never reads: with 6 layers about 14 % of the work.

        Returns:
            [B, T, D], or [B, 1, D] for the first token only; rows of padding hold no meaning.
        """
        mask = _readable(attention_mask)
        hidden: Tensor = self.embeddings(input_ids, token_type_ids)
        last = len(self.layers) - 1
        for number, layer in enumerate(self.layers):
            hidden = layer(hidden, mask, first_token_only and number == last)
        return hidden

    def layer_outputs(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, token_type_ids: Tensor | None = None
    ) -> list[Tensor]:
        """Encode a batch and keep what every layer gives.

        Args:
            input_ids: see `forward`.
            attention_mask: see `forward`.
            token_type_ids: see `forward`.

        Returns:
            [B, T, D] per layer, the last as `forward` gives it.
        """
        mask = _readable(attention_mask)
        outputs: list[Tensor] = [self.embeddings(input_ids, token_type_ids)]
        for layer in self.layers:
            outputs.append(layer(outputs[-1], mask))
        return outputs[1:]


def _readable(attention_mask: Tensor | None) -> Tensor | None:
    """Bring a mask to the form attention reads, bool [B, 1, 1, T]."""
    return None if attention_mask is None else attention_mask[:, None, None].to(torch.bool)


@torch.no_grad()
def initialise_weights(module: nn.Module, standard_deviation: float, generator: torch.Generator) -> None:
    """Give one module fresh weights, as BERT does: normal weights, zero biases, unit norms.

    Args:
        module: its own parameters are filled; those of its children are not. For `Module.apply`.
        standard_deviation: of the normal distribution.
        generator: the source of random numbers.
    """
    if isinstance(module, nn.Linear | nn.Embedding):
        module.weight.normal_(0.0, standard_deviation, generator=generator)
        if isinstance(module, nn.Embedding) and module.padding_idx is not None:
            module.weight[module.padding_idx].zero_()
        if isinstance(module, nn.Linear):
            module.bias.zero_()
    elif isinstance(module, nn.LayerNorm):
        module.weight.fill_(1.0)
        module.bias.zero_()
