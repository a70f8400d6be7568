"""valence fill-mask."""

from dataclasses import asdict

import click

from valence.cli.output import echo_json, one_line
from valence.data.labels import parse_label_names
from valence.runtime.load_raw import load_masked_lm

__all__ = ["command"]


@click.command(
    "fill-mask",
    epilog="""\b
Examples:
  valence fill-mask "This film was [MASK]." --model distilbert-base-uncased
  valence fill-mask "Paris is the [MASK] of [MASK]." --model ./raw-model --top-k 3
  valence fill-mask "[MASK] is a nurse." --model ./raw-model --candidates he,she --json
""",
)
@click.argument("text")
@click.option(
    "--model", default="distilbert-base-uncased", show_default=True, help="A raw model: a folder or a hub id."
)
@click.option("--top-k", type=click.IntRange(1), default=5, show_default=True, help="Words for each [MASK].")
@click.option("--candidates", help="Consider these words alone: A,B or a file of one word a line.")
@click.option("--revision", help="Branch, tag or commit, for a hub id.")
@click.option("--threads", type=click.IntRange(1), help="How many to use at most.  [default: one for each processor]")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
def command(
    text: str,
    model: str,
    top_k: int,
    candidates: str | None,
    revision: str | None,
    threads: int | None,
    as_json: bool,
) -> None:
    """Find the words that fit where TEXT says [MASK], most likely first.

    What the model calls it itself, such as <mask>, will do as well.
    """
    words = None if candidates is None else parse_label_names(candidates)
    filler = load_masked_lm(model, revision=revision, threads=threads)
    fills = filler.fill(text, top_k, words)
    if as_json:
        echo_json([asdict(fill) for fill in fills])
        return
    several = fills[-1].mask > 0
    for fill in fills:
        place = f"{fill.mask}\t" if several else ""
        click.echo(f"{place}{fill.score:.4f}\t{one_line(fill.token)}\t{one_line(fill.text)}")
