"""``crossward evaluate`` and ``crossward export``: a run's global adapter, measured or written as a PEFT folder.

Evaluation reads the run folder and checks its ledger; replays its versions into the adapter, with the consortium's key
if they are sealed and the hospitals' roster if a committee opened them; writes it as a PEFT folder; measures untuned
base, global adapter, every hospital's own adapter where its state folder is on this machine, and on request a centrally
trained one, at every hospital; prints the table and a few generations; writes ``evaluation.json``.

Not for: the attack suite or the comparison of methods (``crossward.cli.research``).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import click
import typer

from crossward.cli.common import PATH, Key, PassphraseFile, Roster, RunFolder, example, failing, say

Version = Annotated[int | None, typer.Option("--version", metavar="V", help="This version (default: the last).")]


StateDir = Annotated[
    Path | None,
    typer.Option(
        "--state-dir", click_type=PATH, metavar="DIR", help="Where the hospital's node keeps its state (state-dir)."
    ),
]


@contextlib.contextmanager
def failing_evaluation() -> Iterator[None]:
    """What may go wrong with a run, its notes or its adapter ends the command with one line."""
    from crossward.adapters.lazy_imports import no_collection

    with no_collection():
        from crossward.adapters import AdapterError
        from crossward.config.settings import SettingsError
        from crossward.encryption.key_format import KeyFileError
        from crossward.evaluation.replay import EvaluationError
        from crossward.machine.paths import PathError
        from data import DataError

    with failing(EvaluationError, AdapterError, DataError, KeyFileError, SettingsError, PathError):
        yield


def evaluate(
    folder: RunFolder,
    key: Key = None,
    passphrase_file: PassphraseFile = None,
    roster: Roster = None,
    version: Version = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Another setting than the run's, such as data.path."),
    ] = None,
    sites: Annotated[
        int | None,
        typer.Option(metavar="N", help="Hospitals to partition the notes into (default: as in the run)."),
    ] = None,
    notes: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=PATH", help="A hospital's own notes to measure on; once for each hospital."),
    ] = None,
    centralised: Annotated[
        bool, typer.Option("--centralised", help="Also train on all notes in one place, with as many steps in all.")
    ] = False,
    at_home: Annotated[
        bool,
        typer.Option("--at-home", help="Measure a hospital's own adapters on its own notes only, which is faster."),
    ] = False,
    generations: Annotated[int, typer.Option(metavar="N", help="Continuations to print side by side.")] = 2,
    adapter: Annotated[
        Path | None,
        typer.Option(click_type=PATH, metavar="FOLDER", help="Where to write the PEFT folder (default: in the run)."),
    ] = None,
    state_dir: StateDir = None,
) -> int:
    """Measure a run's adapters on held-out notes; write the global one as a PEFT folder."""
    with failing_evaluation():
        from crossward.evaluation.vertical.opened import is_vertical

        if is_vertical(folder):
            from rich.console import Console

            from crossward.evaluation.vertical.report import evaluate_vertical

            evaluate_vertical(folder, state_dir, say, Console(width=None if Console().is_terminal else 160))
            _redraw(folder)
            return 0
        from crossward.evaluation.report import Wanted, evaluate

        evaluate(
            Wanted(
                run=folder,
                key=key,
                passphrase_file=passphrase_file,
                roster=roster,
                version=version,
                set=(*(set_ or ()), *([f"run.state-dir={state_dir}"] if state_dir is not None else [])),
                sites=sites,
                notes=tuple(notes or ()),
                centralised=centralised,
                generations=generations,
                adapter=adapter,
                at_home=at_home,
            )
        )
        _redraw(folder)
    return 0


def _redraw(folder: Path) -> None:
    """Draw the run's report again, with what the evaluation has found."""
    from crossward.launcher.views import redraw_report

    if problem := redraw_report(folder):
        say(f"the report could not be redrawn with the evaluation's figures: {problem}")


def export(
    folder: RunFolder,
    out: Annotated[Path, typer.Option(click_type=PATH, metavar="FOLDER", help="The PEFT folder to write.")],
    key: Key = None,
    passphrase_file: PassphraseFile = None,
    roster: Roster = None,
    version: Version = None,
    which: Annotated[
        str, typer.Option(click_type=click.Choice(["global", "alone", "personal"]), help="Which adapter.")
    ] = "global",
    site: Annotated[str, typer.Option(metavar="NAME", help="Whose adapter, alone or personal.")] = "",
    state_dir: StateDir = None,
) -> int:
    """Write an adapter of a run as a PEFT folder with tokenizer and model card."""
    with failing_evaluation():
        from crossward.evaluation.export import export
        from crossward.evaluation.replay import open_run

        run = open_run(folder)
        if state_dir is not None:
            run = replace(run, config=replace(run.config, run=replace(run.config.run, state=str(state_dir))))
        say(str(export(run, out, key, passphrase_file, version, roster, which, site)))
    return 0


def add_to(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command(epilog=example("crossward evaluate runs/20261130T082138Z-91350b --key consortium.key"))(evaluate)
    app.command(epilog=example("crossward export runs/20261130T082138Z-91350b --out adapter --key consortium.key"))(
        export
    )
