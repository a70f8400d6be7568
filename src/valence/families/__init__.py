"""Families of models, a record each; see `valence.families.family.Family`."""

from valence.families.family import Architecture, ConfigKey, Family, Head, SpecialTokens, Task, Tokenizing
from valence.families.registry import FAMILIES, config_key, family_of, register_family

__all__ = [
    "FAMILIES",
    "Architecture",
    "ConfigKey",
    "Family",
    "Head",
    "SpecialTokens",
    "Task",
    "Tokenizing",
    "config_key",
    "family_of",
    "register_family",
]
