"""valence distill."""

from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

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
from valence.data.documents import read_documents
from valence.data.examples import read_examples
from valence.data.labels import parse_label_names
from valence.data.soft_labels import SoftLabels, classes_named_in, plain, read_soft_labels
from valence.data.sources import find_source
from valence.data.tables import TableOptions
from valence.errors import InputError
from valence.folder import ModelFolder
from valence.hub import find_model
from valence.reports.codec import encode_report
from valence.reports.report import present
from valence.reports.training import TrainingReport
from valence.runtime.choice import EngineName
from valence.runtime.registry import engine_names
from valence.training.recipe import RECIPES, default_recipe, pretraining

if TYPE_CHECKING:
    from valence.training.distill_classifier import ClassifierDistilling
    from valence.training.distill_raw import RawDistilling
    from valence.training.student import StudentShape

__all__ = ["command"]


class _Given(TypedDict):
    """The options of which it depends on --raw whether they go with it."""

    evaluation: str | None
    positive: str | None
    unlabelled: tuple[str, ...]
    soft_labels: tuple[str, ...]
    columns: ColumnNames
    reading: TableOptions
    labels: str | None
    temperature: float | None
    soft_weight: float | None
    teacher_engine: EngineName | None
    layer_by_layer: bool
    whole_words: bool
    soft_targets: str | None


class _Shared(TypedDict):
    """What both kinds of distillation are told."""

    out: Path
    shape: "StudentShape"
    seed: int
    save_every: int


class _WithDefaults(TypedDict, total=False):
    """What the user said of the teachers' answers."""

    teacher_engine: EngineName
    temperature: float
    soft_weight: float


_FOR_CLASSIFIERS = frozenset(
    ("teacher_engine", "temperature", "soft_weight", "layer_by_layer", "labels", "positive", "soft_labels")
)
_FOR_RAW = frozenset(("whole_words", "soft_targets"))
_FOR_TEACHERS = frozenset(("teacher_engine", "temperature", "layer_by_layer", "unlabelled"))


