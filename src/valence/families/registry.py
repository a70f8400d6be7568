"""All families of models, in one list."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import get_args

from valence.errors import InputError
from valence.families.bert import BERT
from valence.families.distilbert import DISTILBERT
from valence.families.electra import ELECTRA
from valence.families.family import Architecture, Family, HeadActivation, Task
from valence.families.mpnet import MPNET
from valence.families.roberta import ROBERTA

__all__ = ["FAMILIES", "config_key", "family_of", "register_family"]

FAMILIES: dict[Architecture, Family] = {family.name: family for family in (DISTILBERT, BERT, ROBERTA, ELECTRA, MPNET)}
"""By name."""


def family_of(model_type: object) -> Family | None:
    """Find a family by what config.json has under model_type.

    Args:
        model_type: any value.

    Returns:
        The family; None where there is no record of it.
    """
    return FAMILIES.get(model_type) if isinstance(model_type, str) else None


def config_key(model_type: object, ours: str) -> str | None:
    """Find what config.json calls a size.

    Args:
        model_type: of the model; one without a record most likely has BERT's words.
        ours: such as "hidden_size".

    Returns:
        Its key; None where the family has no such size.
    """
    keys = (family_of(model_type) or BERT).keys
    return next((key.theirs for key in keys if key.ours == ours), None)


def register_family(family: Family) -> None:
    """Add a family, so that its models are read, trained, exported and run like those that valence brings.

    Args:
        family: the record.

    Raises:
        InputError: if there is one of that name already, or the record lacks a head for classification.
    """
    if not isinstance(family, Family) or not isinstance(family.name, str) or not family.name.strip():
        raise InputError(f"a family is a Family with a name, found {family!r:.80}")
    if family.name in FAMILIES:
        raise InputError(f"there is a family {family.name!r} already")
    if "classification" not in family.heads:
        raise InputError(f"the family {family.name!r} has no head for classification")
    if problems := list(_problems(family)):
        raise InputError(f"the record of the family {family.name!r}: {'; '.join(problems)}")
    FAMILIES[family.name] = family


def _problems(family: Family) -> Iterator[str]:
    """List what a record says that can be of no use."""
    ours = [key.ours for key in family.keys]
    known = {*ours, *family.fixed, *family.same}
    if lacking := {"vocab_size", "hidden_size", "n_layers", "n_heads", "max_positions", "pad_token_id"} - known:
        yield f"no key gives {', '.join(sorted(lacking))}"
    likes = {key.like for key in family.keys if key.like is not None} | set(family.same.values())
    if absent := likes - {*ours, *family.fixed}:
        yield f"a field is like {', '.join(sorted(absent))}, which no key gives"
    if unknown := family.heads.keys() - set(get_args(Task)):
        yield f"there is no task {', '.join(sorted(map(str, unknown)))}"
    for task, head in family.heads.items():
        if head.activation not in (None, *get_args(HeadActivation)):
            yield f"the head for {task} has the activation {head.activation!r}, expected relu, tanh or gelu"
        if twice := _repeated(theirs for _, theirs in head.tensors):
            yield f"the head for {task} names {twice[0]} twice"
    if family.tokenizing.model not in ("WordPiece", "BPE"):
        yield f"the tokenizer's model is {family.tokenizing.model!r}, expected WordPiece or BPE"
    if flat := [theirs for _, theirs in family.layer if "{}" not in theirs]:
        yield f"{flat[0]} is a tensor of every layer and has no {{}} for its number"
    rows = (*family.embeddings, *family.layer)
    if twice := _repeated(one for side in zip(*rows, strict=True) for one in side) if rows else ["nothing"]:
        yield f"{twice[0]} is named twice"
    if family.becomes not in (None, family.name, *FAMILIES):
        yield f"it becomes {family.becomes!r}, which is no family"


def _repeated(names: Iterable[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]
