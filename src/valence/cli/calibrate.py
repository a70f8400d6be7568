"""valence calibrate."""

import dataclasses
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
from valence.data.sources import find_source
from valence.data.tables import TableOptions
from valence.errors import InputError, MissingExtraError
from valence.hub import find_model
from valence.reports.calibration import EngineCalibration
from valence.reports.codec import encode_report, write_report
from valence.reports.printing import bounds, fixed, plain_table
from valence.runtime.calibration import CALIBRATION
from valence.runtime.load import Loading, load_with

__all__ = ["command"]


@click.command(
    "calibrate",
    epilog="""\b
Examples:
  valence calibrate ./my-model held-out.tsv
  valence calibrate ./my-model reviews.csv --text-column body --label-column stars
  valence calibrate ./my-model held-out.tsv --engine onnx     # an entry beside that of native
  valence calibrate ./my-model held-out.tsv --json

Take texts that the model was not trained on, and measure on others: valence evaluate.
""",
)
@click.argument("model")
@click.argument("data")
@data_options()
@click.option("--data-labels", help="What the data's class numbers mean: A,B or a file of one name a line.")
@model_options
@click.option("--json", "as_json", is_flag=True, help="Print calibration.json as it is written.")
def command(
    model: str,
    data: str,
    columns: ColumnNames,
    reading: TableOptions,
    data_labels: str | None,
    revision: str | None,
    loading: Loading,
    as_json: bool,
) -> None:
    """Fit a temperature for MODEL on the labelled texts of DATA, so that its scores are as often right as they say.

    It goes to MODEL/calibration.json, an entry for each engine, and is applied to scores from then on, wherever the
    model is used with that engine; labels and logits stay as they are. Prints negative log-likelihood, Brier score and
    expected calibration error on DATA before and after.
    """
    if find_spec("sklearn") is None or find_spec("scipy") is None:
        raise MissingExtraError("evaluate", "Calibrating")
    from valence.evaluation.calibrate import calibrate, require_calibratable, with_entry

    folder = find_model(model, revision, loading.engine, loading.precision)
    if folder.embedded or not Path(model).expanduser().is_dir():
        what = "the embedded default" if folder.embedded else f"{model}, of the hub's cache,"
        raise InputError(f"{what} is never written to: expected a model folder of your own, such as a copy of it")
    target = folder.path / CALIBRATION
    require_writable(target)
    classifier = load_with(folder, dataclasses.replace(loading, calibrated=False))
    require_calibratable(classifier)
    examples = read_examples(
        find_source(data, "eval", reading),
        columns,
        None if data_labels is None else parse_label_names(data_labels),
        known=classifier.labels,
    )
    tell_columns(examples)
    with progress_bars("calibrating") as on_progress:
        on_progress(0, len(examples))
        entry = calibrate(classifier, examples, folder, on_progress)
    report = with_entry(target, entry)
    show_and_keep(
        lambda: echo_json(encode_report(report)) if as_json else _show(entry),
        target,
        lambda to: write_report(to, report),
    )
    if not as_json:
        click.echo(f"\ncalibration: {one_line(str(target))}")


def _show(entry: EngineCalibration) -> None:
    click.echo(
        one_line(
            f"{entry.data.name}: {entry.n_texts:,} texts; engine {entry.model.engine}; "
            f"temperature {entry.temperature:.4f}"
        )
    )
    click.echo()
    before, after = entry.before, entry.after
    rows: list[tuple[str, ...]] = [("", "before", "after")]
    for title, name in (("NLL (nats)", "loss"), ("Brier score", "brier"), ("ECE", "ece")):
        rows.append((title, fixed(getattr(before, name)), fixed(getattr(after, name))))
    chance = (before.ece_if_calibrated, after.ece_if_calibrated)
    rows += [("ECE if calibrated", *(fixed(one.value) for one in chance)), ("  95 % of such", *map(bounds, chance))]
    for line in plain_table(rows):
        click.echo(line)
