"""Options that several commands share."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

__all__ = ["model_options"]

_Command = TypeVar("_Command", bound=Callable[..., Any])


def model_options(command: _Command) -> _Command:
    """Add the options that say how a model is loaded.

    Args:
        command: the function of a command; gets revision, engine, labels, max_length, long_text and threads.

    Returns:
        The function with the options.
    """
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
        command = option(command)
    return command
