"""valence explain."""

import io
import logging
import os
import sys
from contextlib import nullcontext
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import get_args

import click

from valence.cli.options import model_options
from valence.cli.output import echo_json, one_line, require_writable, show_and_keep
from valence.cli.progress import progress_bars
from valence.data.lines import decode_lines
from valence.errors import EngineError, InputError, MissingExtraError
from valence.explain.attribution import Attribution, Method
from valence.explain.leave_one_out import leave_one_out
from valence.explain.page import render_page
from valence.explain.wording import decimals, sentences
from valence.files import write_text
from valence.folder import ModelFolder
from valence.hub import find_model
from valence.progress import OnProgress, silent
from valence.runtime.classifier import Classifier
from valence.runtime.load import Loading, load_with
from valence.text.tokenizer import Text

__all__ = ["command"]

_MOST_BYTES = 4_000_000  # of standard input: a million characters, which is as much as can be explained
_SHOWN_WORDS = 40
_BAR = 20
_STRONG, _WEAK = 0.5, 0.05  # of the strongest attribution: bold from the one on, plain below the other
_SHOWN_AFTER_SECONDS = 2.0  # shorter work needs no bar


@click.command(
    "explain",
    epilog="""\b
Examples:
  valence explain default "The film was good, but the plot is awful."
  valence explain default "Not bad at all" --target NEGATIVE --html page.html
  valence explain ./my-model - --json < review.txt
  valence explain ./my-model "Not bad at all" --method integrated-gradients
  valence explain ./my-pairs "It rained." --pair "The street is wet."

Leave-one-out runs on every engine and promises no sum. Integrated gradients need the model's
weights and the extra 'explain'; their sum is checked against the difference in score.
""",
)
@click.argument("model")
@click.argument("text")
@click.option("--pair", help="The second text, for a model that reads pairs.")
@click.option(
    "--method",
    type=click.Choice(get_args(Method)),
    default="leave-one-out",
    show_default=True,
    help="How attributions are found.",
)
@click.option("--target", metavar="LABEL", help="The class to explain.  [default: the one that is predicted]")
@model_options
@click.option("--html", "page", type=click.Path(path_type=Path), help="Write a page with the coloured text here.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    model: str,
    text: str,
    pair: str | None,
    method: Method,
    target: str | None,
    revision: str | None,
    loading: Loading,
    page: Path | None,
    as_json: bool,
) -> None:
    """Say which words of TEXT moved its score.

    MODEL is 'default', a folder or a hub id; TEXT is one text, or - for standard input.
    """
    if page is not None:
        require_writable(page)
    folder = find_model(model, revision, loading.engine, loading.precision)
    if method == "integrated-gradients":
        loading = _for_gradients(folder, loading)
    classifier = load_with(folder, loading)
    first = _standard_input() if text == "-" else text
    shown = progress_bars("explaining", _SHOWN_AFTER_SECONDS) if sys.stderr.isatty() else nullcontext(silent)
    with shown as on_progress:
        attribution = _explain(classifier, first if pair is None else (first, pair), method, target, on_progress)

    def show() -> None:
        if as_json:
            echo_json(attribution.as_json())
        else:
            _show(attribution, coloured=sys.stdout.isatty() and "NO_COLOR" not in os.environ)

    show_and_keep(show, page, lambda path: write_text(path, render_page(attribution)))
    if page is not None and not as_json:
        click.echo(f"\npage: {page}")


def _for_gradients(folder: ModelFolder, loading: Loading) -> Loading:
    """Ask for the engine that has gradients; refuse what it cannot do."""
    if loading.engine not in ("auto", "torch") or loading.precision not in (None, "fp32"):
        raise click.UsageError("integrated gradients are computed by the torch engine, in fp32")
    if not folder.weight_files:
        raise EngineError(
            f"{folder.name}: it holds {folder.what_it_holds}, and integrated gradients need the weights: "
            "use --method leave-one-out, or a folder with a checkpoint"
        )
    if find_spec("captum") is None or find_spec("torch") is None:
        raise MissingExtraError("explain", "Explaining with integrated gradients")
    return replace(loading, engine="torch", precision="fp32")


def _explain(
    classifier: Classifier, text: Text, method: Method, target: str | None, on_progress: OnProgress
) -> Attribution:
    if method == "leave-one-out":
        return leave_one_out(classifier, text, target, on_progress)
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # captum loads it; it talks of its fonts and folders
    from valence.explain.integrated_gradients import integrated_gradients

    return integrated_gradients(classifier, text, target, on_progress)


def _standard_input() -> str:
    """Read one text, without the end of its last line."""
    if sys.stdin is None:
        raise InputError("standard input is closed: give the text as an argument")
    if sys.stdin.isatty():
        click.echo("reading one text from the terminal; Ctrl-D ends", err=True)
    content = sys.stdin.buffer.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise InputError(f"standard input has more than {_MOST_BYTES:,} bytes: explain a part of it")
    text = "".join(line for _, line in decode_lines(io.BytesIO(content), "standard input"))
    return text.removesuffix("\n").removesuffix("\r")


def _show(attribution: Attribution, coloured: bool) -> None:
    for line in sentences(attribution):
        click.echo(one_line(line))
    if not attribution.words:
        click.echo("\nThe text has no words.")
        return
    click.echo()
    if coloured:
        for part in range(2 if isinstance(attribution.text, tuple) else 1):
            click.echo(_coloured_text(attribution, part))
        click.echo()
    strongest = sorted(range(len(attribution.words)), key=lambda number: -abs(attribution.words[number].attribution))
    shown = sorted(strongest[:_SHOWN_WORDS])
    places = decimals(attribution)
    figures = [f"{attribution.words[number].attribution:+.{places}f}" for number in shown]
    width = max(map(len, figures))
    for number, figure in zip(shown, figures, strict=True):
        word = attribution.words[number]
        strength = abs(word.attribution) / (attribution.strongest or 1.0)
        bar = ("+" if word.attribution > 0 else "-") * round(_BAR * strength)
        line = f"{figure:>{width}}  {bar:<{_BAR}}  "
        click.echo(line + _styled(one_line(word.text), word.attribution, strength, coloured))
    if weaker := len(attribution.words) - len(shown):
        click.echo(f"{weaker:,} weaker words are not shown; --json and --html have all")


def _coloured_text(attribution: Attribution, part: int) -> str:
    text = attribution.text if isinstance(attribution.text, str) else attribution.text[part]
    pieces: list[str] = []
    written = 0
    for word in attribution.words:
        if word.part == part:
            strength = abs(word.attribution) / (attribution.strongest or 1.0)
            pieces.append(one_line(text[written : word.start]))
            pieces.append(_styled(one_line(text[word.start : word.end]), word.attribution, strength, coloured=True))
            written = word.end
    return "".join([*pieces, one_line(text[written:])])


def _styled(text: str, attribution: float, strength: float, coloured: bool) -> str:
    if not coloured or strength < _WEAK:
        return text
    return click.style(text, fg="green" if attribution > 0 else "red", bold=strength >= _STRONG or None)
