"""``crossward compare`` and ``crossward attack``: the experiments of a checkout; an installed package has none.

Not for: what is compared (``research.compare``) or attacked (``research.attacks``).
"""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from crossward.cli.common import APP, PATH, USAGE, CommandError, example, failing


def _in_checkout() -> None:
    if importlib.util.find_spec("research") is None:
        raise CommandError(
            "the experiments are part of the repository and not of the installed package: run this in a checkout, "
            "after `make install`",
            USAGE,
        )


def compare(
    quick: Annotated[bool, typer.Option("--quick", help="A small comparison: minutes on two cores.")] = False,
    methods: Annotated[
        str, typer.Option(metavar="A,B", help="Only these methods, comma-separated (default: all).")
    ] = "",
    seeds: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Seeds 0 to N-1 (default: as in the setting).")
    ] = None,
    hospitals: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Hospitals to partition the notes across (default: 4).")
    ] = None,
    rounds: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Local trainings of every hospital (default: as the setting)."),
    ] = None,
    ablations: Annotated[
        bool, typer.Option("--ablations", help="Also change one setting of the encrypted method at a time.")
    ] = False,
    no_attacks: Annotated[bool, typer.Option("--no-attacks", help="Skip leakage (saves minutes).")] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            click_type=PATH,
            metavar="FOLDER",
            help="Directory for results; an interrupted comparison in it is continued (default: in CROSSWARD_HOME).",
        ),
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A run-config key for all methods.")
    ] = None,
) -> int:
    """Train the same notes with the same steps by every method; show quality, leakage, bytes and seconds."""
    _in_checkout()
    from datetime import UTC, datetime

    from rich.console import Console

    with _comparing():
        from crossward.config.run_config import SECTIONS
        from crossward.config.settings import resolve_paths
        from crossward.launcher.overrides import app_defaults, read_overrides
        from crossward.machine.paths import home
        from research.compare.command import Wanted, chosen
        from research.compare.command import compare as compare_methods
        from research.compare.settings import FULL, QUICK, adjusted

        console = Console(width=None if Console().is_terminal else 200)
        wanted = Wanted(chosen(methods), ablations, not no_attacks)
        where = out or home() / "runs" / f"comparison-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
        defaults = app_defaults(APP)
        given = tuple(sorted(resolve_paths(SECTIONS.values(), read_overrides(set_ or [], defaults)).items()))
        setting = adjusted(
            QUICK if quick else FULL, seeds=seeds, hospitals=hospitals, rounds=rounds, given=given or None
        )
        compare_methods(setting, wanted, where.resolve(), defaults, console)
    return 0


@contextlib.contextmanager
def _comparing() -> Iterator[None]:
    from crossward.adapters import AdapterError
    from crossward.config.settings import SettingsError
    from crossward.evaluation.replay import EvaluationError  # first: it makes OpenMP wait passively
    from crossward.launcher.errors import LauncherError
    from crossward.machine.paths import PathError
    from data import DataError
    from research.compare.command import MethodError

    with (
        failing(MethodError, code=USAGE),
        failing(EvaluationError, AdapterError, DataError, SettingsError, LauncherError, PathError, OSError),
    ):
        yield


def attack(
    quick: Annotated[bool, typer.Option("--quick", help="Few victims and short trainings: minutes.")] = False,
    only: Annotated[str, typer.Option(metavar="A,B", help="Only these attacks, comma-separated (default: all).")] = "",
    json: Annotated[
        Path | None, typer.Option(click_type=PATH, metavar="FILE", help="Write scores and settings here.")
    ] = None,
    figures: Annotated[
        Path | None, typer.Option(click_type=PATH, metavar="FOLDER", help="Draw the figures here, as PNG.")
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Random seed of patients, victims and noise.")] = 0,
    rank: Annotated[int, typer.Option(metavar="R", help="LoRA's rank.")] = 8,
    scenario: Annotated[
        str, typer.Option(metavar="NAME", help="Runs that are attacked: 'horizontal' or 'vertical'.")
    ] = "horizontal",
) -> int:
    """Attack updates, sums and adapters, and measure what every observer gains over guessing.

    Exits with 1 when an attack did not reach its positive control.
    """
    _in_checkout()
    from research.attacks.suite import AttackError
    from research.attacks.suite import attack as attack_all

    with failing(AttackError, OSError, code=USAGE):
        return attack_all(only, quick, json, figures, seed, rank, scenario=scenario)


def add_to(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command(epilog=example("crossward compare --quick --methods fl,encrypted --ablations"))(compare)
    app.command(epilog=example("crossward attack --quick --only recovery,sums --json scores.json"))(attack)
