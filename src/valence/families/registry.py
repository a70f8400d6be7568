"""All families of models, in one list."""

from valence.errors import InputError
from valence.families.bert import BERT
from valence.families.distilbert import DISTILBERT
from valence.families.electra import ELECTRA
from valence.families.family import Architecture, Family
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
    if family.name in FAMILIES:
        raise InputError(f"there is a family {family.name!r} already")
    if "classification" not in family.heads:
        raise InputError(f"the family {family.name!r} has no head for classification")
    FAMILIES[family.name] = family
