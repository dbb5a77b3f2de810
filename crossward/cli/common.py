"""What the commands share: types of arguments, exit codes, and how an expected error ends a command."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import click
import typer

from crossward.machine.paths import PathError, absolute

FAILED, USAGE, INTERRUPTED = 1, 2, 130  # exit codes
APP = Path(__file__).resolve().parents[2]  # the Flower app that this package is part of


class UserPath(click.Path):
    """A path of the command line, ``~`` expanded and made absolute from the working directory."""

    name = "path"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """The path as given, "~" expanded; an empty one is a usage error."""
        if not str(value):
            self.fail("an empty path", param, ctx)
        try:
            return absolute(value)
        except PathError as error:
            self.fail(str(error), param, ctx)


PATH = UserPath()
RunFolder = Annotated[Path, typer.Argument(click_type=PATH, metavar="RUN_FOLDER", help="The run's folder.")]
Key = Annotated[
    Path | None,
    typer.Option(
        "--key",
        click_type=PATH,
        metavar="FILE",
        help="The consortium's key file: opens a sealed adapter.",
    ),
]
PassphraseFile = Annotated[
    Path | None,
    typer.Option("--passphrase-file", click_type=PATH, metavar="FILE", help="The key file's passphrase, if any."),
]
Roster = Annotated[
    Path | None,
    typer.Option(
        "--roster",
        click_type=PATH,
        metavar="FILE",
        help="A hospital's roster file: checks versions that a committee opened. A simulation's own is found.",
    ),
]
RunConfig = Annotated[
    list[str] | None,
    typer.Option(
        "--run-config", metavar="'KEY=VALUE ...'|FILE.toml", help="Settings of the run; may be given more than once."
    ),
]


class CommandError(click.ClickException):
    """Ends a command with one line on stderr and an exit code."""

    def __init__(self, message: str, code: int = FAILED) -> None:
        context = click.get_current_context(silent=True)
        super().__init__(f"{context.command_path if context else 'crossward'}: {message}")
        self.code = code


@contextlib.contextmanager
def failing(*errors: type[Exception], code: int = FAILED) -> Iterator[None]:
    """Errors of these types end the command with their message and ``code``, without a traceback."""
    try:
        yield
    except errors as error:
        raise CommandError(str(error), code) from error


def example(command: str, *more: str) -> str:
    """The text at the end of a command's help."""
    return "\n\n".join([f"Example: [bold]{command}[/bold]", *more])


def say(line: str) -> None:
    """Print one line. The reader may have gone (``| head``): the work goes on."""
    with contextlib.suppress(OSError):
        print(line, flush=True)
