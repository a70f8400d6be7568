"""valence evaluate."""

import warnings
from importlib.util import find_spec
from pathlib import Path

import click

from valence.cli.data_options import data_options, tell_columns
from valence.cli.options import model_options
from valence.cli.output import echo_json, one_line, require_writable, show_and_keep
from valence.cli.progress import progress_bars
from valence.data.columns import ColumnNames
from valence.data.examples import read_examples
from valence.data.labels import parse_label_names
from valence.data.positive import find_positive
from valence.data.sources import find_source
from valence.data.tables import TableOptions
from valence.errors import InputError, MissingExtraError
from valence.files import why_not_writable, write_text
from valence.hub import find_model
from valence.reports.codec import encode_report, write_report
from valence.reports.evaluation import EvaluationReport
from valence.reports.printing import bounds, fixed, plain_table
from valence.runtime.load import Loading, load_with

__all__ = ["command"]

_CLASS_METRICS = ("precision", "recall", "f1")
_PICTURES = (".svg", ".png")
_NOT_DEFINED = "not defined: the data lacks a class"


@click.command(
    "evaluate",
    epilog="""\b
Examples:
  valence evaluate default dev.tsv
  valence evaluate ./my-model reviews.csv --text-column body --label-column stars
  valence evaluate ./my-model hub:stanfordnlp/sst2:validation --json
  valence evaluate ./my-model test.csv --reliability reliability.svg
  valence evaluate ./abuse-detector comments.csv --positive abusive
""",
)
@click.argument("model")
@click.argument("data")
@data_options()
@click.option("--data-labels", help="What the data's class numbers mean: A,B or a file of one name a line.")
@click.option(
    "--positive",
    metavar="NAME",
    help="The class whose precision, recall and F1 stand for the model.  [default: of two classes the one called "
    "positive, pos, yes, true or 1; else none, and the mean over classes (macro) stands in front]",
)
@model_options
@click.option("--resamples", type=click.IntRange(1), default=1000, show_default=True, help="For the intervals.")
@click.option(
    "--reliability",
    type=click.Path(path_type=Path),
    help="Draw how often answers are right against their score, to this file: .svg or .png.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Write the report to this file instead of MODEL/reports.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as one JSON object.")
