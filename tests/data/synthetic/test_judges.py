"""What ``crossward data make`` writes is what it imitates, by the judgement of those who define it.

MIMIC's and OMOP's own table definitions load the files, within the lengths that they declare; FHIR's models accept
every line.
"""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import pytest
from fhir.resources.R4B import get_fhir_model_class
from pydantic import ValidationError

from data.synthetic.forms.fhir import write_fhir
from data.synthetic.forms.omop import write_omop
from data.synthetic.forms.packing import Packing
from data.synthetic.tables import records, shares
from data.synthetic.tables_iii import write_mimic_iii
from data.synthetic.tables_iv import write_mimic_iv

JUDGES = Path(__file__).parents[1] / "judges"
_TABLE = re.compile(r"CREATE TABLE (?:[\w@]+\.)?(\w+)\s*\((.*?)\)\s*;", re.DOTALL | re.IGNORECASE)
_LIMIT = re.compile(r"^\s*(\w+) (?:VAR)?CHAR\((\d+)\)", re.MULTILINE | re.IGNORECASE)
HOUSES = 8
PATIENTS = sum(shares(24, HOUSES))


def load(judge: str, folder: Path, ending: str = ".csv") -> dict[str, int]:
    """Rows of each table of the schema ``judge`` after its file was loaded, every value within its declared length."""
    rows = {}
    with duckdb.connect() as database:
        for table, columns in _TABLE.findall((JUDGES / judge).read_text(encoding="utf-8")):
            database.execute(f"CREATE TABLE {table} ({columns})")
            (path,) = (p for p in folder.rglob(f"*{ending}") if p.name.lower() == table.lower() + ending)
            if ending == ".csv":
                header = path.read_text(encoding="utf-8").partition("\n")[0]
                described = database.execute(f"DESCRIBE {table}").fetchall()
                assert header.lower().split(",") == [name.lower() for name, *_ in described], table
            options = "(HEADER, QUOTE '\"')" if ending == ".csv" else ""
            database.execute(f"COPY {table} FROM '{path}' {options}")
            for column, limit in _LIMIT.findall(columns):
                (longest,) = database.table(table).aggregate(f"max(length({column}))").fetchone() or (0,)
                assert (longest or 0) <= int(limit), (table, column)
            (rows[table.lower()],) = database.table(table).aggregate("count(*)").fetchone() or (0,)
    return rows


def test_mimic_codes_schema_takes_mimic_iii(tmp_path: Path) -> None:
    notes = write_mimic_iii(records(24, HOUSES, 0), tmp_path)
    found = load("mimic_iii.sql", tmp_path)
    assert found["noteevents"] == notes and found["patients"] == PATIENTS and all(found.values())


def test_mimic_codes_schema_takes_mimic_iv(tmp_path: Path) -> None:
    notes = write_mimic_iv(records(24, HOUSES, 0), tmp_path)
    found = load("mimic_iv.sql", tmp_path)
    assert found["discharge"] + found["radiology"] == notes and found["patients"] == PATIENTS and all(found.values())


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_omops_own_definitions_take_the_tables(ending: str, tmp_path: Path) -> None:
    packing = Packing.parquet if ending == ".parquet" else Packing.plain
    notes = write_omop(records(24, HOUSES, 0), tmp_path, packing)
    found = load("omop_5_4.sql", tmp_path, ending)
    assert found["note"] == notes and found["person"] == PATIENTS and all(found.values())


def test_a_table_that_is_not_omops_is_refused(tmp_path: Path) -> None:
    write_omop(records(24, HOUSES, 0), tmp_path, Packing.plain)
    path = tmp_path / "DEATH.csv"
    whole = path.read_text()
    path.write_text(whole.replace("person_id", "patient_id"))
    with pytest.raises(AssertionError, match="death"):
        load("omop_5_4.sql", tmp_path)
    path.write_text(re.sub(r"\n(\d+),", r"\n,", whole, count=1))  # somebody who died and is nobody
    with pytest.raises(duckdb.ConstraintException, match="person_id"):
        load("omop_5_4.sql", tmp_path)


def _judge(line: str) -> str:
    """The type of the resource on ``line`` of NDJSON."""
    kind = re.match(r'\{"resourceType": "(\w+)"', line)
    assert kind
    get_fhir_model_class(kind[1]).model_validate_json(line)
    return kind[1]


def test_fhirs_models_take_every_line(tmp_path: Path) -> None:
    notes = write_fhir(records(24, HOUSES, 0), tmp_path, Packing.plain)
    lines = [
        line for path in sorted(tmp_path.glob("*.ndjson")) for line in path.read_text(encoding="utf-8").splitlines()
    ]
    kinds = [_judge(line) for line in lines]
    assert kinds.count("Patient") == PATIENTS
    assert sum(kinds.count(kind) for kind in ("DocumentReference", "DiagnosticReport", "Composition")) == notes
    composition = next(line for line in lines if '"Composition"' in line)
    with pytest.raises(ValidationError):
        _judge(composition.replace('"title": "Discharge summary"', '"titel": "Discharge summary"'))
