"""valence next-sentence."""

from dataclasses import asdict

import click

from valence.cli.output import echo_json
from valence.runtime.load_raw import load_next_sentence

__all__ = ["command"]


@click.command(
    "next-sentence",
    epilog="""\b
Examples:
  valence next-sentence "It began to rain." "She opened her umbrella." --model bert-base-uncased
  valence next-sentence "It began to rain." "Lead melts at 328 degrees." --model ./my-bert --json
""",
)
@click.argument("first")
@click.argument("second")
@click.option("--model", default="bert-base-uncased", show_default=True, help="A raw BERT: a folder or a hub id.")
@click.option("--revision", help="Branch, tag or commit, for a hub id.")
@click.option("--threads", type=click.IntRange(1), help="How many to use at most.  [default: one for each processor]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(first: str, second: str, model: str, revision: str | None, threads: int | None, as_json: bool) -> None:
    """Say whether the text SECOND follows the text FIRST."""
    answer = load_next_sentence(model, revision=revision, threads=threads)(first, second)
    if as_json:
        echo_json(asdict(answer))
    else:
        click.echo(f"{'follows' if answer.is_next else 'does not follow'}\t{answer.probability:.4f}")
