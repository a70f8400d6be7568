"""The command line: one file per command, imported when it is called."""

import importlib
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
    "classify": "Label texts from the arguments, a file or standard input.",
    "train": "Fine-tune a classifier on labelled texts.",
    "evaluate": "Measure a classifier on labelled texts.",
    "export": "Write a model as an ONNX engine.",
    "models": "List models on the hub that valence can load.",
}
_EXIT_ERROR = 1
_EXIT_INTERRUPTED = 130
_EXIT_BROKEN_PIPE = 141


class _LazyGroup(click.Group):
    """Imports a command when it is called, so that a quick one stays quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"valence.cli.{cmd_name}").command
        return command

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
    """


def main() -> None:
    """Run the command line and exit."""
    warnings.showwarning = _show_warning
    try:
        code = cli.main(prog_name="valence", standalone_mode=False)
    except click.ClickException as problem:
        problem.show()
        code = problem.exit_code
    except click.Abort:
        _say("interrupted")
        code = _EXIT_INTERRUPTED
    except KeyboardInterrupt:
        _say("interrupted")
        code = _EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader has gone, as `| head` does: not an error of ours, and nothing to say.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = _EXIT_BROKEN_PIPE
    except ValenceError as problem:
        _say(f"error: {problem}")
        code = _EXIT_ERROR
    sys.exit(code if isinstance(code, int) else 0)


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


