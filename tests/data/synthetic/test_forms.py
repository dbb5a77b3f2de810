"""Made-up hospitals in every form are the same patients: read as they are, their notes, labels and sites agree."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from crossward.cli.app import main
from crossward.cli.data import Form
from crossward.config.data_settings import DataConfig
from data import sources
from data.hospitals import Hospital, load_hospitals
from data.notes_file import notes_file
from data.synthetic.command import MakeError, write
from data.synthetic.forms.entries import FORMS
from data.synthetic.forms.packing import Packing

PATIENTS, HOSPITALS = 24, 4
Make = Callable[[str, Packing], Path]
FIELDS = ("patient_id", "encounter_id", "site", "kind", "label", "text", "time")


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """The folder of an export, made once."""

    @functools.cache
    def exported(form: str, packing: Packing) -> Path:
        folder = tmp_path_factory.mktemp("made") / form
        write([form], folder, HOSPITALS, PATIENTS, 0, 0, packing, False, _hush)
        return folder

    return exported


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def fresh_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One for all tests here: they read the same notes again and again."""
    monkeypatch.setenv("CROSSWARD_HOME", str(home))
    return home


def read(folder: Path, task: str, label: str) -> dict[str, dict[str, str]]:
    """What is kept of each note, by its id; of its time the day, as discharge summaries of MIMIC-III have no more."""
    config = DataConfig(source="own", path=str(folder), task=task, label=label, keep_discharge_summaries=True)
    described, _ = sources.make(config, None)
    with pa.memory_map(str(notes_file(Path(described.path), described) / "notes.arrow")) as file:
        table = pa.ipc.open_stream(file).read_all().select(["note_id", *FIELDS])
    return {row.pop("note_id"): {**row, "time": row["time"][:10]} for row in table.to_pylist()}


@pytest.mark.parametrize(("task", "label"), [("label", "mortality"), ("label", "icd-chapter")])
@pytest.mark.parametrize("form", ["omop", "fhir", "i2b2", "text", "csv"])
def test_every_form_says_the_same_of_the_same_notes(form: str, task: str, label: str, make: Make) -> None:
    expected = read(make("mimic-iii", Packing.plain), task, label)
    found = read(make(form, Packing.plain), task, label)
    assert found == expected
    different = {name: len({row[name] for row in found.values()}) for name in FIELDS}
    assert different["site"] == HOSPITALS and different["kind"] == 4 and different["label"] >= 2
    assert different["patient_id"] == PATIENTS


@pytest.mark.parametrize(("form", "packing"), [("omop", Packing.parquet), ("fhir", Packing.gzip)])
def test_packing_changes_nothing(form: str, packing: Packing, make: Make) -> None:
    found, plain = (read(make(form, one), "notes", "mortality") for one in (packing, Packing.plain))
    assert found == plain and len(found) > PATIENTS


def _hush(_: str) -> None:
    """Say nothing of what was written."""


def by_id(hospital: Hospital) -> dict[str, tuple[str, ...]]:
    """Side of the split, patient and text of each note, by its id."""
    found = {}
    for side in ("train", "test"):
        notes = getattr(hospital, side)
        for name, *values in zip(*(notes[c][:] for c in ("note_id", "patient_id", "text")), strict=True):
            found[name] = (side, *values)
    return found


def test_hospitals_that_each_describe_their_own_notes_are_a_simulation(make: Make, tmp_path: Path) -> None:
    """Hospital by hospital, four sources and one: same patients, same notes, same split."""
    mixed, plain = tmp_path / "mixed", tmp_path / "plain"
    for forms, folder in ((["mimic-iii", "omop", "fhir", "csv"], mixed), (["mimic-iii"], plain)):
        write(
            forms, folder, HOSPITALS, PATIENTS, 0, 0, Packing.parquet if folder is mixed else Packing.plain, True, _hush
        )
    named = [path.read_text().partition("\n")[0] for path in sorted(mixed.glob("*/notes.toml"))]
    assert named == [f'source = "{name}"' for name in ("mimic-iii", "omop", "fhir", "csv")]
    found, expected = (
        {one.name: by_id(one) for one in load_hospitals(DataConfig(source="own", path=str(p)), 4)}
        for p in (mixed, plain)
    )
    assert found == expected and list(found)[3] == "4-st-brigid-women-and-infants"
    assert len({patient for notes in found.values() for _, patient, _ in notes.values()}) >= PATIENTS


def test_the_options_name_every_form() -> None:
    assert [form.value for form in Form] == list(FORMS)


@pytest.mark.parametrize(
    ("arguments", "output"),
    [
        (
            ("--form", "omop", "--form", "fhir"),
            "--form is given 2 times, which is for hospital by hospital: add --split",
        ),
        (("--form", "fhir", "--parquet"), "--parquet is for none of --form fhir: these are written plain, gzip"),
        (("--form", "omop", "--parquet", "--gzip"), "--gzip and --parquet exclude each other"),
        (("--form", "omop", "--megabytes", "2"), "--megabytes goes with --form mimic-iii alone"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    arguments: tuple[str, ...], output: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "make", "--out", str(tmp_path / "notes"), *arguments]) == 2
    assert output in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "notes").exists()


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("a real one")
    with pytest.raises(MakeError, match="is not empty"):
        write(["omop"], tmp_path, HOSPITALS, PATIENTS, 0, 0, Packing.plain, False, _hush)
