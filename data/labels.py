"""Labels with a public vocabulary: in-hospital mortality and the ICD chapter of the first diagnosis.

Every hospital has the same list in the same order, whatever it has seen. ICD-9-CM and ICD-10-CM codes are mapped to
one list of chapters. Not for scoring.
"""

from __future__ import annotations

import csv
import dataclasses

from crossward.config.data_settings import DataConfig
from crossward.config.data_sources import ICD_CHAPTER, MORTALITY

OUTCOMES = ("survived", "died")

CHAPTERS = (
    "infection",
    "neoplasm",
    "blood",
    "endocrine",
    "mental",
    "nervous",
    "circulatory",
    "respiratory",
    "digestive",
    "genitourinary",
    "pregnancy",
    "skin",
    "musculoskeletal",
    "congenital",
    "perinatal",
    "symptoms",
    "injury",
    "other",
)


@dataclasses.dataclass(frozen=True)
class Label:
    """A label that the tables of a release give: its values, and how the label task asks for it."""

    values: tuple[str, ...]
    question: str
    in_summaries: bool = False  # discharge summaries state it


LABELS = {
    MORTALITY: Label(OUTCOMES, "Did this patient survive the hospital stay?", in_summaries=True),
    ICD_CHAPTER: Label(CHAPTERS, "Which ICD chapter is the principal diagnosis of?"),
}

_ICD9 = (
    (139, "infection"),
    (239, "neoplasm"),
    (279, "endocrine"),
    (289, "blood"),
    (319, "mental"),
    (389, "nervous"),
    (459, "circulatory"),
    (519, "respiratory"),
    (579, "digestive"),
    (629, "genitourinary"),
    (679, "pregnancy"),
    (709, "skin"),
    (739, "musculoskeletal"),
    (759, "congenital"),
    (779, "perinatal"),
    (799, "symptoms"),
    (999, "injury"),
)

_ICD10 = {
    "A": "infection",
    "B": "infection",
    "C": "neoplasm",
    "E": "endocrine",
    "F": "mental",
    "G": "nervous",
    "H": "nervous",
    "I": "circulatory",
    "J": "respiratory",
    "K": "digestive",
    "L": "skin",
    "M": "musculoskeletal",
    "N": "genitourinary",
    "O": "pregnancy",
    "P": "perinatal",
    "Q": "congenital",
    "R": "symptoms",
    "S": "injury",
    "T": "injury",
}


def given_labels(config: DataConfig) -> tuple[str, ...]:
    """The labels of ``data.labels``, each once, as the readers write them: ``1.0`` is ``1``.

    One with a comma stands in double quotes, as in a row of CSV.
    """
    import pyarrow as pa

    from data.ids import without_decimals

    names = without_decimals(pa.array(listed_labels(config.labels), pa.string())).to_pylist()
    return tuple(dict.fromkeys(name for name in names if name))


def listed_labels(text: str) -> list[str]:
    """The labels of a list separated by commas."""
    return next(csv.reader([text], skipinitialspace=True), [])


def as_label(name: str) -> str:
    """``name`` as :func:`listed_labels` reads it."""
    return '"' + name.replace('"', '""') + '"' if any(sign in name for sign in ',"') else name


def icd_chapter(code: str, version: int) -> str:
    """The chapter of an ICD code; "" when ``code`` is empty or of no known shape.

    Eye and ear diseases count as nervous (as in ICD-9), immune disorders as endocrine in ICD-9 and as blood in
    ICD-10, as their revisions file them; supplementary, external and special codes are "other".
    """
    code = code.strip().upper().replace(".", "")
    if not code:
        return ""
    if version == 9:
        if code[0] in "VE":
            return "other"
        if not code[:3].isdigit():
            return ""
        number = int(code[:3])
        return next((chapter for last, chapter in _ICD9 if number <= last), "") if number else ""
    if code[0] == "D":
        return "neoplasm" if code[1:3] <= "49" else "blood"
    return _ICD10.get(code[0], "other" if code[0].isalpha() else "")
