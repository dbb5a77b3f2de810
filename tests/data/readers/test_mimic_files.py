"""MIMIC's tables as they come to a hospital: loaded into a database and exported again, in Parquet, in part."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pytest

from crossward.config.data_settings import DataConfig
from data.errors import DataError
from data.readers import Counts
from data.sources import read

LABEL = {"task": "label", "label": "icd-chapter", "note_hours": 48.0}


def rows(folder: Path, source: str) -> dict[str, dict[str, str]]:
    config = DataConfig(source=source, path=str(folder), **LABEL)
    pieces = read(folder, config, Counts())
    return {
        row.pop("note_id"): {**row, "time": row["time"][:16].replace("T", " ")} for p in pieces for row in p.to_pylist()
    }


def exported(folder: Path, into: Path, name: str, options: str) -> Path:
    """Every table of ``folder`` loaded with the types that DuckDB finds, and written as ``name`` says."""
    for path in folder.rglob("*.csv*"):
        table = path.name.partition(".")[0]
        file = into / path.parent.relative_to(folder) / name.format(lower=table.lower(), upper=table.upper())
        file.parent.mkdir(parents=True, exist_ok=True)
        duckdb.read_csv(str(path), sample_size=-1).query("t", f"COPY t TO '{file}' ({options})")
    return into


@pytest.mark.parametrize(
    ("source", "name", "options"),
    [
        ("mimic-iii", "{lower}.parquet", "FORMAT parquet"),
        ("mimic-iv", "mimiciv.{lower}_202601311200.csv", "FORMAT csv, HEADER"),
        ("mimic-iii", "{upper}.csv.gz", "FORMAT csv, HEADER, FORCE_QUOTE *, NULLSTR '\\N', COMPRESSION gzip"),
    ],
)
def test_tables_that_went_through_a_database_are_the_same_notes(
    source: str, name: str, options: str, mimic_iii: Path, mimic_iv: Path, tmp_path: Path
) -> None:
    folder = mimic_iii if source == "mimic-iii" else mimic_iv
    expected = rows(folder, source)
    assert rows(exported(folder, tmp_path, name, options), source) == expected and len(expected) > 10


def test_a_download_in_part_serves_what_it_has_the_tables_for(mimic_iii: Path, tmp_path: Path) -> None:
    shutil.copy(mimic_iii / "NOTEEVENTS.csv", tmp_path)
    (tmp_path / "ADMISSIONS.csv.gz.crdownload").write_bytes(b"\x1f\x8b")
    config = DataConfig(source="mimic-iii", path=str(tmp_path))
    assert sum(piece.num_rows for piece in read(tmp_path, config, Counts())) > 20
    with pytest.raises(DataError, match=r"ADMISSIONS\.csv\.gz\.crdownload is a download that was not finished"):
        list(read(tmp_path, DataConfig(source="mimic-iii", path=str(tmp_path), task="label"), Counts()))
