"""Options that several commands share."""

import functools
from collections.abc import Callable
from typing import Any

import click

from valence.data.labels import parse_label_names

__all__ = ["model_options"]

_Command = Callable[..., None]


def model_options(command: _Command) -> _Command:
    """Add the options that say how a model is loaded.

    Args:
        command: the function of a command; gets `revision`, and as `loading` the keyword arguments of
            `valence.runtime.load.load_folder`.

    Returns:
        The function with the options.
    """

    @functools.wraps(command)
    def with_options(
        revision: str | None,
        engine: str | None,
        labels: str | None,
        max_length: int | None,
        long_text: str,
        threads: int | None,
        **others: Any,
    ) -> None:
        loading = {
            "engine": engine,
            "labels": None if labels is None else parse_label_names(labels),
            "max_length": max_length,
            "long_text": long_text,
            "threads": threads,
        }
        command(revision=revision, loading=loading, **others)

    decorated: _Command = with_options
    for option in reversed(
        [
            click.option("--revision", help="Branch, tag or commit, for a hub id."),
            click.option(
                "--engine",
                type=click.Choice(["onnx", "torch"]),
                help="What runs it.  [default: the model's export, else torch]",
            ),
            click.option("--labels", help="Class names instead of the model's own: A,B or a file of one name a line."),
            click.option("--max-length", type=int, help="Tokens read of a text.  [default: the model's limit]"),
            click.option(
                "--long-text",
                type=click.Choice(["truncate", "error"]),
                default="truncate",
                show_default=True,
                help="What to do with longer texts.",
            ),
            click.option("--threads", type=click.IntRange(1), help="For the ONNX engine.  [default: its own choice]"),
        ]
    ):
        decorated = option(decorated)
    return decorated
