"""What distilling a raw model and distilling a classifier have in common: the request."""

from dataclasses import dataclass
from pathlib import Path

from valence.training.recipe import Recipe
from valence.training.student import StudentShape

__all__ = ["Distilling"]


@dataclass(frozen=True, kw_only=True)
class Distilling:
    """A distillation as the user asked for it."""

    out: Path
    """The model folder to make."""
    shape: StudentShape
    recipe: Recipe
    seed: int = 42
    save_every: int = 500
    """Steps between two states on disk."""
