"""Tensor names: ours beside those of `transformers`, as two-way tables.

A row is (ours, theirs); `{}` stands for the layer. Their names are written without any prefix: a task checkpoint has
the family's (`bert.`, `distilbert.`), a raw one none, and whoever saves the weights of a network that holds the model
adds more (`module.`, `_orig_mod.`, `model.`). Those in `_WRAPPERS` are taken off, and nobody guesses at others: two
networks in one file differ in nothing but their prefix.
"""

import re
from functools import cache

from valence.families import Architecture, Task
from valence.model.config import EncoderConfig

__all__ = [
    "BERT_BIAS",
    "BERT_BIAS_IN_USE",
    "BUFFERS",
    "astray",
    "canonical_name",
    "head_names",
    "is_head",
    "is_within_encoder",
    "known_head_names",
    "masked_lm_projection",
    "saved_name",
    "tensor_names",
]

_Rows = tuple[tuple[str, str], ...]

_EMBEDDINGS: _Rows = (
    ("embeddings.words.weight", "embeddings.word_embeddings.weight"),
    ("embeddings.positions.weight", "embeddings.position_embeddings.weight"),
    ("embeddings.norm.weight", "embeddings.LayerNorm.weight"),
    ("embeddings.norm.bias", "embeddings.LayerNorm.bias"),
)
_TOKEN_TYPES: _Rows = (("embeddings.token_types.weight", "embeddings.token_type_embeddings.weight"),)
# Modules with a weight and a bias, in every layer.
_LAYER: dict[Architecture, _Rows] = {
    "distilbert": (
        ("layers.{}.attention.query", "transformer.layer.{}.attention.q_lin"),
        ("layers.{}.attention.key", "transformer.layer.{}.attention.k_lin"),
        ("layers.{}.attention.value", "transformer.layer.{}.attention.v_lin"),
        ("layers.{}.attention.output", "transformer.layer.{}.attention.out_lin"),
        ("layers.{}.attention_norm", "transformer.layer.{}.sa_layer_norm"),
        ("layers.{}.feed_forward.up", "transformer.layer.{}.ffn.lin1"),
        ("layers.{}.feed_forward.down", "transformer.layer.{}.ffn.lin2"),
        ("layers.{}.feed_forward_norm", "transformer.layer.{}.output_layer_norm"),
    ),
    "bert": (
        ("layers.{}.attention.query", "encoder.layer.{}.attention.self.query"),
        ("layers.{}.attention.key", "encoder.layer.{}.attention.self.key"),
        ("layers.{}.attention.value", "encoder.layer.{}.attention.self.value"),
        ("layers.{}.attention.output", "encoder.layer.{}.attention.output.dense"),
        ("layers.{}.attention_norm", "encoder.layer.{}.attention.output.LayerNorm"),
        ("layers.{}.feed_forward.up", "encoder.layer.{}.intermediate.dense"),
        ("layers.{}.feed_forward.down", "encoder.layer.{}.output.dense"),
        ("layers.{}.feed_forward_norm", "encoder.layer.{}.output.LayerNorm"),
    ),
}
_HEADS: dict[tuple[Architecture, Task], _Rows] = {
    ("distilbert", "classification"): (
        ("transform.weight", "pre_classifier.weight"),
        ("transform.bias", "pre_classifier.bias"),
        ("classifier.weight", "classifier.weight"),
        ("classifier.bias", "classifier.bias"),
    ),
    ("bert", "classification"): (
        ("transform.weight", "pooler.dense.weight"),
        ("transform.bias", "pooler.dense.bias"),
        ("classifier.weight", "classifier.weight"),
        ("classifier.bias", "classifier.bias"),
    ),
    ("distilbert", "masked-lm"): (
        ("transform.weight", "vocab_transform.weight"),
        ("transform.bias", "vocab_transform.bias"),
        ("norm.weight", "vocab_layer_norm.weight"),
        ("norm.bias", "vocab_layer_norm.bias"),
        ("decoder.weight", "vocab_projector.weight"),
        ("decoder.bias", "vocab_projector.bias"),
    ),
    ("bert", "masked-lm"): (
        ("transform.weight", "cls.predictions.transform.dense.weight"),
        ("transform.bias", "cls.predictions.transform.dense.bias"),
        ("norm.weight", "cls.predictions.transform.LayerNorm.weight"),
        ("norm.bias", "cls.predictions.transform.LayerNorm.bias"),
        ("decoder.weight", "cls.predictions.decoder.weight"),
        ("decoder.bias", "cls.predictions.bias"),
    ),
    ("bert", "next-sentence"): (
        ("transform.weight", "pooler.dense.weight"),
        ("transform.bias", "pooler.dense.bias"),
        ("classifier.weight", "cls.seq_relationship.weight"),
        ("classifier.bias", "cls.seq_relationship.bias"),
    ),
}
_HEADS["bert", "pretraining"] = (
    *((f"masked_lm.{ours}", theirs) for ours, theirs in _HEADS["bert", "masked-lm"]),
    *((f"next_sentence.{ours}", theirs) for ours, theirs in _HEADS["bert", "next-sentence"]),
)
# BERT's masked-LM bias goes by two names. `transformers` computes with the second; it ties them together with the
# word embeddings and then saves the first alone, or ties neither and saves both.
BERT_BIAS = "cls.predictions.bias"
BERT_BIAS_IN_USE = "cls.predictions.decoder.bias"
# Read, never written: buffers that are no parameters, and the names of older files.
BUFFERS = frozenset({"embeddings.position_ids", "embeddings.token_type_ids", "n_averaged"})
_ALIASES = ((re.compile(r"\.gamma$"), ".weight"), (re.compile(r"\.beta$"), ".bias"))
_HEAD = re.compile(r"(qa_outputs|classifier|pre_classifier|pooler|cls|vocab_\w+)\.")
_WITHIN_ENCODER = re.compile(r"(.*\.)?(embeddings|encoder|transformer|\w*(adapter|lora|prompt)\w*)\.")
# What PyTorch puts around a module, wherever it stands in the network: DataParallel, compile, FSDP, checkpointing.
_AROUND_MODULES = frozenset({"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"})
# What the network that holds the encoder is called, or the encoder in it.
_WRAPPERS = frozenset(
    {
        *("model", "net", "network", "backbone", "base_model", "auto_model", "state_dict"),
        *("encoder", "transformer", "bert", "distilbert"),
    }
)


