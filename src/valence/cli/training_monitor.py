"""What the commands that train share: how a run shows itself, what it needs, how it says that it can be resumed."""

import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from valence.errors import MissingExtraError
from valence.reports.report import JsonObject, present
from valence.reports.training import TrainingReport

if TYPE_CHECKING:
    from valence.checkpoint.checkpoint import LoadedBase
    from valence.training.recipe import Recipe

__all__ = ["TrainingMonitor", "epochs_note", "kept_epoch", "need_training_packages", "resume_hint", "tell_base"]

_SECONDS_BETWEEN_LINES = 10.0


def need_training_packages() -> None:
    """Refuse to train without the packages of the extra.

    Raises:
        MissingExtraError: says what to install.
    """
    if any(find_spec(package) is None for package in ("torch", "safetensors", "accelerate", "onnx")):
        raise MissingExtraError("train", "Training")


@contextmanager
def resume_hint() -> Iterator[None]:
    """Say after an interrupt what is kept, and how to go on.

    Yields:
        While training.
    """
    try:
        yield
    except KeyboardInterrupt as stop:
        if stop.args:
            click.echo(f"{stop}: go on with --resume", err=True)
        raise


def tell_base(base: "LoadedBase") -> None:
    """Say what was not taken from a base.

    Args:
        base: as it was loaded.
    """
    if base.head is not None and base.head != "kept":
        click.echo(f"the base's head is {base.head}", err=True)
    if base.left_out:
        why = " (another task's head)" if base.head is None else ""
        click.echo(f"left out of the base{why}: {', '.join(base.left_out)}", err=True)
    if base.initialised:
        click.echo(f"not in the base, so initialised: {', '.join(base.initialised)}", err=True)


def kept_epoch(report: TrainingReport) -> str:
    """Say which epoch became the model, and why; warn where it never names a class of the evaluation data.

    Args:
        report: of the training of a classifier.

    Returns:
        Words.
    """
    from valence.training.classification import shown_criterion

    number = present(report.kept_epoch)
    epochs: tuple[JsonObject, ...] = present(report.epochs_done) or ()
    epoch = next((one for one in epochs if one["epoch"] == number), {})
    if isinstance(never := epoch.get("classes_never_predicted"), int) and never:
        what = "a class that is" if never == 1 else f"{never:,} classes that are"
        warnings.warn(f"the model never names {what} in the evaluation data", stacklevel=2)
    if (chosen_by := present(report.chosen_by)) is None:
        return f"epoch {number} kept"
    positive = report.settings.get("positive")
    criterion = shown_criterion(chosen_by, positive if isinstance(positive, str) else None)
    return f"epoch {number} kept, the best by {criterion} on {present(report.chosen_on)}"


def duration(report: TrainingReport) -> str:
    """Say how long a run took.

    Args:
        report: of the run.

    Returns:
        Minutes.
    """
    return f"{(present(report.seconds) or 0.0) / 60:.1f} minutes"


def epochs_note(recipe: "Recipe") -> str:
    """Say that the epochs were raised, if they were.

    Args:
        recipe: of the run.

    Returns:
        The end of a run's title.
    """
    if recipe.epochs_raised_from is None:
        return ""
    return (
        f", {recipe.epochs:,} epochs instead of {recipe.epochs_raised_from} to make at least {recipe.least_steps} "
        "steps of so few examples (--epochs decides otherwise)"
    )


def _listed(figures: dict[str, float]) -> str:
    shown = {name: f"{value:,}" if isinstance(value, int) else f"{value:.4f}" for name, value in figures.items()}
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in shown.items())


class TrainingMonitor:
    """Shows a run on standard error: a bar on a terminal, a line now and then elsewhere.

    Args:
        title: what is trained on what.
        unit: of what is counted: "examples", "sequences".
        tensorboard: where to write TensorBoard's logs, if anywhere.
    """

    def __init__(self, title: str, unit: str, tensorboard: Path | None) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("training"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("loss {task.fields[loss]:.4f}  {task.fields[rate]:,.0f} " + unit + "/s"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task("training", total=None, loss=float("nan"), rate=0.0)
        self._last_line = time.perf_counter()
        self._begun = self._last_line
        self._first_step = 0
        self._total = 0
        self._loss: float | None = None
        if tensorboard is not None and find_spec("tensorboard") is None:
            raise MissingExtraError("tensorboard", "--tensorboard")
        self._title = title
        self._unit = unit
        self._tensorboard = tensorboard
        self._writer: Any = None

    def __enter__(self) -> "TrainingMonitor":
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()
        if self._writer is not None:
            self._writer.close()

    def on_start(self, step: int, total_steps: int) -> None:
        """See `Monitor`.

        Args:
            step: steps done already.
            total_steps: of the run.
        """
        self._first_step, self._total, self._begun = step, total_steps, time.perf_counter()
        self._bar.update(self._task, total=total_steps, completed=step)
        if self._tensorboard is not None:
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(self._tensorboard)
        self._print(f"{self._title}: {total_steps:,} steps")
        if step:
            self._print(f"resumed after step {step:,}")

    def on_step(self, step: int, loss: float, learning_rate: float, examples_per_second: float) -> None:
        """See `Monitor`.

        Args:
            step: steps done.
            loss: of its batch.
            learning_rate: of the step.
            examples_per_second: in this sitting so far.
        """
        self._loss = loss if self._loss is None else 0.98 * self._loss + 0.02 * loss
        self._bar.update(self._task, completed=step, loss=self._loss, rate=examples_per_second)
        if self._writer is not None:
            self._writer.add_scalar("train/loss", loss, step)
            self._writer.add_scalar("train/learning_rate", learning_rate, step)
        now = time.perf_counter()
        if not self._console.is_terminal and (now - self._last_line > _SECONDS_BETWEEN_LINES or step == self._total):
            self._last_line = now
            left = (now - self._begun) / (step - self._first_step) * (self._total - step)
            click.echo(
                f"step {step:,} of {self._total:,}  loss {self._loss:.4f}  {examples_per_second:,.0f} {self._unit}/s  "
                f"{left / 60:.1f} minutes left",
                err=True,
            )

    def on_evaluation(self, step: int, figures: dict[str, float]) -> None:
        """See `Monitor`.

        Args:
            step: steps done.
            figures: by name.
        """
        if step == self._first_step:
            self._begun = time.perf_counter()  # the time left is that of steps
        self._print(f"step {step:,}: on held-out data {_listed(figures)}")
        self._write("evaluation", figures, step)

    def on_asked(self, done: int, total: int, what: str = "") -> None:
        """Learn how far the teachers of a distillation are; see `valence.progress.OnProgress`.

        Args:
            done: texts they have answered.
            total: of how many.
            what: of no effect.
        """
        self._print(f"the teachers have answered {done:,} of {total:,} texts")

    def on_epoch(self, figures: dict[str, float]) -> None:
        """See `Monitor`.

        Args:
            figures: by name.
        """
        measured = {name: value for name, value in figures.items() if name not in ("epoch", "train_loss")}
        text = f"epoch {figures['epoch']:.0f}: train loss {figures['train_loss']:.4f}"
        self._print(f"{text}, evaluation {_listed(measured)}" if measured else text)
        self._write("epoch", figures, int(figures["epoch"]))

    def _write(self, group: str, figures: dict[str, float], step: int) -> None:
        if self._writer is not None:
            for name, value in figures.items():
                self._writer.add_scalar(f"{group}/{name}", value, step)

    def _print(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)
