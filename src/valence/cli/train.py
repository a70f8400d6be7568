"""valence train."""

import dataclasses
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from valence.cli.output import echo_json
from valence.data.examples import read_examples
from valence.data.labels import parse_label_names
from valence.data.sources import find_source
from valence.errors import InputError, MissingExtraError
from valence.hub import find_model
from valence.training.recipe import RECIPES, Recipe, default_recipe

if TYPE_CHECKING:
    from valence.checkpoint.checkpoint import LoadedBase

__all__ = ["command"]

_SECONDS_BETWEEN_LINES = 10.0


@click.command(
    "train",
    epilog="""\b
Examples:
  valence train reviews.csv --base distilbert-base-uncased --out my-model
  valence train train.tsv --eval dev.tsv --base ./encoder --out my-model --epochs 2
  valence train train.tsv --base bert-base-uncased --out my-bert --architecture bert --recipe sst2
  valence train train.tsv --base ./encoder --out my-model --resume     # after an interruption
""",
)
@click.argument("data")
@click.option("--base", required=True, help="The checkpoint to start from: a folder or a hub id.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The model folder to make.")
@click.option("--eval", "evaluation", help="Labelled texts to measure every epoch on, and choose the best.")
@click.option("--text-column", help="The column of the texts.  [default: guessed from the header]")
@click.option("--label-column", help="The column of the labels.  [default: guessed from the header]")
@click.option("--pair-column", help="The column of the second text, if texts come in pairs.")
@click.option("--labels", help="The class names by number: A,B or a file of one name a line.")
@click.option(
    "--recipe",
    type=click.Choice(list(RECIPES)),
    help="Named hyper-parameters.  [default: small for encoders up to 512 wide, else sst2]",
)
@click.option(
    "--architecture",
    type=click.Choice(["distilbert", "bert"]),
    default="distilbert",
    show_default=True,
    help="bert keeps token types and pooler; distilbert folds them away.",
)
@click.option("--epochs", type=int, help="Passes over the data.")
@click.option("--learning-rate", type=float, help="The highest learning rate.")
@click.option("--batch-size", type=int, help="Examples per step, over all processes.")
@click.option("--warmup-steps", type=int, help="Steps in which the learning rate rises.")
@click.option("--max-length", type=int, help="Tokens; longer texts are cut while training.")
@click.option("--weight-decay", type=float, help="Decoupled weight decay.")
@click.option("--precision", type=click.Choice(["auto", "fp32", "bf16"]), help="Of the products.")
@click.option("--keep", type=click.Choice(["best", "last"]), help="The epoch that becomes the model.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=42, show_default=True, help="For all randomness.")
@click.option("--save-every", type=click.IntRange(1), default=500, show_default=True, help="Steps between states.")
@click.option("--resume", is_flag=True, help="Go on with the interrupted run in --out, to the same result.")
@click.option("--revision", help="Branch, tag or commit of --base, for a hub id.")
@click.option("--tensorboard", type=click.Path(path_type=Path), help="Write TensorBoard logs to this folder.")
@click.option("--json", "as_json", is_flag=True, help="Print the training report as JSON at the end.")
def command(
    data: str,
    base: str,
    out: Path,
    evaluation: str | None,
    text_column: str | None,
    label_column: str | None,
    pair_column: str | None,
    labels: str | None,
    recipe: str | None,
    architecture: Any,
    seed: int,
    save_every: int,
    resume: bool,
    revision: str | None,
    tensorboard: Path | None,
    as_json: bool,
    **overrides: Any,
) -> None:
    """Fine-tune a classifier on the labelled texts of DATA.

    DATA is a TSV (unquoted), CSV, JSON Lines or Parquet file, a folder with train and dev files, or
    hub:OWNER/NAME. Every row is checked before training starts. Labels are names, or numbers from 0.
    """
    _need_training_packages()
    names = None if labels is None else parse_label_names(labels)
    folder = find_model(base, revision)
    if folder.embedded:
        raise InputError("the embedded default is an engine without a checkpoint; give a checkpoint's folder or hub id")
    if evaluation is None and Path(data).is_dir():
        evaluation = data
    columns = (text_column, label_column, pair_column)
    eval_source = None if evaluation is None else find_source(evaluation, "eval")
    examples = read_examples(find_source(data, "train"), *columns, names)
    eval_examples = None if eval_source is None else read_examples(eval_source, *columns, names, known=examples.names)

    from valence.checkpoint.config import encoder_config
    from valence.training.fine_tune import FineTuning, fine_tune

    if overrides["max_length"] is not None and overrides["max_length"] > folder.max_position_embeddings:
        raise InputError(
            f"--max-length {overrides['max_length']}: the base reads at most {folder.max_position_embeddings} tokens"
        )
    name = recipe or default_recipe(encoder_config(folder).hidden_size)
    run = FineTuning(
        train=examples,
        evaluation=eval_examples,
        base=folder,
        out=out,
        recipe_name=name,
        recipe=_overridden(RECIPES[name](), overrides),
        architecture=architecture,
        seed=seed,
        save_every=save_every,
    )
    title = (
        f"{len(examples):,} examples, {len(examples.names)} classes ({', '.join(examples.names[:6])}"
        f"{', …' if len(examples.names) > 6 else ''}), recipe {name}"
    )
    try:
        with _Monitor(title, tensorboard) as monitor:
            report = fine_tune(run, resume, monitor, _tell_base)
    except KeyboardInterrupt as stop:
        if stop.args:
            click.echo(f"{stop}: go on with --resume", err=True)
        raise
    if not report:
        return  # another process reports
    _show(report, out, as_json)


def _show(report: dict[str, Any], out: Path, as_json: bool) -> None:
    if as_json:
        echo_json(report)
    else:
        minutes = report["seconds"] / 60
        click.echo(
            f"{out}: epoch {report['kept_epoch']} kept, {minutes:.1f} minutes, "
            f"{report['examples_per_second']:,.0f} examples/s\n"
            f'try it: valence classify --model {out} "…"'
        )


def _need_training_packages() -> None:
    if any(find_spec(package) is None for package in ("torch", "safetensors", "accelerate", "onnx")):
        raise MissingExtraError("train", "Training")


def _overridden(recipe: Recipe, overrides: dict[str, Any]) -> Recipe:
    given = {name: value for name, value in overrides.items() if value is not None}
    return dataclasses.replace(recipe, **given)


def _tell_base(base: "LoadedBase") -> None:
    if base.left_out:
        click.echo(f"left out of the base (another task's head): {', '.join(base.left_out)}", err=True)
    if base.initialised:
        click.echo(f"not in the base, so initialised: {', '.join(base.initialised)}", err=True)


class _Monitor:
    """Shows a run on standard error: a bar on a terminal, a line now and then elsewhere."""

    def __init__(self, title: str, tensorboard: Path | None) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("training"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("loss {task.fields[loss]:.4f}  {task.fields[rate]:,.0f} examples/s"),
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
        self._tensorboard = tensorboard
        self._writer: Any = None

    def __enter__(self) -> "_Monitor":
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()
        if self._writer is not None:
            self._writer.close()

    def on_start(self, step: int, total_steps: int) -> None:
        self._first_step, self._total, self._begun = step, total_steps, time.perf_counter()
        self._bar.update(self._task, total=total_steps, completed=step)
        if self._tensorboard is not None:
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(self._tensorboard)
        self._print(f"{self._title}: {total_steps:,} steps")
        if step:
            self._print(f"resumed after step {step:,}")

    def on_step(self, step: int, loss: float, learning_rate: float, examples_per_second: float) -> None:
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
                f"step {step:,} of {self._total:,}  loss {self._loss:.4f}  {examples_per_second:,.0f} examples/s  "
                f"{left / 60:.1f} minutes left",
                err=True,
            )

    def on_epoch(self, figures: dict[str, float]) -> None:
        text = f"epoch {figures['epoch']:.0f}: train loss {figures['train_loss']:.4f}"
        if "accuracy" in figures:
            text += f", evaluation accuracy {figures['accuracy']:.4f}, loss {figures['loss']:.4f}"
        self._print(text)
        if self._writer is not None:
            for name, value in figures.items():
                self._writer.add_scalar(f"epoch/{name}", value, int(figures["epoch"]))

    def _print(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)
