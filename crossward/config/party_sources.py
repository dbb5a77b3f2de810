"""What a party's features may be read from: ``FEATURES``, ``EVENTS`` and ``COHORTS``.

The registries are here and not with the readers, because a ``party.toml`` is checked without them. A source of events
is an entry of ``EVENTS``; a release whose admissions say who was where and when, one of ``COHORTS``.

Not for: reading (``data.tabular``, ``data.party``).
"""

from __future__ import annotations

from dataclasses import dataclass

from crossward.config.data_sources import MIMIC_III, MIMIC_IV, OWN

NOTES, TABLE, LABS, VITALS = "notes", "table", "labs", "vitals"
PATIENT, TIME, ITEM, VALUE, UNIT, NAME = "patient", "time", "item", "value", "unit", "name"
EVENT_FIELDS = {
    PATIENT: "whose value it is",
    TIME: "when it was taken",
    ITEM: "what was measured, a code or a name",
    VALUE: "the number",
    UNIT: "its unit",
}
"""Fields of a table of events, one value a row."""


@dataclass(frozen=True)
class EventTable:
    """A table of values with their times, one a row.

    Parameters
    ----------
    table : str
        Its name in a release's folder; empty where the party names a file.
    columns : tuple[tuple[str, str], ...]
        (field of ``EVENT_FIELDS``, column); empty where the party names them.
    error : str
        The column whose 1 marks a value as wrong; empty: none, or not in every export.
    dictionary, name : str
        The release's table of items by their code, and its column of their names.
    """

    table: str = ""
    columns: tuple[tuple[str, str], ...] = ()
    error: str = ""
    dictionary: str = ""
    name: str = "label"


_COLUMNS = ((PATIENT, "subject_id"), (TIME, "charttime"), (ITEM, "itemid"), (VALUE, "valuenum"), (UNIT, "valueuom"))
EVENTS: dict[tuple[str, str], EventTable] = {
    (LABS, MIMIC_III): EventTable("labevents", _COLUMNS, dictionary="d_labitems"),
    (LABS, MIMIC_IV): EventTable("labevents", _COLUMNS, dictionary="d_labitems"),
    (VITALS, MIMIC_III): EventTable("chartevents", _COLUMNS, error="error", dictionary="d_items"),
    (VITALS, MIMIC_IV): EventTable("chartevents", _COLUMNS, dictionary="d_items"),
    (LABS, TABLE): EventTable(),
    (VITALS, TABLE): EventTable(),
}
"""By what a party's features are and its source."""


@dataclass(frozen=True)
class CohortTable:
    """The table of a release that says which patients were in hospital, and from when: ``table``, its columns."""

    table: str
    patient: str
    time: str


COHORTS = {
    MIMIC_III: CohortTable("admissions", "subject_id", "admittime"),
    MIMIC_IV: CohortTable("admissions", "subject_id", "admittime"),
}


@dataclass(frozen=True)
class Feature:
    """One kind of features.

    Parameters
    ----------
    about : str
        What it is, in words.
    reader : str
        "module:function" of ``data``: (configuration, counts) -> ``data.party.PartyData``.
    sources : tuple[str, ...]
        What ``source`` may be; the first where it is not said.
    has_moment : bool
        Whether rows have times, so that a moment of prediction divides them.
    """

    about: str
    reader: str
    sources: tuple[str, ...]
    has_moment: bool = True


FEATURES: dict[str, Feature] = {
    NOTES: Feature("clinical notes", "party.notes:read", (OWN, MIMIC_III, MIMIC_IV)),
    TABLE: Feature("a table of one row a patient", "tabular.table:read", (TABLE,), has_moment=False),
    LABS: Feature("laboratory values, one a row", "tabular.events:read", (TABLE, MIMIC_III, MIMIC_IV)),
    VITALS: Feature("vital signs, one a row", "tabular.events:read", (TABLE, MIMIC_III, MIMIC_IV)),
}
"""What ``features`` of a party.toml takes."""
