"""Recipes: every value that a training run depends on, in one place."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from valence.errors import InputError

__all__ = ["RECIPES", "Freezing", "Keep", "Recipe", "TrainingPrecision", "default_recipe", "pretraining"]

Keep = Literal["best", "last"]
Freezing = Literal["embeddings"]
TrainingPrecision = Literal["auto", "fp32", "bf16"]
_SMALL_HIDDEN_SIZE = 512


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The hyper-parameters of a fine-tuning run."""

    learning_rate: float
    """The highest, reached at the end of the warm-up; then it falls linearly to zero."""
    epochs: int
    """Passes over the data."""
    batch_size: int
    """Examples per step, over all processes."""
    max_length: int
    """Tokens; longer texts are cut while training. The finished model reads up to its own limit."""
    warmup_steps: int | None = None
    """Steps in which the learning rate rises linearly; None for `warmup_ratio`."""
    warmup_ratio: float = 0.1
    """The same as a share of all steps."""
    weight_decay: float = 0.0
    """Decoupled (AdamW); biases and layer norms are spared."""
    gradient_clip: float = 1.0
    """The largest norm of the gradient."""
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    precision: TrainingPrecision = "auto"
    """Of the products; weights and optimiser are always fp32. "auto": bf16 where the machine has it."""
    keep: Keep = "best"
    """The epoch that becomes the model: the best on the evaluation data (if there is any), or the last."""
    freeze: Freezing | None = None
    """What keeps its values, if anything: the word embeddings."""
    least_steps: int = 0
    """Steps below which a run hardly learns: `with_enough_steps` raises the epochs of a small data set to these."""
    epochs_raised_from: int | None = None
    """The epochs before they were raised; None: they were not. So often is the model measured, too."""

    def __post_init__(self) -> None:
        problems = [
            f"{name} must be at least {least}, found {value}"
            for name, least in (("epochs", 1), ("batch_size", 1), ("max_length", 3), ("warmup_steps", 0))
            if (value := getattr(self, name)) is not None and value < least
        ]
        problems += [
            f"{name} must be a positive number, found {value}"
            for name in ("learning_rate", "gradient_clip", "epsilon")
            if not (0 < (value := getattr(self, name)) < math.inf)
        ]
        problems += [
            f"{name} must lie in [0, 1), found {value}"
            for name in ("warmup_ratio", "weight_decay", "beta1", "beta2")
            if not 0 <= (value := getattr(self, name)) < 1
        ]
        if problems:
            raise InputError("; ".join(problems))

    def total_steps(self, n_examples: int) -> int:
        """Count the optimiser's steps.

        Args:
            n_examples: in the training data.

        Returns:
            Steps of the whole run.
        """
        return self.epochs * math.ceil(n_examples / self.batch_size)

    @property
    def measured_epochs(self) -> tuple[int, ...]:
        """The epochs, from 1, that end with an evaluation and a state on disk.

        All, or where they were raised as many as before, evenly spread: a hundred evaluations would take longer than
        the steps of a small data set, and the best of so many would be chosen by chance.
        """
        count = self.epochs_raised_from or self.epochs
        return tuple(math.ceil(number * self.epochs / count) for number in range(1, count + 1))

    def with_enough_steps(self, n_examples: int, keep_warmup: bool = False) -> "Recipe":
        """Raise the epochs, so that a small data set is read often enough to be learnt from.

        Args:
            n_examples: in the training data.
            keep_warmup: leave the warm-up as it is; otherwise it becomes a share of the steps.

        Returns:
            The recipe; as it was where it makes enough steps.
        """
        if self.total_steps(n_examples) >= self.least_steps:
            return self
        return replace(
            self,
            epochs=math.ceil(self.least_steps / math.ceil(n_examples / self.batch_size)),
            epochs_raised_from=self.epochs,
            warmup_steps=self.warmup_steps if keep_warmup else None,
        )

    def learning_rate_at(self, step: int, total_steps: int) -> float:
        """Compute the learning rate of one step: linear warm-up, then linear decay.

        Args:
            step: from 0.
            total_steps: of the run.

        Returns:
            The learning rate.
        """
        warmup = self.warmup_steps
        if warmup is None:
            warmup = round(self.warmup_ratio * total_steps)
        if step < warmup:
            return self.learning_rate * step / max(1, warmup)
        return self.learning_rate * max(0.0, (total_steps - step) / max(1, total_steps - warmup))


def sst2() -> Recipe:
    """Give the recipe of the model card `distilbert-base-uncased-finetuned-sst-2-english`.

    Returns:
        Learning rate 1e-5, batch size 32, 600 warm-up steps, length 128, 3 epochs; at least 300 steps.
    """
    return Recipe(learning_rate=1e-5, batch_size=32, warmup_steps=600, max_length=128, epochs=3, least_steps=300)


def small() -> Recipe:
    """Give the recipe for encoders up to 512 wide, which need a higher learning rate.

    Returns:
        Learning rate 5e-5, the first tenth of the steps as warm-up, at least 100 steps, otherwise as `sst2`.
    """
    return Recipe(learning_rate=5e-5, batch_size=32, warmup_ratio=0.1, max_length=128, epochs=3, least_steps=100)


def pretraining(hidden_size: int) -> Recipe:
    """Give the recipe for masked words on a few million tokens, for an encoder that was pretrained before.

    Args:
        hidden_size: of the encoder; one up to 512 wide needs a higher learning rate.

    Returns:
        One epoch of sequences of 128 tokens, 32 at a time; the last weights are kept.
    """
    return Recipe(
        learning_rate=3e-4 if hidden_size <= _SMALL_HIDDEN_SIZE else 1e-4,
        batch_size=32,
        max_length=128,
        epochs=1,
        weight_decay=0.01,
        keep="last",
    )


RECIPES: dict[str, Callable[[], Recipe]] = {"sst2": sst2, "small": small}


def default_recipe(hidden_size: int) -> str:
    """Choose a recipe by the width of the encoder.

    Args:
        hidden_size: of the encoder.

    Returns:
        The name of a recipe.
    """
    return "small" if hidden_size <= _SMALL_HIDDEN_SIZE else "sst2"
