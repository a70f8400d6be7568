"""valence classify."""

import os
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict
from itertools import tee
from pathlib import Path

import click

from valence.cli.data_options import data_options
from valence.cli.live_lines import LiveLines
from valence.cli.options import model_options
from valence.cli.output import json_line, one_line
from valence.cli.progress import progress_count
from valence.data.columns import ColumnNames, choose_columns
from valence.data.examples import read_texts
from valence.data.lines import decode_lines, warn_of_returns
from valence.data.sources import STANDARD_INPUT, find_source
from valence.data.tables import TableOptions, looks_like_a_header
from valence.errors import DataError, InputError
from valence.hub import DEFAULT, find_model
from valence.reading import Text
from valence.runtime.classifier import Classifier, Prediction
from valence.runtime.load import Loading, load_with

__all__ = ["command"]

_WINDOW_TEXTS = 2048
_COLOURS = ("red", "green", "blue", "magenta", "cyan", "yellow")
_UNCLEAR, _UNCLEAR_COLOUR = "unclear", "yellow"
_CLEAR_FROM = 2 / 3  # of two classes; the other then has a third


@click.command(
    "classify",
    epilog="""\b
Examples:
  valence classify "Hello, my dog is cute"
  valence classify --file reviews.csv --text-column body --json > labels.jsonl
  cat reviews.txt | valence classify | cut -f 1 | sort | uniq -c
  valence classify --model ./my-model "Stocks fell sharply on Monday"
  valence classify -- "-1 for the sound"      # a text that starts with a dash

On a terminal a text whose two classes both score between 1/3 and 2/3 is "unclear".
Without a terminal, one line per text: label, score, text, divided by tabs; line ends
and other controls within a text are written out, such as \\n. --json is lossless.
""",
)
@click.argument("texts", nargs=-1, metavar="[TEXT]...")
@click.option("--model", "-m", default=DEFAULT, show_default=True, help="'default', a folder or a hub id.")
@click.option("--file", "-f", "file", help="A CSV, TSV, JSON, Parquet or TXT, or - for a table on standard input.")
@data_options(labels=False)
@model_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per text.")
def command(
    texts: tuple[str, ...],
    model: str,
    file: str | None,
    columns: ColumnNames,
    reading: TableOptions,
    revision: str | None,
    loading: Loading,
    as_json: bool,
) -> None:
    """Label each TEXT, or the texts of a file, or those of standard input, one a line.

    One text in, one line out, in order; an empty text is classified like any other.
    """
    if texts and file is not None:
        raise click.UsageError("give texts or --file, not both")
    if file is None and (columns, reading) != (ColumnNames(), TableOptions()):
        raise click.UsageError("--text-column, --encoding and other options of tables go with --file")
    classifier = load_with(find_model(model, revision, loading.engine, loading.precision), loading)
    if texts:
        answers = _in_windows(classifier, iter([list(texts)]))
    elif file is not None:
        answers = _of_file(classifier, _file_texts(file, columns, reading))
    else:
        answers = _in_windows(classifier, _live_windows())
    on_terminal = sys.stdout.isatty() and not as_json
    unclear_below = _CLEAR_FROM if on_terminal and _has_two_classes(classifier) else 0.0
    colours = on_terminal and "NO_COLOR" not in os.environ
    unknown, separators = 0, classifier.tokenizer.separators
    for text, prediction in answers:
        note = _unknown_note(text, prediction, separators)
        unknown += bool(note)
        if as_json:
            line = _as_json(text, prediction)
        else:
            line = _as_line(text, prediction, note, classifier.labels, on_terminal, colours, unclear_below)
        sys.stdout.write(line + "\n")
    if unknown and not on_terminal:  # there each line says it
        warnings.warn(
            f"{unknown:,} {'text is' if unknown == 1 else 'texts are'} mostly made of what the model does not know, "
            "such as emoji: such a label means little (n_unknown with --json)",
            stacklevel=1,
        )


def _unknown_note(text: Text, prediction: Prediction, separators: int) -> str:
    """Say so of a text that is mostly made of what the model does not know."""
    own = prediction.n_tokens - (2 if isinstance(text, str) else 2 + separators)  # without special tokens
    return f"  ({prediction.n_unknown} of {own} tokens unknown)" if 2 * prediction.n_unknown > own else ""


