"""The encoder that all families share: embeddings, then layers of attention and feed-forward.

Shapes: B batch, T tokens, R readers, D width, E width of the embeddings, H heads, V vocabulary.
Source: Devlin et al. 2019, "BERT"; Sanh et al. 2019, "DistilBERT, a distilled version of BERT"; Clark et al. 2020,
"ELECTRA", for narrower embeddings; Song et al. 2020, "MPNet", for distances.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from valence.model.attention import SelfAttention
from valence.model.config import ACTIVATIONS, EncoderConfig
from valence.model.dropout import Dropout

__all__ = ["Activation", "Encoder", "distance_buckets", "initialise_weights"]

_FARTHEST = 128  # tokens; what stands farther apart shares the last bucket


class Activation(nn.Module):
    """The non-linearity a config names.

    Args:
        name: one of `valence.model.config.ACTIVATIONS`, or "tanh".
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        assert name in (*ACTIVATIONS, "tanh"), f"no such activation: {name!r}"
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
        if self.name == "tanh":
            return torch.tanh(values)
        return F.gelu(values, approximate="none" if self.name == "gelu" else "tanh")


class Embeddings(nn.Module):
    """Word, position and (in most families) token-type embeddings, added and normalised.

    Args:
        config: the encoder's shape.
    """

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        width = config.embedding_width
        self.words = nn.Embedding(config.vocab_size, width, padding_idx=config.pad_token_id)
        self.positions = nn.Embedding(config.max_positions, width)
        self.token_types = nn.Embedding(config.n_token_types, width) if config.n_token_types else None
        self.norm = nn.LayerNorm(width, eps=config.layer_norm_eps)
        self.dropout = Dropout(config.dropout)
        self.projection = None if width == config.hidden_size else nn.Linear(width, config.hidden_size)
        self.first_position = config.first_position

    def forward(self, input_ids: Tensor, token_type_ids: Tensor | None) -> Tensor:
        """Look up what each token is and where it stands.

        Args:
            input_ids: int64 [B, T].
            token_type_ids: int64 [B, T]; None for all zeros.

        Returns:
            [B, T, D].
        """
        first = self.first_position
        return self.combine(input_ids, self.positions.weight[first : first + input_ids.shape[1]], token_type_ids)

    def combine(self, input_ids: Tensor, positions: Tensor, token_type_ids: Tensor | None) -> Tensor:
        """Add up what is known of each token, normalise it, and bring it to the hidden size.

        Args:
            input_ids: int64 [...].
            positions: [..., E], or what broadcasts to it.
            token_type_ids: int64 [...]; None for all zeros.

        Returns:
            [..., D].
        """
        embedded: Tensor = self.words(input_ids) + positions  # [..., E]
        if self.token_types is not None:
            if token_type_ids is None:
                embedded = embedded + self.token_types.weight[0]
            else:
                embedded = embedded + self.token_types(token_type_ids)
        normalised: Tensor = self.dropout(self.norm(embedded))
        return normalised if self.projection is None else self.projection(normalised)


class Distances(nn.Module):
    """A bias of attention by how far apart two tokens stand, the same in all layers.

    Near distances have a bucket each, far ones share buckets that grow with the logarithm of the distance.

    Args:
        n_buckets: for both directions together.
        n_heads: H.
    """

    def __init__(self, n_buckets: int, n_heads: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_buckets, n_heads))

    def forward(self, n_tokens: int) -> Tensor:
        """Look up the bias of every pair of places.

        Args:
            n_tokens: T.

        Returns:
            [1, H, T, T], by the reader's place and then that of the token that is read.
        """
        places = torch.arange(n_tokens, device=self.weight.device)
        buckets = distance_buckets(places[None, :] - places[:, None], len(self.weight))  # [T, T]
        return F.embedding(buckets, self.weight).permute(2, 0, 1)[None]


def distance_buckets(ahead: Tensor, n_buckets: int) -> Tensor:
    """Number the buckets of distances, as MPNet and T5 do.

    Args:
        ahead: whole numbers: how many places the token that is read stands ahead of its reader.
        n_buckets: for both directions together.

    Returns:
        int64, of the same shape.
    """
    half = n_buckets // 2
    exact = half // 2
    distance = ahead.abs()
    grown = torch.log(distance.clamp(min=1).float() / exact) / math.log(_FARTHEST / exact) * (half - exact)
    far = (exact + grown.to(torch.int64)).clamp(max=half - 1)
    return torch.where(distance < exact, distance, far) + half * (ahead > 0)


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
            mask: bool [B, 1, 1, T], or a bias of attention [B or 1, H, T, T], or None; see `SelfAttention`.
            first_token_only: compute the first token of the result and no other.

        Returns:
            [B, T, D], or [B, 1, D] for the first token only.
        """
        readers = hidden[:, :1] if first_token_only else hidden
        if mask is not None:
            mask = mask[:, :, : readers.shape[1]]
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
        self.distances = Distances(config.family.buckets, config.n_heads) if config.family.buckets else None
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
            input_ids: int64 [B, T], T at most `config.longest_text`.
            attention_mask: [B, T], 1 for a token and 0 for padding; None where nothing is padded.
            token_type_ids: int64 [B, T]; None for all zeros. Not read by families without token types.
            first_token_only: leave out of the last layer what only other tokens than the first need, which
                a classifier never reads: with 6 layers about 14 % of the work.

        Returns:
            [B, T, D], or [B, 1, D] for the first token only; rows of padding hold no meaning.
        """
        mask = self._readable(input_ids, attention_mask)
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
        mask = self._readable(input_ids, attention_mask)
        outputs: list[Tensor] = [self.embeddings(input_ids, token_type_ids)]
        for layer in self.layers:
            outputs.append(layer(outputs[-1], mask))
        return outputs[1:]

    def _readable(self, input_ids: Tensor, attention_mask: Tensor | None) -> Tensor | None:
        """Bring a mask to the form attention reads: bool [B, 1, 1, T], or with the bias of distances [., H, T, T]."""
        mask = None if attention_mask is None else attention_mask[:, None, None].to(torch.bool)
        if self.distances is None:
            return mask
        bias: Tensor = self.distances(input_ids.shape[1])
        return bias if mask is None else bias.masked_fill(~mask, -math.inf)


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
    elif isinstance(module, Distances):
        module.weight.normal_(0.0, standard_deviation, generator=generator)
    elif isinstance(module, nn.LayerNorm):
        module.weight.fill_(1.0)
        module.bias.zero_()
