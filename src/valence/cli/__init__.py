"""The command line: one file per command, imported when it is called."""

import importlib
import io
import os
import sys
import warnings
from typing import TextIO

import click

from valence import __version__
from valence.errors import ValenceError

__all__ = ["main"]

# Command -> the module that holds it, and its line in `valence --help`.
_COMMANDS = {
    "classify": "Label texts from arguments, a file or standard input.",
    "train": "Fine-tune a classifier on labelled texts.",
    "evaluate": "Measure a classifier on labelled texts.",
    "calibrate": "Fit a temperature for a classifier's scores.",
    "compare": "Compare two classifiers on the same labelled texts.",
    "audit": "Probe a model for bias.",
    "card": "Write a model's card, or check its figures.",
    "explain": "Say which words of a text moved its score.",
    "fill-mask": "Find the words that fit where a text says [MASK].",
    "pseudo-log-likelihood": "Say how likely a raw model finds texts.",
    "next-sentence": "Say whether one text follows another.",
    "pretrain": "Train a raw model to guess hidden words.",
    "distill": "Teach a smaller model what a larger one says.",
    "export": "Write a model for a fast engine, in fp32 or int8.",
    "info": "Say what a model is, what runs it here, and why.",
    "bench": "Measure valence beside its peers.",
    "models": "List models on the hub that valence can load.",
}
_EXIT_ERROR = 1
_EXIT_INTERRUPTED = 130
_EXIT_BROKEN_PIPE = 141  # what a shell reports of a program that the signal SIGPIPE ended


class _ReaderGoneError(Exception):
    """The reader of our output has gone, as `| head` does."""


class _LazyGroup(click.Group):
    """Imports a command when it is called, so that a quick one stays quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"valence.cli.{cmd_name.replace('-', '_')}").command
        return command

    def invoke(self, ctx: click.Context) -> object:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:  # click would exit with 1
            raise _ReaderGoneError from None
        return result

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Every command has --help with examples. Models are 'default', a folder or a hub id.",
)
@click.version_option(__version__, prog_name="valence")
def cli() -> None:
    """Small, fast, audited English text classifiers.

    \b
    valence classify "Hello, my dog is cute"
    """  # noqa: D301 (click's mark for lines that are kept as they are)


def main() -> None:
    """Run the command line and exit."""
    warnings.showwarning = _show_warning
    if sys.stdout is None:
        _say("error: standard output is closed")
        sys.exit(_EXIT_ERROR)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")  # what comes in is UTF-8 everywhere, and so is what goes out
    try:
        code = cli.main(prog_name="valence", standalone_mode=False)
    except click.ClickException as problem:
        problem.show()
        code = problem.exit_code
    except (click.Abort, KeyboardInterrupt):
        _say("interrupted")
        code = _EXIT_INTERRUPTED
    except _ReaderGoneError:
        _discard_output()
        code = _EXIT_BROKEN_PIPE
    except ValenceError as problem:
        _say(f"error: {problem}")
        code = _EXIT_ERROR
    except OSError as problem:
        _say(f"error: {problem.filename or 'input or output'}: {problem.strerror or problem}")
        _discard_output()
        code = _EXIT_ERROR
    except MemoryError:
        _say("error: not enough memory")
        code = _EXIT_ERROR
    sys.exit(code if isinstance(code, int) else 0)


def _discard_output() -> None:
    """Let what is left in the buffer of standard output go nowhere, so that no second error comes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _say(message: str) -> None:
    click.echo(f"valence: {message}", err=True)


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Show our own warnings as a line; those of other packages say nothing to a user."""
    if category is UserWarning and f"{os.sep}valence{os.sep}" in filename:
        _say(f"warning: {message}")
