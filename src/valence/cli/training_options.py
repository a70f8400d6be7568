"""Options that the commands that train share."""

import dataclasses
import functools
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypedDict, get_args

import click

from valence.data.positive import find_positive
from valence.errors import InputError, TrainingError
from valence.files import why_not_writable
from valence.folder import ModelFolder
from valence.training.counterfactuals import CONSISTENCY_WEIGHT, DEBIAS, parse_debias
from valence.training.recipe import Freezing, Keep, Recipe, TrainingPrecision

__all__ = [
    "Debiasing",
    "RecipeChanges",
    "change_recipe",
    "debias_options",
    "parse_positive",
    "require_checkpoint",
    "require_folder",
    "require_positions",
    "training_options",
]

_Command = Callable[..., None]


class RecipeChanges(TypedDict, total=False):
    """The hyper-parameters of a recipe that the user changed."""

    epochs: int
    learning_rate: float
    batch_size: int
    warmup_steps: int
    max_length: int
    weight_decay: float
    precision: TrainingPrecision
    freeze: Freezing
    keep: Keep


class Debiasing(TypedDict):
    """What a classifier is to answer alike for, and how much that counts."""

    debias: tuple[str, ...]
    consistency_weight: float


_RECIPE_OPTIONS = (
    click.option("--epochs", type=int, help="Passes over the data."),
    click.option("--learning-rate", type=float, help="The highest learning rate."),
    click.option("--batch-size", type=int, help="Examples per step, over all processes."),
    click.option("--warmup-steps", type=int, help="Steps in which the learning rate rises."),
    click.option("--max-length", type=int, help="Tokens; longer texts are cut while training."),
    click.option("--weight-decay", type=float, help="Decoupled weight decay."),
    click.option("--precision", type=click.Choice(["auto", "fp32", "bf16"]), help="Of the products."),
    click.option(
        "--freeze",
        type=click.Choice(get_args(Freezing)),
        help="Leave the word embeddings as the base has them.",
    ),
)
_RECIPE_NAMES = (
    "epochs",
    "learning_rate",
    "batch_size",
    "warmup_steps",
    "max_length",
    "weight_decay",
    "precision",
    "freeze",
)
_DEBIAS_OPTIONS = (
    click.option(
        "--debias",
        help=f"Learn to answer alike whatever of these a text names: {', '.join(DEBIAS)}; several between commas.",
    ),
    click.option(
        "--consistency-weight",
        type=float,
        help=f"With --debias: of the divergence between such answers.  [default: {CONSISTENCY_WEIGHT:g}]",
    ),
)
_RUN_OPTIONS = (
    click.option(
        "--seed", type=click.IntRange(0, 2**32 - 1), default=42, show_default=True, help="For all randomness."
    ),
    click.option("--save-every", type=click.IntRange(1), default=500, show_default=True, help="Steps between states."),
    click.option("--resume", is_flag=True, help="Go on with the interrupted run in --out, to the same result."),
    click.option("--revision", help="Branch, tag or commit of the checkpoint, for a hub id."),
    click.option("--tensorboard", type=click.Path(path_type=Path), help="Write TensorBoard logs to this folder."),
    click.option("--json", "as_json", is_flag=True, help="Print the training report as JSON at the end."),
)


def training_options(command: _Command) -> _Command:
    """Add the options that say how a run is done.

    Args:
        command: the function of a command; gets the values of a recipe that the user changed as `overrides`, and the
            other options by their names.

    Returns:
        The function with the options.
    """

    @functools.wraps(command)
    def with_options(**given: object) -> None:
        values = {name: given.pop(name) for name in _RECIPE_NAMES}
        command(overrides={name: value for name, value in values.items() if value is not None}, **given)

    decorated: _Command = with_options
    for option in reversed((*_RECIPE_OPTIONS, *_RUN_OPTIONS)):
        decorated = option(decorated)
    return decorated


def debias_options(command: _Command) -> _Command:
    """Add the options that say what a classifier is to answer alike for.

    Args:
        command: the function of a command; gets `debias`, the keyword arguments of a run that they make.

    Returns:
        The function with the options.
    """

    @functools.wraps(command)
    def with_options(debias: str | None, consistency_weight: float | None, **given: object) -> None:
        kinds = () if debias is None else parse_debias(debias)
        if consistency_weight is not None and not kinds:
            raise InputError("--consistency-weight goes with --debias")
        weight = CONSISTENCY_WEIGHT if consistency_weight is None else consistency_weight
        if not 0 < weight < math.inf:
            raise InputError(f"--consistency-weight must be a positive number, found {weight}")
        command(debias={"debias": kinds, "consistency_weight": weight}, **given)

    decorated: _Command = with_options
    for option in reversed(_DEBIAS_OPTIONS):
        decorated = option(decorated)
    return decorated


def change_recipe(recipe: Recipe, overrides: RecipeChanges) -> Recipe:
    """Change what the user wants changed.

    Args:
        recipe: named or by default.
        overrides: from `training_options`, and more.

    Returns:
        The recipe to use.

    Raises:
        InputError: if a value is of no use.
    """
    return dataclasses.replace(recipe, **overrides)


def parse_positive(name: str | None, names: tuple[str, ...], *, evaluated: bool) -> str | None:
    """Find the class by whose F1 the best epoch is chosen.

    Args:
        name: what the user said, if anything.
        names: of the classes.
        evaluated: whether there is data to measure the epochs on.

    Returns:
        The class as it stands in the names, or None where nobody said.

    Raises:
        InputError: if there is no such class, or nothing to measure on.
    """
    if name is None:
        return None
    if not evaluated:
        raise InputError("--positive goes with --eval: on its texts the best epoch is chosen")
    number = find_positive(names, name)
    assert number is not None, "a class that is named is found or refused"
    return names[number]


def require_folder(out: Path, tensorboard: Path | None) -> None:
    """Refuse folders that cannot be written to before anything is read.

    Args:
        out: the model folder to make.
        tensorboard: where logs go, if anywhere.

    Raises:
        TrainingError: if one cannot be written to.
    """
    for folder in filter(None, (out, tensorboard)):
        why_not = why_not_writable(folder / "config.json")
        if why_not is not None and (folder == tensorboard or not os.path.isfile(folder)):  # a file is refused below
            raise TrainingError(f"{folder}: cannot be written: {why_not}")


def require_positions(overrides: RecipeChanges, folder: ModelFolder) -> None:
    """Refuse a length that the checkpoint has no positions for.

    Args:
        overrides: from `training_options`.
        folder: the checkpoint.

    Raises:
        InputError: if --max-length is too long.
    """
    if overrides.get("max_length", 0) > folder.max_position_embeddings:
        raise InputError(
            f"--max-length {overrides['max_length']}: the base reads at most {folder.max_position_embeddings} tokens"
        )


def require_checkpoint(folder: ModelFolder) -> None:
    """Refuse a model without weights, and one of a family whose weights are not read, before anything else is read.

    Args:
        folder: the model.

    Raises:
        InputError: if it holds engines only.
        ConfigError: if there is no record of its family.
    """
    if folder.embedded:
        raise InputError("the embedded default is an engine without a checkpoint; give a checkpoint's folder or hub id")
    _ = folder.family
