"""``crossward data``: write made-up notes, or check what a hospital's own notes come to.

Not for: reading notes (``data``).
"""

from __future__ import annotations

import json as json_
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crossward.cli.common import PATH, USAGE, CommandError, RunConfig, example, failing, say

if TYPE_CHECKING:
    from data.check import Findings, Part


class Form(StrEnum):
    """What made-up hospitals are written as (``data.synthetic.forms.entries``, which takes long to import)."""

    mimic_iii = "mimic-iii"
    mimic_iv = "mimic-iv"
    omop = "omop"
    fhir = "fhir"
    i2b2 = "i2b2"
    text = "text"
    csv = "csv"


data = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")


@data.command(epilog=example("crossward data make --form mimic-iii --out /tmp/mimic --patients 1000"))
def make(
    out: Annotated[Path, typer.Option(click_type=PATH, metavar="FOLDER", help="The folder to write into.")],
    form: Annotated[
        list[Form] | None, typer.Option(help="Tables of MIMIC or OMOP, FHIR, i2b2's XML, ...", show_default="mimic-iii")
    ] = None,
    hospitals: Annotated[int, typer.Option(min=1, metavar="N", help="How many.")] = 4,
    patients: Annotated[int, typer.Option(metavar="N", help="Of all hospitals together.")] = 600,
    seed: Annotated[int, typer.Option(metavar="N", help="Random seed.")] = 0,
    megabytes: Annotated[
        int, typer.Option(min=0, metavar="N", help="Size of NOTEEVENTS, in place of --patients.", show_default=False)
    ] = 0,
    gzip: Annotated[bool, typer.Option("--gzip", help="Write gzipped files.")] = False,
    parquet: Annotated[bool, typer.Option("--parquet", help="Write Parquet (omop).")] = False,
    split: Annotated[bool, typer.Option("--split", help="One folder for each hospital.")] = False,
) -> int:
    """Write made-up hospitals, as the systems of real ones export notes.

    The same options make the same patients and notes, whatever the form; a notes.toml beside them says what they are.
    --split writes a folder for each hospital; with several --form they take turns. --megabytes writes until the table
    of notes is about that large (MIMIC-III, in one folder), reusing note bodies for speed.
    """
    from data.synthetic.command import MakeError, write
    from data.synthetic.forms.packing import Packing

    if gzip and parquet:
        raise CommandError("--gzip and --parquet exclude each other: Parquet is compressed already", USAGE)
    packing = Packing.gzip if gzip else Packing.parquet if parquet else Packing.plain
    forms = [one.value for one in form or [Form.mimic_iii]]
    with failing(MakeError, code=USAGE):
        write(forms, out, hospitals, patients, seed, megabytes, packing, split, say)
    return 0


@data.command(epilog=example("crossward data check notes.csv --run-config 'data.source=csv data.text-column=note'"))
def check(
    path: Annotated[
        Path | None,
        typer.Argument(click_type=PATH, metavar="[PATH]", help="The notes, in place of data.path.", show_default=False),
    ] = None,
    run_config: RunConfig = None,
    hospital: Annotated[
        Path | None,
        typer.Option(click_type=PATH, metavar="hospital.toml", help="Read as this node would, by its node config."),
    ] = None,
    hospitals: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Partition the notes across N simulated hospitals.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> int:
    """Read a hospital's notes and show what was read, kept and held out. Prints no note.

    Exits with 0 where the notes can be used, with 1 and the reason where they cannot.
    """
    with failing(*_settings_errors(), code=USAGE):
        config = _config(path, run_config or [], hospital)
    if config.source == "synthetic" and hospitals is None:
        hospitals = 4
    from data.check import check_notes
    from data.errors import DataError

    with failing(DataError):
        found = check_notes(config, hospitals)
    if json:
        say(json_.dumps(found.to_json(), indent=2))
    else:
        _print(found, config)
    return 0


def _settings_errors() -> tuple[type[Exception], ...]:
    from crossward.config.settings import SettingsError
    from crossward.deploy.errors import DeployError
    from crossward.launcher.errors import LauncherError
    from data.errors import DataError

    return SettingsError, LauncherError, DeployError, DataError


def _config(path: Path | None, run_config: list[str], hospital: Path | None) -> Any:
    from crossward.config.node_config import NodeConfig
    from crossward.config.run_config import DEFAULTS, ON_A_NODE, RUN_CONFIG, SECTIONS
    from crossward.config.run_config import RunConfig as Config
    from crossward.config.settings import resolve_paths
    from crossward.launcher.overrides import read_overrides

    values: dict[str, Any] = resolve_paths(SECTIONS.values(), read_overrides(run_config, DEFAULTS))
    name = ""
    if hospital is not None:
        from crossward.deploy.hospital import read_hospital

        node = NodeConfig.read(read_hospital(hospital)[1])
        values, name = node.over(values), node.site
    if path is not None:
        values |= {"data.path": str(path)}
    config = replace(Config.read(values, ON_A_NODE if hospital else RUN_CONFIG).data, name=name)
    if config.path and config.source == "synthetic":
        raise CommandError(
            "data.source is not set: name the format of the notes, for example --run-config data.source=csv (see "
            "`crossward settings data.source`)",
            USAGE,
        )
    return config


def _print(found: Findings, config: Any) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if Console().is_terminal else 120, highlight=False)
    read, kept = found.counts.get("read", 0), found.counts.get("kept", 0)
    left = {why: number for why, number in found.counts.items() if why not in ("read", "kept")}
    table = Table(title=f"Notes of {config.path or 'the made-up hospitals'} (data.source = {config.source})")
    for name in ("hospital", "part", "notes", "patients", "median", "95 %", "longest"):
        table.add_column(name, justify="left" if name in ("hospital", "part") else "right")
    for one in found.hospitals:
        table.add_row(one.name, "training", *_cells(one.train))
        table.add_row("", "held out", *_cells(one.test))
    table.caption = "lengths in characters"
    console.print(table)
    console.print(f"{read:,} notes read, {kept:,} kept" + "".join(f", {n:,} {why}" for why, n in left.items()))
    if unused := kept - sum(one.train.notes + one.test.notes for one in found.hospitals):
        console.print(f"{unused:,} of those kept are not used: repeated word for word, without a site, or too many")
    for one in found.hospitals:
        if one.labels:
            shown = ", ".join(f"{label} {number:,}" for label, number in one.labels.items())
            console.print(f"labels of {one.name}: {shown}", markup=False)
    if config.source in ("csv", "jsonl") and not config.patient_column:
        console.print("data.patient-column is not set: every row counts as a separate patient.")


def _cells(part: Part) -> list[str]:
    return [f"{n:,}" for n in (part.notes, part.patients, part.median, part.p95, part.longest)]


def add_to(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.add_typer(data, name="data", help="Generate synthetic notes, or check a hospital's own.")
