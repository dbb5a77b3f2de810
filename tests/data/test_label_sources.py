"""The label task across sources: the same patients have the same labels, from whatever a hospital keeps them in."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path

import pytest

from data import DataConfig, Hospital, load_hospital
from data.synthetic.tables import records
from data.tokens import make_frame

TABLE = """
source = "csv"
path = "letters.csv"
[columns]
text = "letter"
patient = "case_no"
category = "kind"
[labels]
mortality = "outcome"
[labels.icd-chapter]
column = "dx"
system = "icd10"
"""


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The patients of the MIMIC folders as a table with codes of ICD-10 and words for the outcome."""
    folder = tmp_path_factory.mktemp("table")
    with (folder / "letters.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["case_no", "letter", "kind", "outcome", "dx"])
        for record in records(60, 4, seed=5):
            stay = record.stay
            said = "Expired" if stay.died else "discharged alive"
            for note in record.notes:
                writer.writerow([stay.subject, note.text, note.category, said, stay.diagnoses[0].icd10])
    (folder / "notes.toml").write_text(TABLE)
    return folder


def labels(hospital: Hospital) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for part in (hospital.train, hospital.test):
        for patient, label in zip(part["patient_id"], part["label"], strict=True):
            found.setdefault(patient, set()).add(label)
    return found


@pytest.mark.parametrize("label", ["mortality", "icd-chapter"])
def test_one_label_whatever_the_source(
    mimic_iii: Path, mimic_iv: Path, table: Path, label: str, make_tokenizer: object
) -> None:
    run = DataConfig(source="own", task="label", label=label, path=str(table))
    other = load_hospital(run)
    release = load_hospital(dataclasses.replace(run, source="mimic-iii", path=str(mimic_iii)))
    assert labels(other) == labels(release) and len({*labels(other)}) > 40
    assert other.labels == release.labels and set(other.train["label"]) == set(release.train["label"])
    newer = load_hospital(dataclasses.replace(run, source="mimic-iv", path=str(mimic_iv)))
    assert newer.labels == other.labels and set(newer.train["label"]) <= set(other.labels)
    if label == "mortality":  # discharge summaries state it, whatever they are called
        assert "discharge summary" not in other.train["kind"] and "Discharge summary" not in release.train["category"]
    tokenizer = make_tokenizer()  # type: ignore[operator]
    frames = [make_frame(tokenizer, dataclasses.replace(run, source=source), other.labels) for source in
              ("own", "mimic-iii")]  # fmt: skip
    assert bytes(frames[0].prompt) == bytes(frames[1].prompt)