@click.command(
    "distill",
    epilog="""\b
Examples:
  valence distill train.tsv --eval dev.tsv --teacher ./my-model --layers 3 --out small
  valence distill train.tsv --unlabelled more.txt --teacher ./one --teacher ./two --out small
  valence distill train.tsv --teacher ./my-model --layer-by-layer --out small
  valence distill --soft-labels answers.jsonl --base ./encoder --layers 6 --out small
  valence distill articles.txt --teacher ./raw-model --raw --layers 3 --out small-raw
  valence distill train.tsv --teacher ./my-model --out small --resume     # after an interruption
""",
)
@click.argument("texts", nargs=-1)
@click.option(
    "--teacher",
    "teachers",
    multiple=True,
    help="The larger model; several teach together.  [needed without --soft-labels]",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The model folder to make.")
@click.option("--raw", is_flag=True, help="Distil a raw model on plain text, by DistilBERT's own recipe.")
@click.option("--base", help="The checkpoint the student starts from.  [default: the first teacher]")
@click.option("--layers", "n_layers", type=click.IntRange(1), help="Of the student.  [default: half of the base's]")
@click.option("--hidden-size", type=click.IntRange(1), help="Its width.  [default: the base's]")
@click.option(
    "--heads", "n_heads", type=click.IntRange(1), help="Its attention heads.  [default: as wide as the base's]"
)
@click.option(
    "--feed-forward",
    "intermediate_size",
    type=click.IntRange(1),
    help="Its feed-forward width.  [default: in proportion]",
)
@click.option("--eval", "evaluation", help="What to measure on: labelled texts, or with --raw plain text.")
@click.option("--positive", metavar="NAME", help="Choose the best epoch by F1 of this class; see `valence train`.")
@click.option("--unlabelled", multiple=True, help="More texts, without labels.")
@click.option(
    "--soft-labels",
    multiple=True,
    help="Texts with a probability for each class, JSON Lines or Parquet: learnt beside what a teacher says, or alone.",
)
@data_options()
@click.option("--labels", help="The class names by number: A,B or a file of one name a line.")
@click.option("--temperature", type=float, help="Of a classifier's soft targets.  [default: 2]")
@click.option("--soft-weight", type=float, help="Of soft targets; labels have the rest.  [default: 0.5]")
@click.option(
    "--teacher-engine",
    type=click.Choice(engine_names()),
    help="What runs a classifier while it teaches; auto: its fastest export.  [default: torch, exact]",
)
@click.option("--layer-by-layer", is_flag=True, help="Match the first teacher's layers, too.")
@click.option("--whole-words", is_flag=True, help="With --raw: hide all tokens of a word, or none.")
@click.option(
    "--soft-targets",
    type=click.Choice(["all", "masked"]),
    help="With --raw: learn from the teacher at all words, or at hidden ones alone, twice as fast.  [default: all]",
)
@debias_options
@training_options
def command(
    texts: tuple[str, ...],
    teachers: tuple[str, ...],
    out: Path,
    raw: bool,
    base: str | None,
    n_layers: int | None,
    hidden_size: int | None,
    n_heads: int | None,
    intermediate_size: int | None,
    resume: bool,
    seed: int,
    save_every: int,
    revision: str | None,
    tensorboard: Path | None,
    as_json: bool,
    overrides: RecipeChanges,
    debias: Debiasing,
    **given: Unpack[_Given],
) -> None:
    """Teach a smaller model what a larger one says of TEXTS.

    For a classifier TEXTS are labelled, as for `valence train`; with --raw they are plain text, as for `valence
    pretrain`. With --soft-labels there need be neither TEXTS nor a teacher. The student takes every other layer of its
    base, or as many as --layers says; with another --hidden-size it starts fresh. A classifier of few texts gets more
    epochs than three, unless --epochs says how many.
    """
    need_training_packages()
    from valence.training.student import StudentShape

    _require(texts, teachers, base, raw, given)
    require_folder(out, tensorboard)
    folders = [find_model(name, revision, given["teacher_engine"] or "auto") for name in teachers]
    start = find_model(base) if base is not None else folders[0]
    if raw and debias["debias"]:
        raise InputError("--debias does not go with --raw")
    _check(raw, base, folders, start, given)
    require_positions(overrides, start)
    shape = StudentShape(
        n_layers=n_layers, hidden_size=hidden_size, n_heads=n_heads, intermediate_size=intermediate_size
    )
    shared = _Shared(out=out, shape=shape, seed=seed, save_every=save_every)
    title = f"taught by {', '.join([folder.name for folder in folders] or given['soft_labels'])}"
    if raw:
        from valence.training.distill_raw import distill_raw

        raw_run = _raw(texts, folders[0], shared, overrides, given)
        with resume_hint(), TrainingMonitor(title, "sequences", tensorboard) as monitor:
            report = distill_raw(raw_run, resume, monitor)
    else:
        from valence.training.distill_classifier import distill_classifier

        run = _classifier(texts, folders, start, shared, debias, overrides, given, resume)
        title += epochs_note(run.recipe)
        with resume_hint(), TrainingMonitor(title, "examples", tensorboard) as monitor:
            report = distill_classifier(run, resume, monitor, tell_base, monitor.on_asked)
    if report is None:
        return  # another process reports
    if as_json:
        echo_json(encode_report(report))
    else:
        _show(report, out, raw)


def _require(texts: tuple[str, ...], teachers: tuple[str, ...], base: str | None, raw: bool, given: _Given) -> None:
    """Refuse a run with nothing to learn from; soft labels stand in for texts and for a teacher."""
    soft = given["soft_labels"] and not raw
    if not texts and not soft:
        raise click.UsageError("Missing argument 'TEXTS...'.")
    if not teachers and not soft:
        raise click.UsageError("Missing option '--teacher'.")
    if teachers:
        return
    if base is None:
        raise InputError("without --teacher, name the checkpoint that the student starts from with --base")
    for name, value in given.items():
        if name in _FOR_TEACHERS and _is_given(value):
            raise InputError(f"--{name.replace('_', '-')} goes with --teacher")


def _is_given(value: object) -> bool:
    return not (value is None or value is False or value == ())  # a temperature of 0 is given, and wrong


def _check(raw: bool, base: str | None, teachers: list[ModelFolder], start: ModelFolder, given: _Given) -> None:
    """Refuse options that say nothing about what is to be done."""
    columns: ColumnNames = given["columns"]
    if not start.weight_files and base is None:
        raise InputError(f"{start.name} holds engines only; name the student's checkpoint with --base")
    require_checkpoint(start)
    if raw and (base is not None or len(teachers) > 1):
        raise InputError("with --raw there is one teacher, and the student starts from it")
    if raw and (columns.label is not None or columns.pair is not None):
        raise InputError(f"{'--label-column' if columns.label is not None else '--pair-column'} does not go with --raw")
    unused = _FOR_CLASSIFIERS if raw else _FOR_RAW
    for name, value in given.items():
        if name in unused and _is_given(value):
            option = f"--{name.replace('_', '-')}"
            raise InputError(f"{option} does not go with --raw" if raw else f"{option} goes with --raw")


def _raw(
    texts: tuple[str, ...],
    teacher: ModelFolder,
    shared: _Shared,
    overrides: RecipeChanges,
    given: _Given,
) -> "RawDistilling":
    from valence.checkpoint.config import encoder_config
    from valence.training.distill_raw import RawDistilling
    from valence.training.pretrain import hold_out

    column, reading = given["columns"].text, given["reading"]
    sources = [find_source(name, "train", reading) for name in (*texts, *given["unlabelled"])]
    documents = read_documents(sources, column)
    if given["evaluation"] is None:
        documents, held_out = hold_out(documents, shared["seed"])
    else:
        held_out = read_documents([find_source(given["evaluation"], "eval", reading)], column)
    return RawDistilling(
        **shared,
        recipe=change_recipe(pretraining(encoder_config(teacher).hidden_size), overrides),
        teacher=teacher,
        documents=documents,
        held_out=held_out,
        sources=sources,
        whole_words=given["whole_words"],
        everywhere=given["soft_targets"] != "masked",
    )


def _classifier(
    texts: tuple[str, ...],
    teachers: list[ModelFolder],
    base: ModelFolder,
    shared: _Shared,
    debias: Debiasing,
    overrides: RecipeChanges,
    given: _Given,
    resume: bool,
) -> "ClassifierDistilling":
    from valence.checkpoint.config import encoder_config
    from valence.training.distill_classifier import ClassifierDistilling
    from valence.training.run import with_enough_steps

    if len(texts) > 1:
        raise InputError("a classifier is distilled on one labelled data set; give more texts with --unlabelled")
    names = None if given["labels"] is None else parse_label_names(given["labels"])
    known = teachers[0].labels if teachers else None
    if names and (known is None or teachers[0].labels_are_placeholders):
        known = names
    columns, reading = given["columns"], given["reading"]
    examples = None
    if texts:
        examples = read_examples(find_source(texts[0], "train", reading), columns, names, known=known)
        tell_columns(examples)
        known = examples.names
    soft_labels, known = _soft_labels(given, names, known, base)
    evaluation = given["evaluation"]
    if evaluation is None and texts and Path(texts[0]).is_dir():
        evaluation = texts[0]
    sources = [find_source(name, "train", reading) for name in given["unlabelled"]]
    answered = {plain(text) for one in soft_labels for text in one.texts}
    unlabelled = [text for text in (read_documents(sources, columns.text) if sources else ()) if text not in answered]
    positive = parse_positive(given["positive"], known, evaluated=evaluation is not None)
    recipe = change_recipe(RECIPES[default_recipe(encoder_config(base).hidden_size)](), overrides)
    n_texts = len(examples or ()) + len(unlabelled) + sum(map(len, soft_labels))
    with_defaults = _WithDefaults()
    if examples is None:
        with_defaults["soft_weight"] = 1.0
    if given["teacher_engine"] is not None:
        with_defaults["teacher_engine"] = given["teacher_engine"]
    if given["temperature"] is not None:
        with_defaults["temperature"] = given["temperature"]
    if given["soft_weight"] is not None:
        with_defaults["soft_weight"] = given["soft_weight"]
    return ClassifierDistilling(
        **shared,
        **debias,
        recipe=with_enough_steps(recipe, n_texts, overrides, shared["out"], resume),
        teachers=teachers,
        base=base,
        train=examples,
        names=known,
        soft_labels=soft_labels,
        teacher_labels=names,
        unlabelled=unlabelled,
        evaluation=None
        if evaluation is None
        else read_examples(find_source(evaluation, "eval", reading), columns, names, known=known),
        **with_defaults,
        layer_by_layer=given["layer_by_layer"],
        positive=positive,
    )


def _soft_labels(
    given: _Given, names: tuple[str, ...] | None, known: tuple[str, ...] | None, base: ModelFolder
) -> tuple[list[SoftLabels], tuple[str, ...]]:
    """Read the soft labels, and find the classes where nothing else names them: the base's if they are the same."""
    from valence.checkpoint.classes import class_rows

    sources = [find_source(name, "train", given["reading"]) for name in given["soft_labels"]]
    if known is None:
        known = classes_named_in(sources[0])
        if base.labels is not None and class_rows(known, base.labels) is not None:
            known = base.labels
    found = [read_soft_labels(source, known, given["columns"], names) for source in sources]
    for one in found:
        tell_columns(one)
    return found, known


def _show(report: TrainingReport, out: Path, raw: bool) -> None:
    kept = "" if raw else f"{kept_epoch(report)}, "
    lines = [f"{out}: {kept}{duration(report)}, {present(report.examples_per_second):,.0f} texts/s"]
    if (retained := present(report.kept)) is not None:
        lines.append(f"{retained.figure}: teacher {retained.teacher.figure:.4f}, student {retained.student.figure:.4f}")
        shares = [
            None if retained.share_kept is None else f"{retained.share_kept:.1%} kept",
            None if retained.smaller is None else f"{retained.smaller:.0%} smaller",
            f"{retained.faster:.0%} faster",
        ]
        lines.append(", ".join(share for share in shares if share))
    tries = f'fill-mask --model {out} "This film was [MASK]."' if raw else f'classify --model {out} "…"'
    lines.append(f"try it: valence {tries}")
    click.echo("\n".join(lines))
