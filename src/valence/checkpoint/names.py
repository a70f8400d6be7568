"""Tensor names: ours beside those of `transformers`, by the two-way tables of `valence.families`.

Their names are written without any prefix: a task checkpoint has the family's (`bert.`, `distilbert.`), a raw one none,
and whoever saves the weights of a network that holds the model adds more (`module.`, `_orig_mod.`, `model.`). Those in
`_WRAPPERS` are taken off, and nobody guesses at others: two networks in one file differ in nothing but their prefix.
"""

import re
from functools import cache

from valence.families import FAMILIES, Architecture, Task
from valence.families.shared import TOKEN_TYPES
from valence.model.config import EncoderConfig

__all__ = [
    "BUFFERS",
    "astray",
    "canonical_name",
    "head_names",
    "is_head",
    "is_within_encoder",
    "known_head_names",
    "masked_lm_projection",
    "saved_name",
    "second_names",
    "tensor_names",
]

# Read, never written: buffers that are no parameters, and the names of older files.
BUFFERS = frozenset({"embeddings.position_ids", "embeddings.token_type_ids", "n_averaged"})
_ALIASES = ((re.compile(r"\.gamma$"), ".weight"), (re.compile(r"\.beta$"), ".bias"))
_WITHIN_ENCODER = re.compile(r"(.*\.)?(embeddings\w*|encoder|transformer|\w*(adapter|lora|prompt)\w*)\.")
# What PyTorch puts around a module, wherever it stands in the network: DataParallel, compile, FSDP, checkpointing.
_AROUND_MODULES = frozenset({"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"})
# What the network that holds the encoder is called, or the encoder in it.
_WRAPPERS = frozenset(
    {
        *("model", "net", "network", "backbone", "base_model", "auto_model", "state_dict"),
        *("encoder", "transformer"),
    }
)


def _is_encoder_name(name: str, architecture: Architecture) -> bool:
    family = FAMILIES[architecture]
    if any(name == theirs for _, theirs in (*family.embeddings, *TOKEN_TYPES)):
        return True
    module, _, kind = re.sub(r"\blayer\.\d+\.", "layer.{}.", name, count=1).rpartition(".")
    return kind in ("weight", "bias") and any(module == theirs for _, theirs in family.layer)


@cache
def _head_modules(families: tuple[Architecture, ...]) -> frozenset[str]:
    """What the names of heads' tensors begin with, in any of these families."""
    known = [FAMILIES[name] for name in families]
    named = {theirs for family in known for head in family.heads.values() for _, theirs in head.tensors}
    return frozenset(name.partition(".")[0] for name in named.union(*(family.other_heads for family in known)))


def _is_head_name(name: str) -> bool:
    module, dot, _ = name.partition(".")
    return bool(dot) and module in _head_modules(tuple(FAMILIES))


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
        return rest if _wrappers().issuperset(prefix.split(".")[:-1]) else theirs
    parts = name.split(".")
    for start in range(len(parts)):
        rest = ".".join(parts[start:])
        if _is_head_name(rest) or rest in BUFFERS:
            return rest
        if parts[start] not in _wrappers():
            break
    return theirs


def _wrappers() -> frozenset[str]:
    return _WRAPPERS | FAMILIES.keys()


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
    return frozenset(theirs for head in FAMILIES[architecture].heads.values() for _, theirs in head.tensors)


def head_names(architecture: Architecture, task: Task) -> dict[str, str]:
    """List a head's tensors.

    Args:
        architecture: the family.
        task: the head.

    Returns:
        Our names (from the model's root) to theirs.
    """
    return {f"head.{ours}": theirs for ours, theirs in FAMILIES[architecture].heads[task].tensors}


def masked_lm_projection(architecture: Architecture) -> str:
    """Name the last projection of the masked-LM head, which most configs tie to the word embeddings.

    Args:
        architecture: the family.

    Returns:
        Their name.
    """
    return dict(FAMILIES[architecture].heads["masked-lm"].tensors)["decoder.weight"]


def second_names(architecture: Architecture) -> dict[str, str]:
    """List tensors that files of a family may have under a second name, which is the one that counts.

    Args:
        architecture: the family.

    Returns:
        The second names to those of the tables.
    """
    return {name: known for head in FAMILIES[architecture].heads.values() for name, known in head.tied}


def tensor_names(config: EncoderConfig, task: Task) -> dict[str, str]:
    """List all tensors of a model with a head.

    Args:
        config: the encoder's shape.
        task: the head.

    Returns:
        Our names to theirs (without the family's prefix).
    """
    rows = list(config.family.embeddings)
    if config.embedding_width == config.hidden_size:
        rows = [row for row in rows if not row[0].startswith("embeddings.projection.")]
    rows += [
        (f"{ours.format(layer)}.{kind}", f"{theirs.format(layer)}.{kind}")
        for layer in range(config.n_layers)
        for ours, theirs in config.family.layer
        for kind in ("weight", "bias")
    ]
    return {f"encoder.{ours}": theirs for ours, theirs in rows} | head_names(config.architecture, task)


def saved_name(canonical: str, architecture: Architecture) -> str:
    """Name a tensor as a task checkpoint does.

    Args:
        canonical: a name from the tables.
        architecture: the family.

    Returns:
        With the family's prefix where it belongs: on all but the heads, and on the pooler, a head of BERT's.
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
    return _is_head_name(canonical) and not is_within_encoder(canonical)