def command(
    model: str,
    data: str,
    columns: ColumnNames,
    reading: TableOptions,
    data_labels: str | None,
    positive: str | None,
    revision: str | None,
    loading: Loading,
    resamples: int,
    reliability: Path | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Measure MODEL on the labelled texts of DATA.

    Accuracy, precision, recall, F1, AUC, loss, MCC and Brier score, each with a 95 % bootstrap interval, the expected
    calibration error beside that of a perfectly calibrated model, the same of each class, the confusion matrix and the
    speed. The report goes to MODEL/reports; the embedded default is never written to.
    """
    if find_spec("sklearn") is None:
        raise MissingExtraError("evaluate", "Evaluating")
    from valence.evaluation.evaluate import evaluate, require_single_label
    from valence.evaluation.report_file import evaluation_file

    folder = find_model(model, revision, loading.engine, loading.precision)
    classifier = load_with(folder, loading)
    require_single_label(classifier)
    find_positive(classifier.labels, positive)  # before the data are read
    if reliability is not None:
        _require_picture(reliability)
    if out is not None:
        require_writable(out)
    examples = read_examples(
        find_source(data, "eval", reading),
        columns,
        None if data_labels is None else parse_label_names(data_labels),
        known=classifier.labels,
    )
    tell_columns(examples)
    in_folder = out is None and not folder.embedded and Path(model).expanduser().is_dir()
    if in_folder:
        target = evaluation_file(folder, classifier, examples)
        _say_where(target.path, target.why)
    with progress_bars("evaluating") as on_progress:
        on_progress(0, len(examples))
        report = evaluate(classifier, examples, folder, resamples, on_progress, positive)
    # Again, for another run may have written the file in the meantime.
    path = evaluation_file(folder, classifier, examples).path if in_folder else out
    show_and_keep(
        lambda: echo_json(encode_report(report)) if as_json else _show(report),
        path,
        lambda target: write_report(target, report),
    )
    if reliability is not None:
        _draw(report, reliability)
    if path is not None and not as_json:
        click.echo(f"report: {path}")


def _require_picture(path: Path) -> None:
    if path.suffix.lower() not in _PICTURES:
        raise InputError(f"{path}: expected a file that ends in {' or '.join(_PICTURES)}")
    if find_spec("altair") is None or find_spec("vl_convert") is None:
        raise MissingExtraError("audit", "Drawing")
    require_writable(path)


def _draw(report: EvaluationReport, path: Path) -> None:
    from valence.audit.page.charts import as_png, as_svg, reliability_diagram

    chart = reliability_diagram(report)
    if path.suffix.lower() == ".svg":
        write_text(path, as_svg(chart))
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(as_png(chart))


def _say_where(path: Path, why: str | None) -> None:
    """Say before the work is done where its report goes, unless it is the usual place; and that it cannot go there."""
    if why is not None:
        warnings.warn(one_line(f"{why}; this report goes to {path.name}"), stacklevel=2)
    if (why_not := why_not_writable(path)) is not None:
        said = (
            f"{path}: cannot be written: {why_not}; what is found will be printed, and not kept: name a file with --out"
        )
        warnings.warn(one_line(said), stacklevel=2)


def _show(report: EvaluationReport) -> None:
    windowed = f"{report.n_windowed:,} read in windows" if report.long_text.how == "window" else None
    click.echo(
        f"{report.data.name}: {report.n_texts:,} texts, "
        f"{windowed or format(report.n_truncated, ',') + ' truncated'} at {report.max_length} tokens; "
        f"engine {report.model.engine}\n"
    )
    _show_metrics(report)
    names, counts = report.confusion_matrix.labels, report.confusion_matrix.counts
    width = max(8, *(len(name) for name in names)) + 2
    click.echo("\ntrue \\ predicted".ljust(width + 1) + "".join(name.rjust(width) for name in names))
    for name, row in zip(names, counts, strict=True):
        click.echo(name.ljust(max(width, 16)) + "".join(f"{count:,}".rjust(width) for count in row))
    click.echo(f"\n{report.texts_per_second:,.0f} texts/s, {report.tokens_per_second:,.0f} tokens/s")


def _show_metrics(report: EvaluationReport) -> None:
    """Show metrics of the whole, those that stand for it first, and then those of each class."""
    macro = {f"macro {name}": getattr(report, f"macro_{name}") for name in _CLASS_METRICS}
    metrics = {name: metric.estimate for name, metric in report.metrics.items()}
    rest = {
        metric.title.lower(): metric.estimate
        for name, metric in report.metrics.items()
        if name not in ("accuracy", *_CLASS_METRICS)
    }
    if report.positive is None:
        # F1 first: it is the one that does not look good where a class is never found
        front = {"macro f1": macro["macro f1"], "accuracy": metrics["accuracy"], **macro}
    else:
        named = {f"{name} of {report.positive}": metrics[name] for name in _CLASS_METRICS}
        front = {"accuracy": metrics["accuracy"], **named}
        rest |= macro
    width = max(10, *map(len, front | rest))
    for name, found in (front | rest).items():
        said = _NOT_DEFINED if found is None else fixed(found.value)
        if found is not None and found.low is not None:
            said += f"   95 % interval {bounds(found)}"
        click.echo(one_line(f"{name:{width}}  {said}"))
    rows: list[tuple[str, ...]] = [("class", "texts", "predicted", *_CLASS_METRICS)]
    rows += [
        (
            one.label,
            f"{one.support:,}",
            f"{one.predicted:,}",
            *(fixed(getattr(one, name).value) for name in _CLASS_METRICS),
        )
        for one in report.per_class or ()
    ]
    click.echo()
    for line in plain_table(rows):
        click.echo(one_line(line))
