"""valence pseudo-log-likelihood."""

import sys

import click

from valence.cli.output import echo_json, one_line
from valence.data.lines import decode_lines
from valence.runtime.load_raw import load_masked_lm

__all__ = ["command"]


@click.command(
    "pseudo-log-likelihood",
    epilog="""\b
Examples:
  valence pseudo-log-likelihood "The film was good." "The film was dog." --model ./raw-model
  valence pseudo-log-likelihood --model ./raw-model < sentences.txt
  valence pseudo-log-likelihood "She is a nurse." "He is a nurse." --model ./raw-model --json
""",
)
@click.argument("texts", nargs=-1)
@click.option("--model", default="distilbert-base-uncased", show_default=True, help="A raw model: folder or hub id.")
@click.option("--revision", help="Branch, tag or commit, for a hub id.")
@click.option("--threads", type=click.IntRange(1), help="How many to use at most.  [default: one for each processor]")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
def command(texts: tuple[str, ...], model: str, revision: str | None, threads: int | None, as_json: bool) -> None:
    """Say how likely a raw model finds each of TEXTS: each token is masked in turn, and the logarithms are added.

    Without TEXTS the lines of standard input are read. Only texts of about the same length can be compared.
    """
    if not texts:
        lines = decode_lines(sys.stdin.buffer, "standard input")
        texts = tuple(line.removesuffix("\n").removesuffix("\r") for _, line in lines)
    filler = load_masked_lm(model, revision=revision, threads=threads)
    scores = filler.pseudo_log_likelihood(texts)
    if as_json:
        rows = zip(texts, scores, strict=True)
        echo_json([{"text": text, "pseudo_log_likelihood": score} for text, score in rows])
    else:
        for text, score in zip(texts, scores, strict=True):
            click.echo(f"{score:.4f}\t{one_line(text)}")
