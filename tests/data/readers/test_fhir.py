"""A FHIR export as systems write it: references, attachments, sections, what is left out, and what cannot be read."""

from __future__ import annotations

import base64
import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from crossward.config.data_settings import DataConfig
from data.errors import DataError
from data.readers import Counts
from data.readers.fhir import read_fhir

LOINC = {"coding": [{"system": "http://loinc.org", "code": "18842-5"}, {"system": "http://own", "code": "DS"}]}
SECRET = "Mrs Quill has a rash"


def attachment(text: str, kind: str = "text/plain", encoding: str = "utf-8") -> dict[str, str]:
    return {"contentType": kind, "data": base64.b64encode(text.encode(encoding)).decode()}


def document(name: str, *forms: dict[str, str], **more: Any) -> dict[str, Any]:
    content = [{"attachment": form} for form in forms]
    subject = {"reference": "Patient/p1"}
    return {"resourceType": "DocumentReference", "id": name, "subject": subject, "content": content, **more}


def export(folder: Path, *resources: Any, name: str = "notes.ndjson") -> Path:
    lines = [one if isinstance(one, str) else json.dumps(one) for one in resources]
    (folder / name).write_text("".join(f"{line}\n" for line in lines))
    return folder


def read(folder: Path, **settings: Any) -> tuple[dict[str, dict[str, str]], Counts]:
    counts = Counts()
    pieces = read_fhir(folder, DataConfig(source="fhir", path=str(folder), **settings), counts)
    rows = {row.pop("note_id"): row for piece in pieces for row in piece.to_pylist()}
    why = {name: number for name, number in counts.items() if name != "read"}
    assert counts["read"] == len(rows) + sum(why.values())  # nothing unaccounted
    return rows, counts


def test_documents_reports_and_compositions_are_notes(tmp_path: Path) -> None:
    div = '<div xmlns="http://www.w3.org/1999/xhtml"><p>Better &amp; <b>walking</b></p><ul><li>rest</li></ul></div>'
    nested = {"title": "Plan", "section": [{"text": {"div": "<div>home<br/>diet</div>"}}]}
    sections = [{"title": "Course", "text": {"div": div}}, nested]
    of_patient: dict[str, Any] = {"subject": {"reference": "https://ehr.example/fhir/Patient/p2/_history/3"}}
    export(tmp_path, document("d1", attachment("Dyspnoea."), type=LOINC, date="2020-01-02"), name="a.ndjson")
    report = {"resourceType": "DiagnosticReport", "id": "r1", "code": {"text": "Chest film"}, **of_patient}
    export(tmp_path, {**report, "presentedForm": [attachment("Clear.")], "issued": "2020"}, name="b.ndjson")
    export(tmp_path, {"resourceType": "Composition", "id": "c1", "section": sections, **of_patient}, name="c.ndjson")
    found, _ = read(tmp_path)
    assert found["d1"]["text"] == "Dyspnoea." and found["d1"]["category"] == "loinc:18842-5"
    assert found["d1"]["patient_id"] == "p1" and found["d1"]["time"] == "2020-01-02"
    assert found["r1"]["patient_id"] == "p2" and found["r1"]["category"] == "Chest film"
    assert found["c1"]["text"] == "Course:\nBetter & walking\nrest\n\nhome\ndiet"


def test_an_attachment_is_read_from_where_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "export"
    (folder / "files").mkdir(parents=True)
    (folder / "files" / "1.txt").write_text("in a file")
    (tmp_path / "outside.txt").write_text(SECRET)
    plain = {"contentType": "text/plain"}
    binaries = [{"resourceType": "Binary", "id": f"b{i}", "data": attachment(f"binary {i}")["data"]} for i in range(3)]
    export(folder, *binaries, name="Binary.ndjson")
    export(
        folder,
        document("file", {**plain, "url": "files/1.txt"}),
        document("binary", {**plain, "url": "https://ehr.example/fhir/Binary/b2"}),
        document("pdf", attachment("%PDF", "application/pdf")),
        document("both", attachment("%PDF", "application/pdf"), attachment("<p>as HTML</p>", "text/html")),
        document("latin", attachment("Fieber über 38°", "text/plain; charset=ISO-8859-1", "latin-1")),
        document("wrong", attachment("Fieber über 38°", "text/plain", "latin-1")),
        document("web", {**plain, "url": "https://elsewhere.example/1.txt"}),
        document("above", {**plain, "url": "../outside.txt"}),
        document("gone", {**plain, "url": "files/2.txt"}),
        document("lost", {**plain, "url": "Binary/b9"}),
        document("broken", {**plain, "data": "?"}),
        document("empty", plain),
        document("strange", attachment("x", f"{SECRET}; {SECRET}")),
        document("charset", attachment("x", f"text/plain; charset={SECRET}")),
        document("nothing"),
    )
    found, counts = read(folder)
    assert {name: row["text"] for name, row in found.items()} == {
        "file": "in a file", "binary": "binary 2", "both": "as HTML", "latin": "Fieber über 38°",
    }  # fmt: skip
    assert Counter(row.why for row in counts.quarantined) == {
        "attachment is application/pdf": 1, "attachment is not utf-8": 1, "attachment is no base64": 1,
        "attachment is elsewhere: its url is no file of the export": 2,
        "attachment is missing: there is no file of its url": 1,
        "attachment is missing: the export has no such Binary": 1,
        "attachment has neither data nor url": 1, "attachment is missing": 1, "attachment is of an unknown type": 1,
        "attachment is in an unknown charset": 1,
    }  # fmt: skip
    assert min(row.line for row in counts.quarantined) == 3 and SECRET not in str(counts.quarantined)


