"""valence train."""

from pathlib import Path

import click

from valence.cli.data_options import data_options, tell_columns
from valence.cli.output import echo_json
from valence.cli.training_monitor import (
    TrainingMonitor,
    duration,
    epochs_note,
    kept_epoch,
    need_training_packages,
    resume_hint,
    tell_base,
)
from valence.cli.training_options import (
    Debiasing,
    RecipeChanges,
    change_recipe,
    debias_options,
    parse_positive,
    require_checkpoint,
    require_folder,
    require_positions,
    training_options,
)
from valence.data.columns import ColumnNames
from valence.data.examples import read_examples
from valence.data.labels import parse_label_names
from valence.data.sources import find_source
from valence.data.tables import TableOptions
from valence.families import FAMILIES, Architecture
from valence.hub import find_model
from valence.reports.codec import encode_report
from valence.reports.report import present
from valence.reports.training import TrainingReport
from valence.training.recipe import RECIPES, Keep, default_recipe

__all__ = ["command"]


@click.command(
    "train",
    epilog="""\b
Examples:
  valence train reviews.csv --base distilbert-base-uncased --out my-model
  valence train train.tsv --eval dev.tsv --base ./encoder --out my-model --epochs 2
  valence train train.tsv --base bert-base-uncased --out my-bert --architecture bert --recipe sst2
  valence train train.tsv --base ./my-model --out fairer --debias countries,names --epochs 1
  valence train comments.csv --eval dev.csv --positive abusive --base ./encoder --out detector
  valence train train.tsv --base ./encoder --out my-model --resume     # after an interruption
""",
)
@click.argument("data")
@click.option("--base", required=True, help="The checkpoint to start from: a folder or a hub id.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The model folder to make.")
@click.option("--eval", "evaluation", help="Labelled texts to measure every epoch on, and choose the best.")
@data_options()
@click.option("--labels", help="The class names by number: A,B or a file of one name a line.")
@click.option(
    "--recipe",
    type=click.Choice(list(RECIPES)),
    help="Named hyper-parameters.  [default: small for encoders up to 512 wide, else sst2]",
)
@click.option(
    "--architecture",
    type=click.Choice(list(FAMILIES)),
    help="The family to make. Of a BERT, bert keeps token types and pooler and distilbert folds them away.  "
    "[default: the base's, distilbert for a BERT]",
)
@click.option(
    "--positive",
    metavar="NAME",
    help="Choose the best epoch by F1 of this class.  [default: by accuracy, or by macro F1 where one class of --eval "
    "has more than 1.5 times the texts of another]",
)
@click.option("--keep", type=click.Choice(["best", "last"]), help="The epoch that becomes the model.")
@debias_options
@training_options
def command(
    data: str,
    base: str,
    out: Path,
    evaluation: str | None,
    columns: ColumnNames,
    reading: TableOptions,
    labels: str | None,
    recipe: str | None,
    architecture: Architecture | None,
    seed: int,
    save_every: int,
    resume: bool,
    revision: str | None,
    tensorboard: Path | None,
    as_json: bool,
    positive: str | None,
    keep: Keep | None,
    debias: Debiasing,
    overrides: RecipeChanges,
) -> None:
    """Fine-tune a classifier on the labelled texts of DATA.

    DATA is a CSV, TSV (unquoted), JSON or Parquet file, "-" for standard input, a folder with train and dev files, or
    hub:OWNER/NAME. Every row is checked before training starts. Labels are names, or numbers from 0. Few rows get more
    epochs than the recipe's, unless --epochs says how many.
    """
    need_training_packages()
    names = None if labels is None else parse_label_names(labels)
    require_folder(out, tensorboard)
    folder = find_model(base, revision)
    require_checkpoint(folder)
    if evaluation is None and Path(data).is_dir():
        evaluation = data
    eval_source = None if evaluation is None else find_source(evaluation, "eval", reading)
    examples = read_examples(find_source(data, "train", reading), columns, names)
    tell_columns(examples)

    from valence.checkpoint.checkpoint import LoadedBase
    from valence.checkpoint.classes import class_rows
    from valence.checkpoint.config import encoder_config
    from valence.training.classifier_folder import take_order
    from valence.training.fine_tune import FineTuning, fine_tune
    from valence.training.run import begun_labels, with_enough_steps

    # Numbers mean what they mean in the data; the order of the model's classes is the base's unless the user gave one.
    found = examples.names
    order = (begun_labels(out, resume) or folder.labels) if names is None else None
    eval_examples = None if eval_source is None else read_examples(eval_source, columns, names, known=found)
    examples = take_order(examples, order)
    eval_examples = None if eval_examples is None else take_order(eval_examples, order)

    require_positions(overrides, folder)
    if keep is not None:
        overrides["keep"] = keep
    name = recipe or default_recipe(encoder_config(folder).hidden_size)
    hyper_parameters = change_recipe(RECIPES[name](), overrides)
    if folder.labels is None or class_rows(examples.names, folder.labels) is None:  # else it knows its classes already
        hyper_parameters = with_enough_steps(hyper_parameters, len(examples), overrides, out, resume)
    run = FineTuning(
        train=examples,
        evaluation=eval_examples,
        base=folder,
        out=out,
        recipe_name=name,
        recipe=hyper_parameters,
        architecture=architecture,
        seed=seed,
        save_every=save_every,
        base_labels=names,
        positive=parse_positive(positive, examples.names, evaluated=eval_examples is not None),
        **debias,
    )
    title = (
        f"{len(examples):,} examples, {len(examples.names)} classes ({', '.join(examples.names[:6])}"
        f"{', …' if len(examples.names) > 6 else ''}), recipe {name}{epochs_note(run.recipe)}"
    )

    def tell(base: LoadedBase) -> None:
        if examples.names != found:
            click.echo(f"the classes stand in the base's order: {', '.join(examples.names[:6])}", err=True)
        tell_base(base)

    with resume_hint(), TrainingMonitor(title, "examples", tensorboard) as monitor:
        report = fine_tune(run, resume, monitor, tell)
    if report is None:
        return  # another process reports
    _show(report, out, as_json)


def _show(report: TrainingReport, out: Path, as_json: bool) -> None:
    if as_json:
        echo_json(encode_report(report))
    else:
        click.echo(
            f"{out}: {kept_epoch(report)}, {duration(report)}, {present(report.examples_per_second):,.0f} examples/s\n"
            f'try it: valence classify --model {out} "…"'
        )
