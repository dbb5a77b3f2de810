"""The command ``crossward``: its subcommands, its exit codes, and how an error is shown.

Not for: what a command does (the modules beside this one).
"""

from __future__ import annotations

import contextlib
import inspect
import io
import sys
from collections.abc import Sequence
from typing import Annotated, get_type_hints

import click
import typer

from crossward.cli import (
    bases,
    data,
    deploy,
    evaluate,
    keys,
    ledger,
    members,
    personalise,
    predict,
    research,
    run,
    settings,
    watch,
)
from crossward.cli.common import INTERRUPTED, USAGE, CommandError, example

EXIT_CODES = (
    "Exit codes: 0 done; 1 failed, and one line on stderr says why and what to do; 2 wrong options or run config; "
    "130 interrupted (128 + N: ended by signal N)."
)

app = typer.Typer(
    add_completion=True,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=example('crossward run --run-config "strategy.num-versions=6"', EXIT_CODES),
)
for module in (
    run,
    evaluate,
    personalise,
    predict,
    watch,
    ledger,
    keys,
    members,
    data,
    bases,
    settings,
    deploy,
    research,
):
    module.add_to(app)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"crossward {version('crossward')}")
        raise typer.Exit


@app.callback()
def crossward(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Fine-tune one language model across hospitals without sharing a record."""


def build() -> click.Command:
    """The command of ``app`` with the meaning of its arguments: click 8.5 forgets those that typer 0.20 sets."""
    built = [typer.main.get_command(app)]
    for command in built:
        built += command.commands.values() if isinstance(command, click.Group) else ()
        hints = get_type_hints(inspect.unwrap(command.callback), include_extras=True) if command.callback else {}
        for argument in command.params:
            if isinstance(argument, click.Argument):
                argument.help = hints[str(argument.name)].__metadata__[0].help  # type: ignore[attr-defined,unused-ignore]
    return built[0]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code. ``argv`` defaults to the process's own arguments."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # names in letters that the terminal lacks
    try:
        code = build().main(None if argv is None else list(argv), prog_name="crossward", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError:
        return USAGE  # the help has been shown
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else "crossward"
        _complain(f"{path}: {error.format_message()} See `{path} --help`.")
        return USAGE
    except click.ClickException as error:
        _complain(error.format_message())
        return error.code if isinstance(error, CommandError) else error.exit_code
    except click.Abort:
        return INTERRUPTED
    return code if isinstance(code, int) else 0


def _complain(line: str) -> None:
    with contextlib.suppress(OSError):
        print(line, file=sys.stderr, flush=True)
