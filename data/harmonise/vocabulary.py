"""A hospital's own table of codes -> chapter of each: what ``[vocabulary]`` in its notes.toml names.

Two columns are enough: ``code``, and ``chapter``, ``icd10`` or ``icd9``. NLM's map of SNOMED CT to ICD-10-CM (RF2, tab
separated: referencedComponentId, mapGroup, mapPriority, mapTarget) is read as it is; of a concept's targets the first
by group and priority counts.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

from crossward.machine.text import TextError, read_text
from data.errors import DataError
from data.harmonise.conditions import Chapters
from data.labels import CHAPTERS

_CODE = ("code", "referencedcomponentid")
_TARGET = {"chapter": "", "icd10": "icd10", "maptarget": "icd10", "icd9": "icd9"}
_ORDER = ("mapgroup", "mappriority")


def chapters_of(path: Path) -> dict[str, str]:
    """Code -> chapter.

    Raises
    ------
    DataError
        the file cannot be read, has not these columns, or names a chapter that is none.
    """
    try:
        lines = read_text(path).splitlines()
    except TextError as error:
        raise DataError(str(error)) from None
    first = lines[0] if lines else ""
    delimiter = max("\t;,", key=first.count)
    rows = csv.DictReader([first.lower(), *lines[1:]], delimiter=delimiter)
    code = next((name for name in _CODE if name in (rows.fieldnames or ())), "")
    target = next((name for name in _TARGET if name in (rows.fieldnames or ())), "")
    if not code or not target:
        raise DataError(
            f"{path}: the columns code and chapter, icd10 or icd9 were expected (or those of a RF2 map: "
            "referencedComponentId and mapTarget)"
        )
    return _chapters(path, rows, code, target)


def _chapters(path: Path, rows: csv.DictReader[str], code: str, target: str) -> dict[str, str]:
    found: dict[str, tuple[tuple[int, ...], str]] = {}
    translate = Chapters(_TARGET[target])
    for row in rows:
        value = (row[target] or "").strip()
        if not value or row.get("active") == "0":
            continue
        chapter = translate(value) if _TARGET[target] else value
        if not _TARGET[target] and value not in CHAPTERS:
            raise DataError(f"{path}, line {rows.line_num}: {value!r} is no chapter; known are {', '.join(CHAPTERS)}")
        order = tuple(_number(row, name) for name in _ORDER)
        known = (row[code] or "").strip()
        if chapter and (known not in found or order < found[known][0]):
            found[known] = (order, chapter)
    return {known: chapter for known, (_, chapter) in found.items()}


def _number(row: Mapping[str, str | None], name: str) -> int:
    value = row.get(name) or ""
    return int(value) if value.isdigit() else 0