def _of_file(classifier: Classifier, texts: Iterator[Text]) -> Iterator[tuple[Text, Prediction]]:
    """Stream the texts of a file, in flat memory."""
    ours, theirs = tee(texts)
    predictions = classifier.stream(theirs)
    with progress_count("classifying", "texts") as on_progress:
        for number, prediction in enumerate(predictions, start=1):  # first: it meets an error in the file before we do
            yield next(ours), prediction
            on_progress(number, 0)


def _in_windows(classifier: Classifier, windows: Iterator[list[Text]]) -> Iterator[tuple[Text, Prediction]]:
    """Answer each window as it comes; of a window with a text that is refused, those before it."""
    done = 0
    for window in windows:
        try:
            yield from zip(window, classifier.stream(window), strict=True)
        except InputError as problem:
            if problem.index is None:
                raise
            raise InputError(problem.message, done + problem.index) from None  # counted from the start of the input
        sys.stdout.flush()
        done += len(window)


def _as_json(text: Text, prediction: Prediction) -> str:
    written: dict[str, object] = {
        "text": text,
        "label": prediction.label,
        "score": prediction.score,
        "scores": prediction.scores,
        "n_tokens": prediction.n_tokens,
        "n_unknown": prediction.n_unknown,
        "truncated": prediction.truncated,
    }
    if prediction.windows is not None:
        written["windows"] = [asdict(window) for window in prediction.windows]
    return json_line(written)


def _has_two_classes(classifier: Classifier) -> bool:
    return len(classifier.labels) == 2 and classifier.problem_type in (None, "single_label_classification")


def _as_line(
    text: Text,
    prediction: Prediction,
    unknown: str,
    labels: tuple[str, ...],
    on_terminal: bool,
    colours: bool,
    unclear_below: float,
) -> str:
    written = one_line(text if isinstance(text, str) else "\t".join(text))
    label = one_line(prediction.label)
    if not on_terminal:
        return f"{label}\t{prediction.score:.6f}\t{written}"
    width = max(map(len, (*labels, _UNCLEAR) if unclear_below else labels))
    note = "  (truncated)" if prediction.truncated else ""
    if prediction.windows is not None:
        note = f"  ({len(prediction.windows)} windows)"
    note += unknown
    colour = _COLOURS[labels.index(prediction.label) % len(_COLOURS)]
    if prediction.score < unclear_below:
        label, colour = _UNCLEAR, _UNCLEAR_COLOUR
    label = label.ljust(width)
    if colours:
        label = click.style(label, fg=colour, bold=True)
    return f"{label}  {prediction.score:.4f}  {written}{note}"


def _file_texts(name: str, wanted: ColumnNames, reading: TableOptions) -> Iterator[Text]:
    if name != STANDARD_INPUT and Path(name).expanduser().is_dir():
        raise DataError("a folder: expected a file", name)
    source = find_source(name, "eval", reading)
    for table in source.tables():
        columns = choose_columns(table, wanted, labelled=False)
        if columns.unread or (wanted.text is None and not columns.is_plain):
            click.echo(f"{source.title}: {columns}", err=True)
        for _, text, _ in read_texts(table, columns):
            yield text


def _live_windows() -> Iterator[list[Text]]:
    """Read standard input; never wait for more lines while some are there, so a slow stream is answered at once."""
    if sys.stdin is None:
        raise InputError("standard input is closed: give texts or --file")
    if sys.stdin.isatty():
        click.echo("reading from the terminal, one text a line; Ctrl-D ends", err=True)
    lines = LiveLines(sys.stdin.fileno())
    numbered = _warn_of_a_table(warn_of_returns(decode_lines(lines, "standard input"), "standard input"))
    texts = (line.removesuffix("\n").removesuffix("\r") for _, line in numbered)
    return _windows(texts, lines.must_wait)


def _warn_of_a_table(lines: Iterator[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    for number, line in lines:
        if number == 1 and looks_like_a_header(line):
            warnings.warn(
                "standard input looks like a table, and each of its lines is read as a text: to read a table, say "
                "--file -",
                stacklevel=2,
            )
        yield number, line


def _windows(texts: Iterator[Text], must_wait: Callable[[], bool] = lambda: False) -> Iterator[list[Text]]:
    """Group texts; a group ends early where the next text would have to be waited for, or cannot be read."""
    window: list[Text] = []
    try:
        for text in texts:
            window.append(text)
            if len(window) == _WINDOW_TEXTS or must_wait():
                yield window
                window = []
    except DataError:
        if window:
            yield window
        raise
    if window:
        yield window
