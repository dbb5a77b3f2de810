"""Settings that follow from a run's model and file of notes: the value of each key that the user did not set.

Every derived value is printed with its reason, and one given with --run-config takes its place.

Not for: the table of defaults by size (``crossward.config.model_defaults``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from crossward.config.data_settings import DIRICHLET, EVEN
from crossward.config.data_sources import MIMIC_III, MIMIC_IV, OWN, SOURCES
from crossward.config.model_defaults import Derived, derived_defaults
from crossward.config.model_settings import ModelConfig
from crossward.config.notes_settings import SITE
from crossward.config.notes_toml import FILE, read_notes
from crossward.config.settings import SettingsError, read_settings
from crossward.launcher.errors import LauncherError
from crossward.machine.waiting import announced
from data import DataError

TEXT_COLUMNS = ("text", "note", "note_text", "transcription", "report", "content", "body")
PATIENT_COLUMNS = ("patient", "patient_id", "subject_id", "person_id")
SITE_COLUMNS = ("site", "hospital", "medical_specialty", "specialty", "department", "service", "ward")

Values = dict[str, Any]


def with_model(name: str, given: Mapping[str, Any], say: Callable[[str], None]) -> Values:
    """``given`` for the model ``name`` (empty: as it is), with what follows from it.

    Raises
    ------
    LauncherError
        the model cannot be had.
    """
    if not name:
        return dict(given)
    if given.get("model.name", name) != name:
        raise LauncherError(f"--model {name} and model.name={given['model.name']} in the run config: give one of them")
    given = {**given, "model.name": name}
    from crossward.adapters import AdapterError

    try:
        with announced(say, f"looking for the model {name}"):
            from crossward.adapters.size import model_size

            size = model_size(read_settings(ModelConfig, given))
    except (AdapterError, SettingsError) as error:
        raise LauncherError(str(error)) from error
    return _printed(f"defaults for {name}", derived_defaults(size), given, say)


def with_notes(path: Path | None, given: Mapping[str, Any], say: Callable[[str], None]) -> Values:
    """``given`` for the notes in ``path`` (None: as they are): a notes.toml, one table in any format, MIMIC's folder.

    Raises
    ------
    LauncherError
        what ``path`` is cannot be seen, or which of its columns holds the notes.
    """
    if path is None:
        return dict(given)
    if given.get("data.path", str(path)) != str(path):
        raise LauncherError(f"--notes {path} and data.path={given['data.path']} in the run config: give one of them")
    return _printed(f"settings for {path.name}", _source(path, given), {**given, "data.path": str(path)}, say)


def _printed(what: str, found: dict[str, Derived], given: Mapping[str, Any], say: Callable[[str], None]) -> Values:
    used = {key: derived for key, derived in found.items() if key not in given}
    if used:
        say(f"{what} (set any of them with --run-config):")
    for key, derived in used.items():
        say(f"  {key}={derived.value}  # {derived.reason}")
    return {key: derived.value for key, derived in used.items()} | dict(given)


def _described(path: Path) -> dict[str, Derived]:
    """For a notes.toml, a folder that holds one, or a folder with one per hospital."""
    if path.is_dir() and not (path / FILE).is_file():
        return {"data.source": Derived(OWN, f"its folders have a {FILE}, of a hospital each")}
    try:
        notes = read_notes(path)
    except SettingsError as error:
        raise LauncherError(f"--notes: {error}") from error
    found = {"data.source": Derived(OWN, f"as {FILE} describes them")}
    if SOURCES[notes.source].is_flat and not notes.column(SITE):
        found["data.partition"] = Derived(EVEN, f"{FILE} names no column of a site")
    return found


def _source(path: Path, given: Mapping[str, Any]) -> dict[str, Derived]:
    if path.suffix.lower() == ".toml" or (path / FILE).is_file() or any(path.glob(f"*/{FILE}")):
        return _described(path)
    if path.is_dir():
        if any((path / name).is_file() for name in ("NOTEEVENTS.csv", "NOTEEVENTS.csv.gz")):
            return {"data.source": Derived(MIMIC_III, "it has NOTEEVENTS")}
        if (path / "note").is_dir():
            return {"data.source": Derived(MIMIC_IV, "it has a folder note")}
        raise LauncherError(
            f"--notes {path} is a folder without MIMIC's tables: name a table of notes or its folder, or describe the "
            f"notes in a {FILE}"
        )
    if not path.is_file():
        raise LauncherError(
            f"--notes {path} is not there: expected a table of notes, a folder of MIMIC's tables, or a {FILE} that "
            "says what it is"
        )
    from data.formats.form import Form
    from data.formats.tables import source_and_columns

    try:
        source, columns = source_and_columns(path, Form(encoding=str(given.get("data.encoding", ""))))
    except DataError as error:
        raise LauncherError(f"--notes {error}") from error
    return {"data.source": Derived(source, "by its content")} | _by_columns(path, columns, given)


def _by_columns(path: Path, columns: list[str], given: Mapping[str, Any]) -> dict[str, Derived]:
    def first(names: tuple[str, ...]) -> str | None:
        by_name = {column.strip().lower(): column for column in columns}
        return next((by_name[name] for name in names if name in by_name), None)

    found: dict[str, Derived] = {}
    if text := first(TEXT_COLUMNS):
        found["data.text-column"] = Derived(text, "a usual name for the note")
    elif "data.text-column" not in given:
        from data.quoting import columns as shown  # a file without a line of names has a note there

        raise LauncherError(
            f"--notes {path}: which column holds the notes? Set data.text-column to one of the {shown(columns)}"
        )
    if patient := first(PATIENT_COLUMNS):
        found["data.patient-column"] = Derived(patient, "a usual name for the patient")
    site = given.get("data.site-column") or first(SITE_COLUMNS)
    if site:
        found["data.site-column"] = Derived(site, "a usual name for what hospitals differ in")
        found["data.partition"] = Derived(DIRICHLET, f"hospitals that differ in {site}")
    else:
        found["data.partition"] = Derived(EVEN, "no column names a site")
    return found
