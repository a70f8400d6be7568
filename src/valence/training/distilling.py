"""What distilling a raw model and distilling a classifier have in common: the request, and what is said at the end."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from valence.training.recipe import Recipe
from valence.training.student import StudentShape

__all__ = ["Distilling", "Side", "kept"]


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


@dataclass(frozen=True)
class Side:
    """Teacher or student, measured.

    Args:
        layers: how many; None where several models teach.
        parameters: how many; None where a teacher does not say.
        figure: how good it is.
        texts_per_second: how fast; of the two measured in turn.
        engine: what ran it.
    """

    layers: int | None
    parameters: int | None
    figure: float
    texts_per_second: float
    engine: str


def kept(teacher: Side, student: Side, figure: str, texts: str) -> dict[str, Any]:
    """Compare a student with its teacher, as the DistilBERT paper does.

    Args:
        teacher: the one.
        student: the other.
        figure: what the figure is.
        texts: what was timed.

    Returns:
        Both, the share of the figure that is kept, how much smaller and how much faster the student is, as shares.
    """
    return {
        "figure": figure,
        "texts": texts,
        "teacher": dataclasses.asdict(teacher),
        "student": dataclasses.asdict(student),
        "share_kept": student.figure / teacher.figure if teacher.figure else None,
        "smaller": 1.0 - student.parameters / teacher.parameters if teacher.parameters and student.parameters else None,
        "faster": student.texts_per_second / teacher.texts_per_second - 1.0,
    }
