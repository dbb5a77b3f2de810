"""``crossward data profile``: whether a consortium's notes fit together, by sums that are opened once.

Not for: one hospital's own notes (``crossward data check``).
"""

from __future__ import annotations

import json as json_
from pathlib import Path
from typing import Annotated

import typer

from crossward.cli.common import APP, PATH, USAGE, CommandError, Key, PassphraseFile, Roster, RunConfig, example, say

Folder = Annotated[
    Path | None,
    typer.Argument(
        click_type=PATH,
        metavar="[RUN_FOLDER]",
        help="A profile run, to be opened; without one, a profile is made of simulated hospitals.",
        show_default=False,
    ),
]


def profile(
    folder: Folder = None,
    key: Key = None,
    passphrase_file: PassphraseFile = None,
    roster: Roster = None,
    run_config: RunConfig = None,
    num_supernodes: Annotated[int, typer.Option(min=1, metavar="N", help="Simulated hospitals.")] = 4,
    json: Annotated[bool, typer.Option("--json", help="Print the profile as JSON.")] = False,
) -> int:
    """Show whether hospitals fit together: notes by category, label and length, summed under encryption.

    A deployment makes a profile by a run with run.profile = true and strategy.min-nodes = the number of hospitals.
    """
    if folder is None:
        return _simulate(run_config or [], num_supernodes)
    if run_config:
        raise CommandError("--run-config is for a new profile; that of RUN_FOLDER has its settings", USAGE)
    from crossward.cli.evaluate import failing_evaluation

    with failing_evaluation():
        from rich.console import Console

        from crossward.evaluation.profile import keep, opened_profile
        from crossward.evaluation.replay import open_run
        from crossward.launcher.views import redraw_report
        from crossward.report.profile.lines import print_profile

        found = opened_profile(open_run(folder), key, passphrase_file, roster)
        keep(folder, found)
        if json:
            say(json_.dumps(found.to_json(), indent=2))
        else:
            print_profile(Console(width=None if Console().is_terminal else 120, highlight=False), found)
        if problem := redraw_report(folder):
            say(f"the report could not be redrawn with the profile: {problem}")
    return 0


def _simulate(run_config: list[str], hospitals: int) -> int:
    """A profile run of simulated hospitals; its launcher calls this command again, to open it."""
    from crossward.cli.run import launch
    from crossward.launcher.options import Options

    own = f"run.profile=true strategy.min-nodes={hospitals}"
    return launch(
        Options(app=APP, runs_dir=APP / "runs", run_config=(*run_config, own), num_supernodes=hospitals, evaluate=True)
    )


def add_to(data: typer.Typer) -> None:
    """Add the command to those of ``crossward data``."""
    data.command(epilog=example("crossward data profile runs/20261130T082138Z-91350b --key consortium.key"))(profile)