def test_lines_that_are_no_resource_are_quarantined_with_their_lines(tmp_path: Path) -> None:
    whole = [document(f"d{i}", attachment("well")) for i in range(2)]
    other = {"resourceType": "Patient", "id": "p1"}
    cut = json.dumps(whole[0])[:-9]
    found, counts = read(export(tmp_path, whole[0], "", cut, "[1]", '{"id": 1}', other, whole[1], "null"))
    assert set(found) == {"d0", "d1"}
    assert [(row.line, row.why) for row in counts.quarantined] == [
        (3, "no JSON"), (4, "no FHIR resource"), (5, "no FHIR resource"), (6, "a DocumentReference was expected"),
        (8, "no FHIR resource"),
    ]  # fmt: skip


def test_what_is_no_longer_true_is_left_out(tmp_path: Path) -> None:
    kept = document("d1", attachment("well"), status="current")
    wrong = [document("d2", attachment("x"), status="entered-in-error"), document("d3", docStatus="entered-in-error")]
    found, counts = read(export(tmp_path, kept, *wrong, document("d4", attachment("x"), status="superseded")))
    assert set(found) == {"d1"} and counts["marked as an error"] == 2 and counts["replaced by another"] == 1


def encounter(name: str, start: str, end: str, **more: Any) -> dict[str, Any]:
    subject, period = {"reference": f"Patient/{name}"}, {"start": start, "end": end}
    return {"resourceType": "Encounter", "id": f"e{name}", "subject": subject, "period": period, **more}


def labelled(folder: Path, encounters: list[dict[str, Any]], label: str, **settings: Any) -> dict[str, str]:
    notes = [
        document(one["id"], attachment("well"), context={"encounter": [{"reference": f"Encounter/{one['id']}"}]},
                 date="2020-01-02T09:00:00+02:00")
        for one in encounters
    ]  # fmt: skip
    export(folder, *notes, name="notes.ndjson")
    export(folder, *encounters, name="Encounter.ndjson")
    found, _ = read(folder, task="label", label=label, **settings)
    return {name: row["label"] for name, row in found.items()}


def test_a_death_is_of_the_encounter_that_it_is_in(tmp_path: Path) -> None:
    deaths = {"1": "2020-01-05", "2": "2020-02-01T00:30:00+01:00", "3": "2020-03-01", "5": "2020"}
    export(
        tmp_path,
        *({"resourceType": "Patient", "id": name, "deceasedDateTime": death} for name, death in deaths.items()),
        name="Patient.ndjson",
    )
    expired = {"dischargeDisposition": {"coding": [{"code": "exp"}]}}
    found = labelled(
        tmp_path,
        [
            encounter("1", "2020-01-01T08:00:00Z", "2020-01-05T08:00:00Z"),
            encounter("2", "2020-01-20T08:00:00Z", "2020-01-31T23:40:00Z"),  # the death was at 23:30 UTC
            encounter("3", "2020-02-01", "2020-02-10"),
            encounter("4", "2020-02-01", "2020-02-10", hospitalization=expired),
            encounter("5", "2020-02-01", "2020-02-10"),  # died in the year that begins before the stay
        ],
        "mortality",
    )
    assert found == {"e1": "died", "e2": "died", "e3": "survived", "e4": "died", "e5": "survived"}


