"""The files of a FHIR bulk export by type of resource, and what encounters, patients and conditions say: ``Export``."""

from __future__ import annotations

import collections
from collections.abc import Iterator
from pathlib import Path

from crossward.config.data_settings import LABEL, DataConfig
from crossward.config.data_sources import MORTALITY
from data.errors import DataError
from data.files import UNREADABLE, unreadable
from data.formats.content import open_bytes
from data.labels import OUTCOMES
from data.readers.fhir_resources import (
    CONDITIONS,
    Resource,
    at,
    codes,
    every,
    moment,
    name_in,
    plain,
    text_at,
    within,
    words,
)
from data.readers.fhir_texts import Report, lines
from data.text_lookup import TextLookup

_ENDINGS = (".ndjson", ".ndjson.gz")
_WRONG = ("entered-in-error", "refuted")
_DIED = ("exp", "expired", "died", "dead", "deceased", "20", "40", "41", "42")
_SITES = ("serviceProvider.display", "serviceProvider.reference")  # where no other path is configured


class Export:
    """The NDJSON files of a folder and of folders in it, by the type of their first resource."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files: dict[str, list[Path]] = collections.defaultdict(list)
        for path in sorted(p for p in folder.rglob("*") if p.name.lower().endswith(_ENDINGS) and p.is_file()):
            first = next((resource for _, resource in self._lines(path, _ignore)), None)
            if first is not None:
                self.files[first["resourceType"]].append(path)
            elif path.stat().st_size:
                raise DataError(f"{path}: no line of it is a FHIR resource. Export it again, or remove it from there.")

    def stream(self, kind: str, report: Report) -> Iterator[tuple[Path, int, Resource]]:
        """The resources of a type with their files and lines; a line that is no resource is reported."""
        for path in self.files.get(kind, []):
            for number, resource in self._lines(path, report):
                if resource["resourceType"] == kind:
                    yield path, number, resource
                else:
                    report(path, number, f"a {kind} was expected")

    @staticmethod
    def _lines(path: Path, report: Report) -> Iterator[tuple[int, Resource]]:
        try:
            yield from lines(path, open_bytes, report)
        except UNREADABLE as error:
            raise unreadable(path, error) from None

    def needed(self, kind: str, why: str) -> None:
        """Refuse an export without resources of a type.

        Raises
        ------
        DataError
            there are none.
        """
        if not self.files.get(kind):
            there = ", ".join(sorted(self.files)) or "none"
            raise DataError(
                f"{self.folder}: holds no {kind} in .ndjson or .ndjson.gz, which {why} (types of resources found: "
                f"{there}). Export {kind} as well, or set data.path to the folder of the export."
            )


def _ignore(path: Path, line: int, why: str) -> None:
    """What is wrong with a line is reported when its file is read as a whole."""


def _refuse(path: Path, line: int, why: str) -> None:
    raise DataError(f"{path}: line {line}: {why}. Repair that line, or export the file again.")


class Encounters:
    """What a note's encounter says of it, each a lookup by the encounter's id: site, beginning, label."""

    def __init__(self, export: Export, config: DataConfig, site: str) -> None:
        self.sites, self.starts, self.labels = TextLookup(), TextLookup(), TextLookup()
        self.label = config.label if config.task == LABEL else ""
        if self.label:
            export.needed("Encounter", f"data.label = {self.label!r} follows from")
        if config.task == LABEL and config.note_hours:
            export.needed("Encounter", "data.note-hours counts from")
        codes_of = _Conditions(export) if self.label and self.label != MORTALITY else None
        deaths = _deaths(export) if self.label == MORTALITY else None
        for _, _, encounter in export.stream("Encounter", _refuse):
            name = text_at(encounter, "id")
            self.sites.add(name, text_at(encounter, *([site] if site else _SITES)))
            if start := plain(moment(text_at(encounter, "period.start"))):
                self.starts.add(name, start)
            if deaths is not None:
                self.labels.add(name, OUTCOMES[_died(encounter, deaths)])
            elif codes_of is not None:
                self.labels.add(name, codes_of.of(encounter))


def _deaths(export: Export) -> TextLookup:
    """Patient -> when they died."""
    export.needed("Patient", "data.label = 'mortality' follows from")
    found = TextLookup()
    for _, _, patient in export.stream("Patient", _refuse):
        if death := text_at(patient, "deceasedDateTime"):
            found.add(text_at(patient, "id"), death)
    return found


def _died(encounter: Resource, deaths: TextLookup) -> bool:
    """Whether somebody died in an encounter: its discharge says so, or the patient's time of death is in it."""
    left = at(encounter, "hospitalization.dischargeDisposition")
    if any(word.lower() in _DIED for word in (text_at(left, "coding.code"), words(left))):
        return True
    death: str = deaths.get([name_in(encounter.get("subject"))])[0].as_py()
    return bool(death) and within(death, encounter.get("period"))


class _Conditions:
    """Codes of conditions: by their ids, and of each encounter the first that names it."""

    def __init__(self, export: Export) -> None:
        export.needed("Condition", "data.label = 'icd-chapter' follows from")
        self.by_name, self.first, self.others = TextLookup(), TextLookup(), TextLookup()
        for _, _, condition in export.stream("Condition", _refuse):
            found = codes(condition.get("code"), CONDITIONS)
            if not found or text_at(condition, "verificationStatus.coding.code") in _WRONG:
                continue
            self.by_name.add(text_at(condition, "id"), found[0])
            listed = any(text_at(one, "coding.code") == "problem-list-item" for one in every(condition.get("category")))
            (self.others if listed else self.first).add(name_in(condition.get("encounter")), found[0])

    def of(self, encounter: Resource) -> str:
        """The code of the encounter's first diagnosis: that of the best rank, else of the first Condition of it."""
        ranked = sorted(every(encounter.get("diagnosis")), key=_rank)
        names = [name_in(one.get("condition")) for one in ranked]
        found = [code for code in self.by_name.get(names).to_pylist() if code] if names else []
        name = text_at(encounter, "id")
        return next(iter(found), "") or self.first.get([name])[0].as_py() or self.others.get([name])[0].as_py()


def _rank(diagnosis: Resource) -> float:
    rank = diagnosis.get("rank")
    return rank if isinstance(rank, int) else float("inf")
