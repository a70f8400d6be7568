"""What differs between kinds of tokenizers: which files hold their words, and how a text is divided into them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer as RustTokenizer

from valence.errors import ModelError

__all__ = ["TokenModel", "Words", "unreadable"]


@dataclass(frozen=True)
class Words:
    """The vocabulary of a tokenizer."""

    ids: dict[str, int]
    merges: list[tuple[str, str]] = field(default_factory=list)
    """Of byte-level BPE: which tokens are joined, first those that are joined first."""


@dataclass(frozen=True, kw_only=True)
class TokenModel:
    """A kind of tokenizer, built as `transformers` 5 builds it."""

    settings: Mapping[str, bool | None]
    """Keys of tokenizer_config.json, to what they are where it does not say."""
    files: tuple[str, ...]
    """What holds the words where there is no tokenizer.json."""
    read: Callable[[Path], Words]
    """Reads these files in a folder."""
    build: Callable[[Words, Mapping[str, bool | None], str], RustTokenizer]
    """From words, settings and the unknown token makes a tokenizer without marks around a text."""
    settings_in: Callable[[Mapping[str, Any]], dict[str, bool | None]]
    """Finds the settings in the content of a tokenizer.json."""
    written: Callable[[Mapping[str, Any]], dict[str, str]]
    """From the content of a tokenizer.json makes the other files; none where they would not give the same ids."""


def unreadable(file: Path, reason: str) -> ModelError:
    """Make the error for a tokenizer.json that cannot be used.

    Args:
        file: its path.
        reason: what is wrong.

    Returns:
        The error.
    """
    return ModelError(f"{file}: not a tokenizer that can be read: {reason}")
