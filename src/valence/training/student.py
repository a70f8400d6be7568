"""A smaller model made from a larger one, to be taught by it.

Source: Sanh et al. 2019, "DistilBERT" (every other layer of the teacher, no token types, no pooler).
"""

import dataclasses

import torch
from torch import nn

from valence.errors import InputError
from valence.model.config import EncoderConfig
from valence.model.encoder import initialise_weights
from valence.model.heads import FirstTokenHead, TaskModel
from valence.training.recipe import Freezing

__all__ = ["StudentShape", "make_student", "matching_layers", "projection"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class StudentShape:
    """How small a student is to be; None: as its base."""

    n_layers: int | None = None
    hidden_size: int | None = None
    n_heads: int | None = None
    intermediate_size: int | None = None

    def apply(self, config: EncoderConfig) -> EncoderConfig:
        """Change a config.

        Args:
            config: of the base.

        Returns:
            The student's; its heads and feed-forward width stay in proportion where they are not said.

        Raises:
            InputError: if a size is of no use.
        """
        hidden_size = self.hidden_size or config.hidden_size
        n_heads = self.n_heads
        if n_heads is None:  # heads as wide as the base's
            n_heads = max(1, hidden_size * config.n_heads // config.hidden_size)
        wide = self.intermediate_size or config.intermediate_size * hidden_size // config.hidden_size
        n_layers = self.n_layers or max(1, config.n_layers // 2)
        if hidden_size % n_heads:
            raise InputError(f"a width of {hidden_size} cannot be shared among {n_heads} heads: choose other --heads")
        return dataclasses.replace(
            config, n_layers=n_layers, hidden_size=hidden_size, n_heads=n_heads, intermediate_size=wide
        )


def matching_layers(n_student: int, n_teacher: int) -> list[int]:
    """Choose which layers of a teacher a student takes or is compared with: spread evenly, first and last among them.

    Args:
        n_student: layers of the student.
        n_teacher: layers of the teacher.

    Returns:
        For each layer of the student the teacher's, from 0; for 6 of 12 those of DistilBERT: 0, 2, 4, 7, 9, 11. A
        student of more layers gets some twice.
    """
    if n_student == 1:
        return [n_teacher - 1]
    return [round(layer * (n_teacher - 1) / (n_student - 1)) for layer in range(n_student)]


def projection(config: EncoderConfig, width: int, seed: int) -> nn.Linear:
    """Make what turns a student's hidden states into ones as wide as its teacher's.

    Args:
        config: of the student.
        width: of the teacher.
        seed: the same seed gives the same values.

    Returns:
        A linear layer.
    """
    made = nn.Linear(config.hidden_size, width)
    initialise_weights(made, config.initializer_range, torch.Generator().manual_seed(seed))
    return made


def make_student(base: TaskModel, shape: StudentShape, seed: int, freeze: Freezing | None = None) -> TaskModel:
    """Make a student from a model with the same head.

    Args:
        base: where the student is as wide, its embeddings, the matching layers and the head are
            copied from it.
        shape: how small.
        seed: for whatever is not copied.
        freeze: what is not to be trained, and so must be copied.

    Returns:
        The student, on the CPU.

    Raises:
        InputError: if there can be no such student.
    """
    config = shape.apply(base.config)
    if freeze is not None and config.hidden_size != base.config.hidden_size:
        raise InputError(
            f"a student {config.hidden_size} wide starts with fresh embeddings, as its base is "
            f"{base.config.hidden_size} wide: it cannot learn with --freeze embeddings"
        )
    n_classes = base.head.classifier.out_features if isinstance(base.head, FirstTokenHead) else 2
    student = TaskModel(config, base.task, n_classes)
    student.initialise(seed)
    if config.hidden_size != base.config.hidden_size:
        return student
    layers = {
        f"encoder.layers.{own}.": f"encoder.layers.{theirs}."
        for own, theirs in enumerate(matching_layers(config.n_layers, base.config.n_layers))
    }
    theirs = dict(base.named_parameters())
    with torch.no_grad():
        for name, parameter in student.named_parameters():
            source = name
            for own_prefix, their_prefix in layers.items():
                if name.startswith(own_prefix):
                    source = their_prefix + name.removeprefix(own_prefix)
            if theirs[source].shape == parameter.shape:  # a narrower feed-forward layer starts fresh
                parameter.copy_(theirs[source])
    return student
