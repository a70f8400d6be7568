"""Options that several commands share."""

import functools
from collections.abc import Callable
from typing import get_args

import click

from valence.data.labels import parse_label_names
from valence.reading import AGGREGATIONS, LONG_TEXTS, Aggregation, LongText, Reading
from valence.runtime.choice import EngineName
from valence.runtime.engine import Precision
from valence.runtime.load import Loading
from valence.runtime.registry import engine_names

__all__ = ["model_options"]

_Command = Callable[..., None]


def model_options(command: _Command) -> _Command:
    """Add the options that say how a model is loaded.

    Args:
        command: the function of a command; gets `revision`, and `loading`, a `valence.runtime.load.Loading`.

    Returns:
        The function with the options.
    """

    @functools.wraps(command)
    def with_options(
        revision: str | None,
        engine: EngineName,
        precision: Precision | None,
        labels: str | None,
        max_length: int | None,
        long_text: LongText,
        stride: int,
        aggregate: Aggregation,
        threads: int | None,
        **others: object,
    ) -> None:
        names = None if labels is None else parse_label_names(labels)
        loading = Loading(engine, precision, names, threads, Reading(max_length, long_text, stride, aggregate))
        command(revision=revision, loading=loading, **others)

    decorated: _Command = with_options
    for option in reversed(
        [
            click.option("--revision", help="Branch, tag or commit, for a hub id."),
            click.option(
                "--engine",
                type=click.Choice(engine_names()),
                default="auto",
                show_default=True,
                help="What runs it; `valence info MODEL` says what 'auto' chooses, and why.",
            ),
            click.option(
                "--precision",
                type=click.Choice(get_args(Precision)),
                help="fp32 or bf16 of the torch engine; int8 for what was exported so.  [default: bf16 on a GPU, fp32 "
                "on a CPU; an export as it is]",
            ),
            click.option("--labels", help="Class names instead of the model's own: A,B or a file of one name a line."),
            click.option("--max-length", type=int, help="Tokens read of a text.  [default: the model's limit]"),
            click.option(
                "--long-text",
                type=click.Choice(LONG_TEXTS),
                default="window",
                show_default=True,
                help="What to do with longer texts: read all of it in windows, leave out the end, or refuse.",
            ),
            click.option(
                "--stride",
                type=click.IntRange(0),
                default=0,
                show_default=True,
                help="Tokens that neighbouring windows share.",
            ),
            click.option(
                "--aggregate",
                type=click.Choice(AGGREGATIONS),
                default="mean",
                show_default=True,
                help="How windows become one answer: mean of the logits, highest score, or vote.",
            ),
            click.option(
                "--threads", type=click.IntRange(1), help="How many to use at most.  [default: one for each processor]"
            ),
        ]
    ):
        decorated = option(decorated)
    return decorated