def test_the_first_diagnosis_is_that_of_the_best_rank(tmp_path: Path) -> None:
    systems = {"icd9": "http://hl7.org/fhir/sid/icd-9-cm", "icd10": "http://hl7.org/fhir/sid/icd-10-cm"}

    def condition(name: str, of: str, *codings: tuple[str, str], **more: Any) -> dict[str, Any]:
        coded = {"coding": [{"system": systems[system], "code": code} for system, code in codings]}
        to = {"reference": f"Encounter/{of}"}
        return {"resourceType": "Condition", "id": name, "code": coded, "encounter": to, **more}

    problem = [{"coding": [{"code": "problem-list-item"}]}]
    wrong = {"coding": [{"code": "entered-in-error"}]}
    export(
        tmp_path,
        condition("a", "e1", ("icd10", "J18.9")),
        condition("b", "e1", ("icd9", "410.71"), ("icd10", "I21.4")),
        condition("x", "e2", ("icd10", "A41.9"), verificationStatus=wrong),
        condition("c", "e2", ("icd10", "E11.9"), category=problem),
        condition("d", "e2", ("icd9", "486")),
        name="Condition.ndjson",
    )
    ranked = [
        {"condition": {"reference": "Condition/a"}, "rank": 2},
        {"condition": {"reference": "Condition/b"}, "rank": 1},
    ]
    found = labelled(
        tmp_path,
        [
            encounter("1", "2020-01-01", "2020-01-05", diagnosis=ranked),
            encounter("2", "2020-01-01", "2020-01-05"),
            encounter("3", "2020-01-01", "2020-01-05"),
        ],
        "icd-chapter",
    )
    assert found == {"e1": "icd10:I21.4", "e2": "icd9:486", "e3": ""}


@pytest.mark.parametrize(("hours", "kept"), [(1.5, ["e1"]), (8, ["e1", "e2"])])
def test_early_notes_are_those_of_the_first_hours_in_whatever_time_zone(
    hours: float, kept: list[str], tmp_path: Path
) -> None:
    export(tmp_path, {"resourceType": "Patient", "id": "1"}, name="Patient.ndjson")
    stays = [
        encounter("1", "2020-01-02T06:00:00Z", "2020-01-05"),
        encounter("2", "2020-01-02T01:00:00+01:00", "2020-01-05"),
    ]
    assert list(labelled(tmp_path, stays, "mortality", note_hours=hours)) == kept  # written at 07:00 UTC


def test_a_site_is_a_path_in_the_encounter(tmp_path: Path) -> None:
    ward = {"serviceProvider": {"display": "St. Brigid"}, "location": [{"location": {"display": "Ward 7"}}]}
    labelled_ = [encounter("1", "2020-01-01", "2020-01-05", **ward)]
    export(tmp_path, *labelled_, name="Encounter.ndjson")
    export(tmp_path, document("d1", attachment("well"), context={"encounter": {"reference": "Encounter/e1"}}))
    assert read(tmp_path)[0]["d1"]["site"] == "St. Brigid"
    assert read(tmp_path, site_column="location.location.display")[0]["d1"]["site"] == "Ward 7"


@pytest.mark.parametrize(
    ("files", "settings", "output"),
    [
        ({}, {}, "holds none of DocumentReference, DiagnosticReport, Composition .*found: none"),
        ({"Patient": "{}"}, {}, "types of resources found: Patient"),
        ({"DocumentReference": "{}"}, {"task": "label"}, "holds no Encounter .*'mortality' follows from"),
        (
            {"DocumentReference": "{}", "Encounter": "{}"},
            {"task": "label", "label": "icd-chapter"},
            "holds no Condition .* Export Condition as well",
        ),
        ({"DocumentReference": "{}", "other": "not\nJSON"}, {}, "other.ndjson: no line of it is a FHIR resource"),
        ({"DocumentReference": "{}", "Encounter": "{}\n{"}, {}, "Encounter.ndjson: line 2: no JSON. Repair"),
    ],
)
def test_what_an_export_lacks_is_named(
    files: dict[str, str], settings: dict[str, str], output: str, tmp_path: Path
) -> None:
    for name, lines in files.items():
        (tmp_path / f"{name}.ndjson").write_text(lines.replace("{}", json.dumps({"resourceType": name}), 1))
    with pytest.raises(DataError, match=output):
        read(tmp_path, **settings)


def test_a_gzipped_file_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    export(tmp_path, *(document(f"d{i}", attachment(f"{SECRET} {i}")) for i in range(200)))
    packed = gzip.compress((tmp_path / "notes.ndjson").read_bytes())
    (tmp_path / "notes.ndjson").unlink()
    (tmp_path / "notes.ndjson.gz").write_bytes(packed[: len(packed) // 2])
    with pytest.raises(DataError, match=r"notes\.ndjson\.gz: cannot be read.*compressed data end early"):
        read(tmp_path)
