"""``crossward predict``: predictions of a vertical run's models, at the party that has them.

Not for: measuring them (``crossward evaluate``).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import click
import typer

from crossward.cli.common import PATH, example, failing, say

_KINDS = ("joint", "distilled", "alone")


def predict(
    folder: Annotated[
        Path,
        typer.Argument(
            click_type=PATH, metavar="FOLDER", help="A simulation's run folder, or a party's own: state-dir/LINEAGE."
        ),
    ],
    out: Annotated[Path, typer.Option(click_type=PATH, metavar="FILE.csv", help="Where to write one row a patient.")],
    model: Annotated[
        str, typer.Option(click_type=click.Choice(_KINDS), help="Which model of the party.")
    ] = "distilled",
    party: Annotated[str, typer.Option(metavar="NAME", help="Which party of a simulation.")] = "",
    party_path: Annotated[
        Path | None,
        typer.Option(click_type=PATH, metavar="party.toml", help="The patients (default: those of a simulation)."),
    ] = None,
    without: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Predict without this party, which has left.")
    ] = None,
    state_dir: Annotated[
        Path | None,
        typer.Option(click_type=PATH, metavar="DIR", help="Where a simulation's parties keep their state."),
    ] = None,
) -> int:
    """Predict the outcome of a party's patients with a model of a vertical run."""
    from crossward.config.settings import SettingsError
    from crossward.evaluation.replay import EvaluationError
    from crossward.evaluation.vertical import predict as predicting
    from crossward.machine.paths import PathError
    from data import DataError

    with failing(EvaluationError, DataError, SettingsError, PathError, OSError):
        found = predicting.predict(predicting.open_folder(folder, party, party_path, state_dir), model, without or ())
        predicting.write(found, out)
    say(f"{out}: {len(found.patients)} patients, mean probability {found.probabilities.mean():.3f}")
    return 0


def add_to(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command(
        epilog=example("crossward predict runs/20261130T082138Z-91350b --party Laboratory --out predictions.csv")
    )(predict)
