"""Writes made-up records as a FHIR R4 bulk export, NDJSON by type of resource: ``write_fhir``.

Discharge summaries are Compositions with a section each paragraph, radiology reports DiagnosticReports, all other notes
DocumentReferences; every seventh of those has its text in a file beside the export instead of in the attachment.
"""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import html
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Any

from data.synthetic.forms.codes import LOINC, icd10
from data.synthetic.forms.filing import Filed, walk
from data.synthetic.forms.packing import Packing, open_text
from data.synthetic.tables import Record

FILE_LINES = 400  # an export of more has several files of a type
ATTACHMENTS = "attachments"
_BESIDE = 7
_SEXES = {"M": "male", "F": "female"}
_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"


def _instant(time: dt.datetime) -> str:
    return f"{time:%Y-%m-%dT%H:%M:%S}+00:00"


def _reference(kind: str, name: object) -> dict[str, str]:
    return {"reference": f"{kind}/{name}"}


def _concept(system: str, code: str, display: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code, "display": display}], "text": display}


def sections(text: str) -> list[dict[str, Any]]:
    """A note as sections of a Composition: its paragraphs, of which a first line that ends in a colon is the title."""
    found = []
    for paragraph in text.split("\n\n"):
        first, _, rest = paragraph.partition("\n")
        titled = first.endswith(":") and bool(first[:-1].strip()) and bool(rest)
        body = html.escape(rest if titled else paragraph, quote=False)
        div = f'<div xmlns="http://www.w3.org/1999/xhtml"><pre>{body}</pre></div>'
        title = {"title": first[:-1]} if titled else {}
        found.append({**title, "text": {"status": "generated", "div": div}})
    return found


class _Fhir:
    def __init__(self, folder: Path, packing: Packing, stack: contextlib.ExitStack) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.packing, self.stack = folder, packing, stack
        self.lines: dict[str, int] = {}
        self.files: dict[str, IO[str]] = {}

    def add(self, kind: str, name: object, **values: Any) -> None:
        """Write a resource into the last file of its type."""
        count = self.lines.get(kind, 0)
        if count % FILE_LINES == 0:
            if kind in self.files:
                self.files[kind].close()
            path = self.folder / self.packing.name_of(f"{kind}.{count // FILE_LINES:03d}.ndjson")
            self.files[kind] = self.stack.enter_context(open_text(path))
        self.lines[kind] = count + 1
        resource = {"resourceType": kind, "id": str(name), **values}
        self.files[kind].write(json.dumps(resource, ensure_ascii=False) + "\n")

    def patient(self, stays: list[Record]) -> None:
        stay = stays[-1].stay
        death = {"deceasedDateTime": _instant(stay.discharged)} if stay.died else {"deceasedBoolean": False}
        self.add("Patient", stay.subject, gender=_SEXES[stay.sex], birthDate=f"{stay.born:%Y-%m-%d}", **death)

    def stay(self, record: Record) -> None:
        stay = record.stay
        names = [f"{stay.hadm}-{rank}" for rank in range(1, len(stay.diagnoses) + 1)]
        left = ("exp", "Expired") if stay.died else ("home", "Home")
        self.add(
            "Encounter", stay.hadm, status="finished",
            **{"class": {"system": f"{_TERMINOLOGY}/v3-ActCode", "code": "IMP", "display": "inpatient encounter"}},
            subject=_reference("Patient", stay.subject),
            period={"start": _instant(stay.admitted), "end": _instant(stay.discharged)},
            diagnosis=[
                {"condition": _reference("Condition", name), "rank": rank} for rank, name in enumerate(names, 1)
            ],
            hospitalization={"dischargeDisposition": _concept(f"{_TERMINOLOGY}/discharge-disposition", *left)},
            serviceProvider={"display": record.house.unit},
        )  # fmt: skip
        for name, diagnosis in zip(names, stay.diagnoses, strict=True):
            self.add(
                "Condition", name,
                clinicalStatus=_concept(f"{_TERMINOLOGY}/condition-clinical", "active", "Active"),
                category=[_concept(f"{_TERMINOLOGY}/condition-category", "encounter-diagnosis", "Encounter Diagnosis")],
                code=_concept("http://hl7.org/fhir/sid/icd-10-cm", icd10(diagnosis), diagnosis.text),
                subject=_reference("Patient", stay.subject), encounter=_reference("Encounter", stay.hadm),
            )  # fmt: skip

    def _attachment(self, filed: Filed, beside: bool) -> dict[str, str]:
        raw = filed.note.text.encode()
        content = {"contentType": "text/plain; charset=utf-8"}
        if not beside:
            return content | {"data": base64.b64encode(raw).decode()}
        path = self.folder / ATTACHMENTS / f"{filed.number}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(raw)
        return content | {"url": f"{ATTACHMENTS}/{path.name}"}

    def note(self, filed: Filed) -> bool:
        note, name = filed.note, filed.number
        kind = {"subject": _reference("Patient", filed.record.stay.subject)}
        concept = _concept("http://loinc.org", *LOINC[note.category])
        encounter = _reference("Encounter", filed.encounter) if filed.encounter else None
        of_encounter = {"encounter": encounter} if encounter else {}
        if note.category == "Discharge summary":
            self.add(
                "Composition", name, status="entered-in-error" if note.error else "final", type=concept, **kind,
                **of_encounter, date=_instant(note.charted), author=[{"display": filed.record.house.name}],
                title="Discharge summary", section=sections(note.text),
            )  # fmt: skip
        elif note.category == "Radiology":
            self.add(
                "DiagnosticReport", name, status="entered-in-error" if note.error else "final", code=concept, **kind,
                **of_encounter, effectiveDateTime=_instant(note.charted),
                presentedForm=[self._attachment(filed, False)],
            )  # fmt: skip
        else:
            context = {"context": {"encounter": [encounter]}} if encounter else {}
            self.add(
                "DocumentReference", name, status="entered-in-error" if note.error else "current", type=concept,
                **kind, date=_instant(note.charted),
                content=[{"attachment": self._attachment(filed, name % _BESIDE == 0)}], **context,
            )  # fmt: skip
        return True


def write_fhir(
    found: Iterable[Record], folder: Path, packing: Packing, progress: Callable[[int], None] | None = None
) -> int:
    """Write ``found`` into ``folder``; returns the number of notes, those entered in error included."""
    with contextlib.ExitStack() as stack:
        return walk(found, _Fhir(folder, packing, stack), progress)
