"""``crossward data``: write made-up notes, or check what a hospital's own notes, or a party's features, come to.

Not for: reading notes (``data``).
"""

from __future__ import annotations

import json as json_
import sys
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crossward.cli import party_check, profile
from crossward.cli.common import PATH, USAGE, CommandError, RunConfig, example, failing, say
from crossward.cli.data_lines import print_findings
from crossward.machine.text import printable

if TYPE_CHECKING:
    from crossward.config.data_settings import DataConfig


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
    labs: Annotated[
        bool, typer.Option("--labs", help="Laboratory values and vital signs, too, on which deaths depend (MIMIC).")
    ] = False,
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
        write(forms, out, hospitals, patients, seed, megabytes, packing, split, say, labs)
    return 0


@data.command(epilog=example("crossward data parties --out /tmp/parties --patients 1200 --overlap 0.2"))
def parties(
    out: Annotated[Path, typer.Option(click_type=PATH, metavar="FOLDER", help="The folder to write into.")],
    patients: Annotated[int, typer.Option(metavar="N", help="Of all parties together.")] = 600,
    overlap: Annotated[float, typer.Option(metavar="SHARE", help="Of the patients, at every party.")] = 0.5,
    seed: Annotated[int, typer.Option(metavar="N", help="Random seed.")] = 0,
) -> int:
    """Write made-up parties that hold different features of the same patients, each with its party.toml.

    A hospital with notes and outcomes, one with vital signs, and a laboratory. Patients that are not at every party are
    at one.
    """
    from data.synthetic.command import MakeError, write_parties

    with failing(MakeError, code=USAGE):
        write_parties(out, patients, overlap, seed, say)
    return 0


@data.command(
    epilog=example(
        "crossward data check notes.csv --run-config 'data.source=csv data.text-column=note' --out notes.html",
        "Exit codes: 0 the data can be used (warnings are no failure), 1 they cannot, 2 wrong settings.",
    )
)
def check(
    path: Annotated[
        Path | None,
        typer.Argument(
            click_type=PATH,
            metavar="[PATH]",
            help="A notes.toml or party.toml, or the notes in place of data.path.",
            show_default=False,
        ),
    ] = None,
    run_config: RunConfig = None,
    hospital: Annotated[
        Path | None,
        typer.Option(click_type=PATH, metavar="hospital.toml", help="Read as this node would, by its node config."),
    ] = None,
    hospitals: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Partition the notes across N simulated hospitals.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(click_type=PATH, metavar="FILE.html", help="Write the findings as a page, too.")
    ] = None,
    examples: Annotated[
        int, typer.Option(min=0, metavar="N", help="Show N training notes, on a terminal only.", show_default=False)
    ] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> int:
    """Read a hospital's notes and show what a run would get: counts, lengths in tokens, repetitions. Prints no note.

    Of a party.toml: patients, features, outcomes, and how identifiers are spelt for the alignment. Prints none.
    """
    with failing(*_settings_errors(), code=USAGE):
        if (party := party_check.described(path, hospital, run_config or [])) is not None:
            party_check.refuse(run_config=run_config, hospitals=hospitals, examples=examples)
            return party_check.check(party, out, json)
        run = _config(path, run_config or [], hospital)
        if examples and not sys.stdout.isatty():
            raise CommandError("--examples shows notes on a terminal alone, and the output goes elsewhere", USAGE)
    config = run.data
    if config.source == "synthetic" and hospitals is None:
        hospitals = 4
    from data.check import check_notes
    from data.errors import DataError

    with failing(DataError, OSError):
        found = check_notes(config, hospitals, _tokenizer(run.model))
        if json:
            say(json_.dumps(found.to_json(), indent=2))
        else:
            print_findings(found, config)
        if out is not None:
            from crossward.evaluation.notes_page import write_page

            write_page(out, found, config)
            print(f"page: {out}", file=sys.stderr)
        if examples:
            _show(config, hospitals, examples)
    return 0


def _tokenizer(model: Any) -> Any:
    """The model's tokenizer; None, with a line that says why, where it cannot be had: all else can be checked."""
    from crossward.adapters.errors import AdapterError
    from crossward.adapters.lazy_imports import no_collection

    with no_collection():
        from crossward.adapters.tokenizers import load_tokenizer
    try:
        return load_tokenizer(model)
    except AdapterError as error:
        print(f"lengths in tokens are not measured: {error}", file=sys.stderr)
        return None


def _show(config: DataConfig, hospitals: int | None, count: int) -> None:
    """Notes on the terminal that this process has, past anything that keeps its output."""
    from data.check.examples import examples

    for one in examples(config, hospitals, count):
        label = f", label {one.label}" if one.label else ""
        say(f"\n--- {printable(one.hospital)}: {printable(one.category) or 'no category'}{printable(label)}")
        say("\n".join(printable(line) for line in one.text.split("\n")))


def _settings_errors() -> tuple[type[Exception], ...]:
    from crossward.config.settings import SettingsError
    from crossward.deploy.errors import DeployError
    from crossward.launcher.errors import LauncherError
    from data.errors import DataError

    return SettingsError, LauncherError, DeployError, DataError


def _config(path: Path | None, run_config: list[str], hospital: Path | None) -> Any:
    from crossward.config.data_sources import OWN
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
        if node.notes_path:
            values = {"data.source": OWN} | values
        values, name = node.over(values), node.site
    if path is not None:
        values |= {"data.path": str(path)} | ({"data.source": OWN} if path.suffix == ".toml" else {})
    config = Config.read(values, ON_A_NODE if hospital else RUN_CONFIG)
    if config.data.path and config.data.source == "synthetic":
        raise CommandError(
            "data.source is not set: give a notes.toml that describes the notes, or name their format, for example "
            "--run-config data.source=csv (see `crossward settings data.source`)",
            USAGE,
        )
    return replace(config, data=replace(config.data, name=name))


def add_to(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    profile.add_to(data)
    app.add_typer(data, name="data", help="Look at notes before training, or generate synthetic ones.")
