"""valence evaluate."""

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from valence.cli.data_options import data_options, tell_columns
from valence.cli.options import model_options
from valence.cli.output import echo_json, require_writable
from valence.data.columns import ColumnNames
from valence.data.examples import read_examples
from valence.data.labels import parse_label_names
from valence.data.sources import find_source
from valence.data.tables import TableOptions
from valence.errors import MissingExtraError, ValenceError
from valence.files import write_json
from valence.hub import find_model
from valence.runtime.load import load_folder

__all__ = ["command"]


@click.command(
    "evaluate",
    epilog="""\b
Examples:
  valence evaluate default dev.tsv
  valence evaluate ./my-model reviews.csv --text-column body --label-column stars
  valence evaluate ./my-model hub:stanfordnlp/sst2:validation --json
""",
)
@click.argument("model")
@click.argument("data")
@data_options()
@click.option("--data-labels", help="What the data's class numbers mean: A,B or a file of one name a line.")
@model_options
@click.option("--resamples", type=click.IntRange(1), default=1000, show_default=True, help="For the intervals.")
@click.option("--out", type=click.Path(path_type=Path), help="Write the report to this file instead of MODEL/reports.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as one JSON object.")
def command(
    model: str,
    data: str,
    columns: ColumnNames,
    reading: TableOptions,
    data_labels: str | None,
    revision: str | None,
    loading: dict[str, Any],
    resamples: int,
    out: Path | None,
    as_json: bool,
) -> None:
    """Measure MODEL on the labelled texts of DATA.

    Accuracy, precision, recall, F1, AUC, loss and MCC, each with a 95 % bootstrap interval, the confusion
    matrix and the speed. The report goes to MODEL/reports; the embedded default is never written to.
    """
    if find_spec("sklearn") is None:
        raise MissingExtraError("evaluate", "Evaluating")
    from valence.evaluation.evaluate import evaluate, require_single_label

    folder = find_model(model, revision)
    classifier = load_folder(folder, **loading)
    require_single_label(classifier)
    if out is not None:
        require_writable(out)
    examples = read_examples(
        find_source(data, "eval", reading),
        columns,
        None if data_labels is None else parse_label_names(data_labels),
        known=classifier.labels,
    )
    tell_columns(examples)
    with click.progressbar(length=len(examples), label="evaluating", file=sys.stderr) as bar:
        report = evaluate(classifier, examples, folder, resamples, lambda done: bar.update(done - bar.pos))
    target = out
    if target is None and not folder.embedded and Path(model).expanduser().is_dir():
        target = folder.reports / f"evaluation-{examples.source.title}.json"
    if target is not None:
        try:
            write_json(target, report)
        except OSError as problem:
            raise ValenceError(f"{target}: cannot be written: {problem.strerror or problem}") from None
    if as_json:
        echo_json(report)
    else:
        _show(report, target)


def _show(report: dict[str, Any], target: Path | None) -> None:
    windowed = f"{report['n_windowed']:,} read in windows" if report["long_text"]["how"] == "window" else None
    click.echo(
        f"{report['data']['name']}: {report['n_texts']:,} texts, "
        f"{windowed or format(report['n_truncated'], ',') + ' truncated'} at "
        f"{report['max_length']} tokens; engine {report['model']['engine']}\n"
    )
    for name in ("accuracy", "precision", "recall", "f1", "auc", "loss", "mcc"):
        figure = report[name]
        if figure is None:
            click.echo(f"{name:10}  not defined: the data lacks a class")
        else:
            click.echo(f"{name:10}  {figure['value']:.4f}   95 % interval {figure['low']:.4f} to {figure['high']:.4f}")
    names = report["confusion_matrix"]["labels"]
    width = max(8, *(len(name) for name in names)) + 2
    click.echo("\ntrue \\ predicted".ljust(width + 1) + "".join(name.rjust(width) for name in names))
    for name, counts in zip(names, report["confusion_matrix"]["counts"], strict=True):
        click.echo(name.ljust(max(width, 16)) + "".join(f"{count:,}".rjust(width) for count in counts))
    click.echo(f"\n{report['texts_per_second']:,.0f} texts/s, {report['tokens_per_second']:,.0f} tokens/s")
    if target is not None:
        click.echo(f"report: {target}")
