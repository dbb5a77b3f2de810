"""What one hospital *has*: ``NotesConfig``, its notes' format and what its columns mean in the common note model.

A hospital says it once, in a ``notes.toml`` (``crossward.config.notes_toml``); in a simulation of one data set the keys
``data.source``, ``data.path`` and others make the same (``crossward.config.data_settings``). What is *learnt* from the
notes (task, label, kinds of notes, tokens) is the run's to say.

Not for: reading notes (``data``).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from crossward.config.data_sources import SOURCES
from crossward.config.harmonising import SECTIONS

TEXT, NOTE, PATIENT, ENCOUNTER, TIME, CATEGORY, SITE = (
    "text",
    "note",
    "patient",
    "encounter",
    "time",
    "category",
    "site",
)
COMMON_FIELDS = {
    TEXT: "the note",
    NOTE: "the note's id",
    PATIENT: "the patient's id",
    ENCOUNTER: "the id of the stay or visit",
    TIME: "when the note was written",
    CATEGORY: "the kind of note, in the hospital's own words",
    SITE: "the ward, department or house",
}
NULLS = ("NULL", "\\N", "NaN", "-NaN", "<NA>", "NaT", "#N/A")
"""Spellings of a missing value, whatever their case, beside the empty one."""


@dataclass(frozen=True)
class LabelColumn:
    """The column that a label is read from, how its codes are to be read, and what its values mean.

    ``system`` is of codes that do not name theirs: icd9, icd10, snomed; empty: found from the code's shape, where that
    is possible. ``values`` maps the hospital's spelling to the label's.
    """

    column: str
    system: str = ""
    values: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class NotesConfig:
    """What one hospital has.

    Parameters
    ----------
    source, path, query
        A name of ``SOURCES``, and the folder, file or database; ``query`` is the SQL for a database.
    encoding, delimiter, quote
        How the files are written; empty: found out, and reported.
    nulls
        Spellings of a missing value.
    columns
        (common field, own column): a field of ``COMMON_FIELDS``; ``a.b`` is a path in JSON.
    times
        Formats of ``time``, as ``strptime`` has them; empty: ISO 8601 alone.
    categories
        (own category, common category).
    labels
        (label as runs ask for it, its column).
    include, since, until
        Own or common categories to keep (empty: all); days of the first and last note, ISO 8601 (empty: no bound).
    vocabulary
        (code system, file of the hospital's own): codes to chapters, or to codes of a system that is known.
    skip
        Steps of ``data.harmonise`` that are switched off: by default the rewriting of section headings, since a house's
        style is part of what is learnt.
    file
        The ``notes.toml`` that says all this; empty: the run config does.
    """

    source: str
    path: str
    query: str = ""
    encoding: str = ""
    delimiter: str = ""
    quote: str = ""
    nulls: tuple[str, ...] = NULLS
    columns: tuple[tuple[str, str], ...] = ()
    times: tuple[str, ...] = ()
    categories: tuple[tuple[str, str], ...] = ()
    labels: tuple[tuple[str, LabelColumn], ...] = ()
    include: tuple[str, ...] = ()
    since: str = ""
    until: str = ""
    vocabulary: tuple[tuple[str, str], ...] = ()
    skip: tuple[str, ...] = (SECTIONS,)
    file: str = field(default="", compare=False)

    def column(self, name: str) -> str:
        """The own column of a common field; "" where it has none."""
        return dict(self.columns).get(name, "")

    def label(self, name: str) -> LabelColumn | None:
        """The column of a label; None where the hospital names none."""
        return dict(self.labels).get(name)

    @property
    def knows_patients(self) -> bool:
        """Whether rows are known by patient: a release's tables always are, a table by its column."""
        return not SOURCES[self.source].is_flat or bool(self.column(PATIENT))
