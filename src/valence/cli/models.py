"""valence models."""

from dataclasses import asdict

import click

from valence.cli.output import echo_json, one_line
from valence.hub import search_models

__all__ = ["command"]


@click.command(
    "models",
    epilog="""\b
Examples:
  valence models
  valence models sentiment --limit 5
  valence models sst-2 --json
""",
)
@click.argument("query", required=False)
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="The most to list.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
def command(query: str | None, limit: int, as_json: bool) -> None:
    """List text classifiers on the hub that valence can load, most downloaded first.

    QUERY is looked for in their ids. The last column says whether valence loads the weights, or runs an ONNX export
    ("onnx"), which classifies and does nothing else.
    """
    models = search_models(query, limit)
    if as_json:
        echo_json([asdict(model) for model in models])
        return
    if not models:
        click.echo("no such models", err=True)
    for model in models:
        figures = f"{model.downloads:,} downloads\t{model.likes:,} likes"
        click.echo(one_line(f"{model.id}\t{model.family or '-'}\t{figures}\t{model.runs_from}"))
