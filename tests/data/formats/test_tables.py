"""Tables in other formats than text come to the same rows as CSV; what they cannot give is said."""

from __future__ import annotations

import datetime
import decimal
import gzip
import json
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.errors import DataError
from data.formats.content import PARQUET, TEXT, XLSX, kind
from data.formats.encodings import encoding_of
from data.formats.form import Form
from data.formats.tables import stream_table, table_columns
from data.quarantine import Intake

DAY = datetime.datetime(2150, 1, 2, 8, 30)


def rows(path: Path, *wanted: str, form: Form = Form(), intake: Intake | None = None) -> list[tuple[Any, ...]]:  # noqa: B008
    pieces = list(stream_table(path, wanted, form, intake))
    return [tuple(row[name] for name in wanted) for piece in pieces for row in piece.to_pylist()]


def test_values_of_parquet_are_text(tmp_path: Path) -> None:
    table = pa.table(
        {
            "Id": pa.array([7, None], pa.int32()),
            "share": [0.5, float("nan")],
            "ill": [True, False],
            "when": [DAY, None],
            "ward": pa.array(["A", "NULL"]).dictionary_encode(),
            "cost": pa.array([decimal.Decimal("1.50"), None]),
            "note": pa.array(["x", "y"], pa.large_string()),
            "deep": [{"body": "b", "tags": ["p", "q"]}, None],
            "raw": [b"\xff", b"x"],
        }
    )
    pq.write_table(table, path := tmp_path / "notes.bin")
    assert kind(path) == PARQUET and table_columns(path, Form()) == table.column_names
    assert rows(path, "id", "share", "ill", "note") == [("7", "0.5", "true", "x"), ("", "", "false", "y")]
    assert rows(path, "when", "ward", "cost")[0] == ("2150-01-02 08:30:00.000000", "A", "1.50")
    assert rows(path, "when", "ward", "cost")[1] == ("", "", "")
    assert rows(path, "deep.body", "deep.tags[]", "note") == [("b", "p\nq", "x"), ("", "", "y")]
    with pytest.raises(DataError, match=r"'raw' is of type binary, which is no text"):
        rows(path, "raw")
    with pytest.raises(DataError, match=r"the first is row 1: a value that is no text \('deep' holds an object of 2"):
        rows(path, "deep")
    with pytest.raises(DataError, match="has no column 'body'"):
        rows(path, "body")
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DataError, match="no whole Parquet file"):
        rows(path, "note")


def test_a_row_group_is_not_held_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "notes.parquet"
    texts = [f"{i} " + "abcdefgh" * 200 for i in range(10_000)]
    pq.write_table(pa.table({"text": texts}), path, use_dictionary=False, data_page_size=1 << 16)
    del texts
    pool = pa.default_memory_pool()
    before = pool.bytes_allocated()
    largest = 0
    for piece in stream_table(path, ["text"], Form()):
        assert piece.num_rows <= 2048
        largest = max(largest, pool.bytes_allocated() - before)
    assert largest < 12 << 20, "of 16 MB of text"


def test_every_sheet_of_a_workbook_that_has_the_columns_is_read(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(["made by", "the clinic"])
    for year in (2018, 2019):
        sheet = book.create_sheet(str(year))
        sheet.append([f"Letters of {year}"])
        sheet.append(["Patient", "Text", "when", "ill"])
        sheet.append([7.0, f"note of {year}\n5_x005F_x", DAY, True])
        sheet.append([])
        sheet.append([8.5, "#N/A", None, False])
    book.save(path := tmp_path / "notes.xlsx")
    assert kind(path) == XLSX and table_columns(path, Form()) == ["made by", "the clinic"]
    intake = Intake(path)
    found = rows(path, "patient", "text", "when", "ill", intake=intake)
    assert found[:2] == [("7", "note of 2018\n5_x", "2150-01-02 08:30:00", "true"), ("8.5", "", "", "false")]
    assert len(found) == 4 and intake.facts["sheets_read"] == 2 and intake.facts["missing"]["text"] == 2
    with pytest.raises(DataError, match="has no column 'body'"):
        rows(path, "body")
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DataError, match=r"a zip archive|no whole|damaged"):
        rows(path, "text")


def test_a_note_that_excel_cut_off_is_quarantined(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(["text"])
    for number in range(12):
        book.active.append(["x" * (32_767 if number == 4 else 32_766)])
    book.save(path := tmp_path / "notes.xlsx")
    with pytest.raises(DataError, match=r"the first is row 6: cut off by Excel \('text' has 32767 characters"):
        rows(path, "text")


def test_an_array_of_json_is_streamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("data.jsonl_files._PIECE", 7)
    path = tmp_path / "notes.json.gz"
    objects = [{"id": i, "text": f"Note {i}, [sic] {{x}}\t\\ é"} for i in range(50)]
    for indent in (None, 2):
        path.write_bytes(gzip.compress(json.dumps(objects, indent=indent, ensure_ascii=False).encode()))
        assert rows(path, "id", "text") == [(str(o["id"]), o["text"]) for o in objects]
    whole = json.dumps(objects, indent=1)
    for end in range(1, len(whole), 37):
        (tmp_path / "cut.json").write_text(whole[:end])
        with pytest.raises(DataError, match=r"was the file cut off|an array was expected|has no column"):
            rows(tmp_path / "cut.json", "text")
    (tmp_path / "bad.json").write_text('[{"text": "a"},\n{"text": }]')
    with pytest.raises(DataError, match=r"line 2: not JSON \(Expecting value\)"):
        rows(tmp_path / "bad.json", "text")


def test_a_guess_of_an_encoding_is_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    texts = {
        "cp1252": "Patientin klagt über Rückenschmerzen – größer als zuvor; Übelkeit, Fußödeme",
        "cp1251": "Пациент жалуется на боль в груди, одышку и слабость в течение трёх дней",
        "cp1250": "Pacjent zgłasza ból głowy, wymioty. Źródło zakażenia nieznane, stan ciężki, gorączka",
        "cp932": "患者は胸痛を訴える。発熱と咳が三日間続いている。",
    }
    for number, (name, text) in enumerate(texts.items()):
        path = tmp_path / f"{number}.csv"
        path.write_bytes(b"text\n" + b"plain ASCII\n" * 3000 + f'"{text}"\n'.encode(name))
        found = encoding_of(path)
        assert (found.name, found.known) == (name, "guessed") and f"read as {name}, which is a guess by" in caplog.text
        assert rows(path, "text")[-1] == (text,)
    path.write_bytes(b"text\n\x81\x8d\x90\n")  # none of the usual encodings
    assert encoding_of(path, "latin-1").known == "stated"


def test_a_stated_form_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "notes.csv"
    path.write_text("text~id\na~1\n'b~2'~3\n")
    assert rows(path, "text", "id", form=Form(delimiter="~", quote="'")) == [("a", "1"), ("b~2", "3")]
    path.write_text("text\tid\n\"Alert\" and well\t1\n'c'\tNA\n")
    found = rows(path, "text", "id", form=Form(delimiter="tab", quote="none", nulls=("NA",)))
    assert found == [('"Alert" and well', "1"), ("'c'", "")]
    for bad in ("double", "'x", "é"):
        with pytest.raises(DataError, match="one character was expected, a backslash after it"):
            rows(path, "text", form=Form(quote=bad))
    for bad in ("ab", "é"):
        with pytest.raises(DataError, match="one character was expected"):
            rows(path, "text", form=Form(delimiter=bad))
    assert kind(path) == TEXT
