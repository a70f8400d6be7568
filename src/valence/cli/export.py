"""valence export."""

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import click

from valence.cli.data_options import data_options
from valence.cli.output import echo_json
from valence.data.columns import ColumnNames, choose_columns
from valence.data.examples import read_texts
from valence.data.recorded import recorded_columns, recorded_options
from valence.data.sources import find_source
from valence.data.tables import Table, TableOptions
from valence.errors import InputError, MissingExtraError, ValenceError
from valence.folder import ModelFolder
from valence.hub import DEFAULT, find_model
from valence.reports.codec import read_report
from valence.reports.report import present
from valence.reports.training import TrainingReport
from valence.runtime.export.sample import Sample
from valence.runtime.manifest import Format, Precision
from valence.text.tokenizer import Text

__all__ = ["command"]


@click.command(
    "export",
    epilog="""\b
Examples:
  valence export ./my-model
  valence export ./my-model --precision int8 --sample dev.tsv
  valence export ./my-model --precision int8 --engine openvino
""",
)
@click.argument("model")
@click.option(
    "--engine",
    "file_format",
    type=click.Choice(["onnx", "openvino"]),
    default="onnx",
    show_default=True,
    help="Whose files to write. The native engine reads the int8 ones of onnx.",
)
@click.option(
    "--precision",
    type=click.Choice(["fp32", "int8"]),
    default="fp32",
    show_default=True,
    help="Of the products with weights. int8 is a quarter of the size.",
)
@click.option(
    "--sample",
    help="Texts to compare the engine with its source on.  [default: those that train kept, else built-in ones]",
)
@data_options(labels=False, pairs=True)
@click.option("--allow-disagreement", is_flag=True, help="Keep the engine even if it agrees too little.")
@click.option("--json", "as_json", is_flag=True, help="Print what the manifest says of the engine.")
def command(
    model: str,
    file_format: Format,
    precision: Precision,
    sample: str | None,
    columns: ColumnNames,
    reading: TableOptions,
    allow_disagreement: bool,
    as_json: bool,
) -> None:
    """Write the checkpoint in the folder MODEL for a fast engine, which then runs by default.

    The engine is compared with its source in fp32 before it is kept, and onnx/manifest.json says how well
    the two agree.
    """
    if (columns, reading) != (ColumnNames(), TableOptions()) and sample is None:
        raise click.UsageError("options of tables go with --sample")
    if any(find_spec(package) is None for package in ("torch", "safetensors", "onnx")):
        if Path(model).expanduser().is_dir():
            _ = find_model(model).family  # no package helps with one that cannot be exported
        raise MissingExtraError("train", "Exporting")
    if model != DEFAULT and not Path(model).expanduser().is_dir():  # before anything is fetched
        raise InputError(f"{model}: export writes into a model folder; copy a hub model to one first")
    folder = find_model(model)
    if sample is None:
        chosen = _kept_sample(folder)
    else:
        source = find_source(sample, "eval", reading)
        chosen = Sample([text for table in source.tables() for text in _texts(table, columns)], Path(sample).name)
    from valence.runtime.export.export import export_model

    export = export_model(
        folder, precision, chosen, allow_disagreement, file_format, report=lambda line: click.echo(line, err=True)
    )
    if as_json:
        echo_json(vars(export))
        return
    click.echo(f"{folder.manifest_file.parent / export.file}: {export.bytes / 1e6:.1f} MB, compared on {export.sample}")
    for name, figures in export.agreement.items():
        click.echo(
            f"  {name}: the label of the source for {figures['labels']:.2%} of {figures['n_texts']:,} texts; the score "
            f"differs by {figures['p99_difference']:.4f} (99th percentile), {figures['largest_difference']:.4f} at most"
        )
    if export.two_steps:
        click.echo(f"  in two steps with onnx: {', '.join(export.two_steps)}")


def _texts(table: Table, wanted: ColumnNames) -> Iterator[Text]:
    for _, text, _ in read_texts(table, choose_columns(table, wanted, labelled=False)):
        yield text


def _kept_sample(folder: ModelFolder) -> Sample:
    """Read the training texts that `train` marked, if their file is still there and still the same."""
    report = read_report(folder.reports / "training.json", TrainingReport)
    kept = None if report is None else present(report.agreement_sample)
    if kept is None or kept.source is None:
        return Sample()
    try:
        place = kept.source if kept.source.startswith("hub:") else os.path.abspath(folder.path / kept.source)
        source = find_source(place, "train", recorded_options(kept))
        if source.sha256() != kept.train_sha256:
            return Sample()
        texts = [text for table in source.tables() for text in _texts(table, recorded_columns(kept))]
        return Sample([texts[row] for row in kept.rows], f"{len(kept.rows):,} training texts of {source.title}")
    except (IndexError, ValenceError):
        return Sample()  # no training data here: not needed for an export
