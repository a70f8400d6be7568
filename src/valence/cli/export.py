"""valence export."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from valence.cli.output import echo_json
from valence.data.examples import choose_columns, read_texts
from valence.data.tables import open_table
from valence.errors import InputError, MissingExtraError
from valence.hub import DEFAULT, find_model

__all__ = ["command"]


@click.command(
    "export",
    epilog="""\b
Examples:
  valence export ./my-model
  valence export ./my-model --precision int8 --sample dev.tsv
""",
)
@click.argument("model")
@click.option(
    "--precision",
    type=click.Choice(["fp32", "int8"]),
    default="fp32",
    show_default=True,
    help="Of the products with weights. int8 is a quarter of the size.",
)
@click.option("--sample", type=click.Path(path_type=Path), help="Texts to compare the engine with its source on.")
@click.option("--text-column", help="The column of the texts in --sample.  [default: guessed from the header]")
@click.option("--allow-disagreement", is_flag=True, help="Keep the engine even if it agrees too little.")
@click.option("--json", "as_json", is_flag=True, help="Print what the manifest says of the engine.")
def command(
    model: str,
    precision: Any,
    sample: Path | None,
    text_column: str | None,
    allow_disagreement: bool,
    as_json: bool,
) -> None:
    """Write the checkpoint in the folder MODEL as an ONNX engine, which then runs by default.

    The engine is compared with its source in fp32 before it is kept, and onnx/manifest.json says how well
    the two agree.
    """
    if any(find_spec(package) is None for package in ("torch", "safetensors", "onnx")):
        raise MissingExtraError("train", "Exporting")
    if model != DEFAULT and not Path(model).expanduser().is_dir():  # before anything is fetched
        raise InputError(f"{model}: export writes into a model folder; copy a hub model to one first")
    folder = find_model(model)
    texts = None
    if sample is not None:
        table = open_table(sample)
        columns = choose_columns(table, text_column, None, labelled=False)
        texts = [text for _, text, _ in read_texts(table, columns)]
    from valence.runtime.export.export import export_model

    export = export_model(folder, precision, texts, sample.name if sample else "built-in sentences", allow_disagreement)
    if as_json:
        echo_json(vars(export))
    else:
        click.echo(
            f"{folder.manifest_file.parent / export.file}: {export.bytes / 1e6:.1f} MB, agrees with its source on "
            f"{export.agreement['labels']:.2%} of {export.agreement['n_texts']:,} texts "
            f"({export.agreement['sample']}), largest difference in score {export.agreement['largest_difference']:.4f}"
        )
