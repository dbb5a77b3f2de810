"""XML of the i2b2 and n2c2 challenges in the shapes in which they are published, and what is not read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from crossward.config.data_settings import DataConfig
from crossward.config.notes_settings import LabelColumn, NotesConfig
from data.errors import DataError
from data.readers import Counts
from data.readers.i2b2 import read_i2b2

SECRET = "Mrs Quill has a rash"


def read(path: Path, label: str = "", **columns: str) -> tuple[list[dict[str, str]], Counts]:
    counts = Counts()
    labels = (("l", LabelColumn(label)),) if label else ()
    own = NotesConfig("i2b2", str(path), columns=tuple(columns.items()), labels=labels)
    task: dict[str, Any] = {"task": "label", "label": "l"} if label else {}
    config = DataConfig(source="i2b2", path=str(path), described=own, **task)
    rows = [row for piece in read_i2b2(path, config, counts) for row in piece.to_pylist()]
    return rows, counts


def test_a_file_a_note_is_of_the_patient_in_its_name(tmp_path: Path) -> None:
    """As in the n2c2 challenges of 2014 and 2018: 110-01.xml, with tags beside the text."""
    for name in ("110-01", "110-02", "7"):
        (tmp_path / f"{name}.xml").write_text(
            '<?xml version="1.0" encoding="UTF-8" ?>\n'
            "<root><TEXT><![CDATA[Record date: 2067\n\n<BP 120/80 & more>]]></TEXT>"
            '<TAGS><SMOKER id="S0" status="past"/><SMOKER id="S1" status="current"/></TAGS></root>'
        )
    rows, counts = read(tmp_path, "SMOKER@status")
    assert [(row["note_id"], row["patient_id"]) for row in rows] == [("110-01", "110"), ("110-02", "110"), ("7", "7")]
    assert {row["text"] for row in rows} == {"Record date: 2067\n\n<BP 120/80 & more>"}
    assert {row["label"] for row in rows} == {"past"} and counts == {"read": 3}


def test_records_of_one_file_are_each_a_note(tmp_path: Path) -> None:
    """As in the challenges of 2006: records with ids, and marks within the text."""
    path = tmp_path / "smokers.xml"
    path.write_text(
        '<?xml version="1.0" encoding="ISO-8859-1"?><ROOT>'
        '<RECORD ID="501"><TEXT>Seen by <PHI TYPE="DOCTOR">Dr. Müller</PHI> today.</TEXT></RECORD>'
        '<RECORD ID="502"><SMOKING STATUS="UNKNOWN"/><TEXT>Well.</TEXT><TEXT>Again.</TEXT></RECORD>'
        "<RECORD><TEXT/></RECORD></ROOT>",
        encoding="latin-1",
    )
    rows, _ = read(path, "smoking@status")
    assert [row["text"] for row in rows] == ["Seen by Dr. Müller today.", "Well.\n\nAgain.", ""]
    assert [row["note_id"] for row in rows] == ["501", "502", "smokers/3"] and len({r["patient_id"] for r in rows}) == 3
    assert [row["label"] for row in rows] == ["", "UNKNOWN", ""]


def test_columns_are_attributes_elements_or_attributes_of_elements(tmp_path: Path) -> None:
    path = tmp_path / "notes.xml"
    path.write_text(
        '<docs><doc pid="007.0" when="2020-01-02"><kind>Nursing</kind><meta><ward code="7b"/></meta>'
        "<body>Slept well.</body></doc></docs>"
    )
    (row,), _ = read(path, text="body", patient="@PID", time="@when", category="kind", site="ward@code")
    assert (row["patient_id"], row["time"], row["category"], row["site"]) == ("7", "2020-01-02", "Nursing", "7b")
    assert row["text"] == "Slept well." and row["note_id"] == "notes"


BOMB = '<!DOCTYPE r [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><r><TEXT>&b;</TEXT></r>'
OUTSIDE = '<!DOCTYPE r [<!ENTITY a SYSTEM "{}">]><r><TEXT>&a;</TEXT></r>'


@pytest.mark.parametrize(
    ("content", "line", "why"),
    [
        (BOMB, 1, "declares an entity, which is not read"),
        (OUTSIDE, 1, "declares an entity, which is not read"),
        (f"<r>\n<TEXT>{SECRET}", 2, r"not well-formed (no element found)"),
        (f"<r>\n<TEXT>{SECRET} & more</TEXT></r>", 2, "not well-formed (not well-formed (invalid token))"),
        (f"{SECRET}", 1, "not well-formed (syntax error)"),
        ('<?xml version="1.0" encoding="gb18030"?><r><TEXT>x</TEXT></r>', 1, "in an encoding that is not read"),
        (f"<r>{'<a>' * 200}", 1, "more than 100 elements in each other"),
        ("<!DOCTYPE r SYSTEM 'http://127.0.0.1:9/r.dtd'><r><TEXT>&a;</TEXT></r>", 0, ""),
    ],
)
def test_what_is_no_sound_xml_is_refused_or_quarantined(content: str, line: int, why: str, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text(SECRET)
    path = tmp_path / "50-01.xml"
    path.write_text(content.format(tmp_path / "secret.txt") if content == OUTSIDE else content)
    if not why:  # a document type of elsewhere is not fetched, and what it would declare is nothing
        rows, _ = read(path)
        assert [row["text"] for row in rows] == [""]
        return
    with pytest.raises(DataError) as error:
        read(path)
    assert f"{path}: line {line}: {why}. Nothing of it was used" in str(error.value) and SECRET not in str(error.value)
    for number in range(10):
        (tmp_path / f"{number}-01.xml").write_text("<r><TEXT>well</TEXT></r>")
    rows, counts = read(tmp_path)
    assert len(rows) == 10 and counts["read"] == 11
    assert [(row.path, row.line, row.why) for row in counts.quarantined] == [("50-01.xml", line, why)]


def test_a_folder_of_other_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no \.xml file"):
        read(tmp_path)
    for number in range(5):
        (tmp_path / f"{number}.xml").write_text("{}" if number else "<r><TEXT>well</TEXT></r>")
    with pytest.raises(DataError, match="4 of 5 files are not well-formed XML"):
        read(tmp_path)
