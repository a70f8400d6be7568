"""Options of the commands that read tables: which columns, and how the file is to be read."""

import functools
from collections.abc import Callable
from typing import get_args

import click

from valence.data.columns import ColumnNames
from valence.data.examples import Examples
from valence.data.soft_labels import SoftLabels
from valence.data.tables import Format, TableOptions

__all__ = ["data_options", "tell_columns"]

_Command = Callable[..., None]
_TEXT = click.option(
    "--text-column",
    help="The column of the texts, by name or number; several between commas are joined.  [default: guessed]",
)
_LABEL = click.option("--label-column", help="The column of the labels.  [default: guessed from the header]")
_PAIR = click.option("--pair-column", help="The column of the second text, if texts come in pairs.")
_READING = (
    click.option(
        "--format",
        "table_format",
        type=click.Choice(get_args(Format)),
        help="What the file is.  [default: by its ending, or for standard input by its start]",
    ),
    click.option(
        "--encoding", default="utf-8", show_default=True, help="Of text files: cp1252 (Windows, Excel), utf-16, …"
    ),
    click.option(
        "--delimiter", help="What divides columns: a character, or tab, comma, semicolon, pipe.  [default: found]"
    ),
    click.option("--no-header", is_flag=True, help="The first row is data; name columns by number, from 1."),
)


def data_options(labels: bool = True, pairs: bool = True) -> Callable[[_Command], _Command]:
    """Add the options that say how a table is read.

    Args:
        labels: whether the command reads labels.
        pairs: whether it reads pairs of texts.

    Returns:
        A decorator of the function of a command, which gets `columns` (`ColumnNames`) and `reading` (`TableOptions`).
    """
    options = [_TEXT, *([_LABEL] if labels else []), *([_PAIR] if pairs else []), *_READING]

    def decorate(command: _Command) -> _Command:
        @functools.wraps(command)
        def with_options(
            text_column: str | None,
            table_format: Format | None,
            encoding: str,
            delimiter: str | None,
            no_header: bool,
            label_column: str | None = None,
            pair_column: str | None = None,
            **others: object,
        ) -> None:
            command(
                columns=ColumnNames(text_column, label_column, pair_column),
                reading=TableOptions(table_format, encoding, delimiter, not no_header),
                **others,
            )

        decorated: _Command = with_options
        for option in reversed(options):
            decorated = option(decorated)
        return decorated

    return decorate


def tell_columns(examples: Examples | SoftLabels) -> None:
    """Say on standard error which columns of a data set were read.

    Args:
        examples: the data set.
    """
    click.echo(f"{examples.source.title}: {examples.columns}", err=True)
