"""``crossward personalise``: a hospital's personal adapter, made of a run's global adapter and its own notes.

Not for: the end of a run, where every node makes one by itself (``personal.method``).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from crossward.cli.common import PATH, Key, PassphraseFile, Roster, example, failing, say
from crossward.cli.evaluate import StateDir, Version, failing_evaluation


def personalise(
    source: Annotated[
        Path,
        typer.Argument(click_type=PATH, metavar="FOLDER", help="The run's folder, or one that `export` wrote."),
    ],
    out: Annotated[Path, typer.Option(click_type=PATH, metavar="FOLDER", help="The PEFT folder to write.")],
    key: Key = None,
    passphrase_file: PassphraseFile = None,
    roster: Roster = None,
    version: Version = None,
    notes: Annotated[str, typer.Option(metavar="NAME=PATH", help="The hospital's name and its own notes.")] = "",
    site: Annotated[str, typer.Option(metavar="NAME", help="Which hospital of the run's own notes.")] = "",
    state_dir: StateDir = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Another setting than the run's, such as personal.steps."),
    ] = None,
) -> int:
    """Make a hospital's personal adapter of a global one, on its own notes."""
    with failing_evaluation():
        from rich.console import Console

        from client_app.training.loop import TrainingError
        from crossward.evaluation.export import check_free
        from crossward.evaluation.personalise import Wanted, personalise, write_made
        from crossward.report.joining.table import print_joining

        check_free(out)
        wanted = Wanted(
            source=source.resolve(),
            key=key,
            passphrase_file=passphrase_file,
            roster=roster,
            version=version,
            set=tuple(set_ or ()),
            notes=notes,
            site=site,
            state_dir=state_dir,
        )
        with failing(TrainingError):
            made = personalise(wanted, say)
        print_joining(Console(width=None if Console().is_terminal else 160), [made.joining])
        write_made(made, out)
        say(f"\nPEFT adapter: {out}")
    return 0


def add_to(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    command = "crossward personalise runs/20261130T082138Z-91350b --key a.key --notes Ward=notes.csv --out mine"
    app.command(epilog=example(command))(personalise)