@cache
def _is_encoder_name(name: str, architecture: Architecture) -> bool:
    if any(name == theirs for _, theirs in (*_EMBEDDINGS, *_TOKEN_TYPES)):
        return True
    module, _, kind = re.sub(r"\blayer\.\d+\.", "layer.{}.", name, count=1).rpartition(".")
    return kind in ("weight", "bias") and any(module == theirs for _, theirs in _LAYER[architecture])


def canonical_name(theirs: str, architecture: Architecture) -> str:
    """Bring a tensor's name to the form the tables use.

    Args:
        theirs: as it stands in the file.
        architecture: the family.

    Returns:
        Without prefix, aliases of older files resolved; of a tensor that nobody knows, or one under a prefix that
        nobody knows, the name as it stands.
    """
    name = ".".join(part for part in theirs.split(".") if part not in _AROUND_MODULES)
    for pattern, replacement in _ALIASES:
        name = pattern.sub(replacement, name)
    prefix, rest = _divide(name, architecture)
    if rest:
        return rest if _WRAPPERS.issuperset(prefix.split(".")[:-1]) else theirs
    parts = name.split(".")
    for start in range(len(parts)):
        rest = ".".join(parts[start:])
        if _HEAD.match(rest) or rest in BUFFERS:
            return rest
        if parts[start] not in _WRAPPERS:
            break
    return theirs


def _divide(name: str, architecture: Architecture) -> tuple[str, str]:
    """Divide the name of an encoder's tensor into the prefix, with its dot, and what the tables know."""
    parts = name.split(".")
    for start in range(len(parts)):
        rest = ".".join(parts[start:])
        if _is_encoder_name(rest, architecture):
            return name.removesuffix(rest), rest
    return "", ""


def astray(theirs: str, architecture: Architecture) -> str | None:
    """Tell an encoder's tensor under a prefix that nobody knows.

    Args:
        theirs: as `canonical_name` leaves it.
        architecture: the family.

    Returns:
        The prefix, with its dot; None for any other tensor.
    """
    prefix, _ = _divide(theirs, architecture)
    return prefix or None


def is_within_encoder(name: str) -> bool:
    """Tell a tensor that takes part in what an encoder computes, known or not, from one that stands beside it.

    Args:
        name: from `canonical_name`.

    Returns:
        True for the encoder's own tensors, adapters in its layers and encoders under other prefixes.
    """
    return _WITHIN_ENCODER.match(name) is not None


def known_head_names(architecture: Architecture) -> frozenset[str]:
    """List the tensors of all heads that there are tables for.

    Args:
        architecture: the family.

    Returns:
        Their names.
    """
    return frozenset(theirs for (family, _), rows in _HEADS.items() if family == architecture for _, theirs in rows)


def head_names(architecture: Architecture, task: Task) -> dict[str, str]:
    """List a head's tensors.

    Args:
        architecture: the family.
        task: the head.

    Returns:
        Our names (from the model's root) to theirs.
    """
    return {f"head.{ours}": theirs for ours, theirs in _HEADS[architecture, task]}


def masked_lm_projection(architecture: Architecture) -> str:
    """Name the last projection of the masked-LM head, which most configs tie to the word embeddings.

    Args:
        architecture: the family.

    Returns:
        Their name.
    """
    return dict(_HEADS[architecture, "masked-lm"])["decoder.weight"]


def tensor_names(config: EncoderConfig, task: Task) -> dict[str, str]:
    """List all tensors of a model with a head.

    Args:
        config: the encoder's shape.
        task: the head.

    Returns:
        Our names to theirs (without the family's prefix).
    """
    rows = list(_EMBEDDINGS)
    if config.n_token_types:
        rows += _TOKEN_TYPES
    rows += [
        (f"{ours.format(layer)}.{kind}", f"{theirs.format(layer)}.{kind}")
        for layer in range(config.n_layers)
        for ours, theirs in _LAYER[config.architecture]
        for kind in ("weight", "bias")
    ]
    names = {f"encoder.{ours}": theirs for ours, theirs in rows} | head_names(config.architecture, task)
    assert len(set(names.values())) == len(names), "two of our tensors share a foreign name"
    return names


def saved_name(canonical: str, architecture: Architecture) -> str:
    """Name a tensor as a task checkpoint does.

    Args:
        canonical: a name from the tables.
        architecture: the family.

    Returns:
        With the family's prefix where it belongs: on all but the heads, and on BERT's pooler.
    """
    if is_head(canonical) and not canonical.startswith("pooler."):
        return canonical
    return f"{architecture}.{canonical}"


def is_head(canonical: str) -> bool:
    """Tell whether a tensor belongs to a head, of whatever task.

    Args:
        canonical: a name from `canonical_name`.

    Returns:
        False for a tensor of the encoder, of whatever prefix, and for one that nobody knows.
    """
    return _HEAD.match(canonical) is not None and not is_within_encoder(canonical)
