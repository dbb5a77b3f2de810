"""Run-config keys under ``data.``.

Not for: reading notes (``data``), or what a hospital keeps to itself (``crossward.config.node_config``).
"""

from __future__ import annotations

import dataclasses
from dataclasses import field
from typing import Any

from crossward.config.data_sources import MORTALITY, SOURCES, SYNTHETIC
from crossward.config.harmonising import TEXT_STEPS
from crossward.config.notes_settings import CATEGORY, PATIENT, SITE, TEXT, LabelColumn, NotesConfig
from crossward.config.settings import PATH, SettingsError

BY_SITE, DIRICHLET, EVEN = "site", "dirichlet", "even"
NOTES, LABEL = "notes", "label"


def _key(name: str, help_line: str, **limits: Any) -> dict[str, Any]:
    return {"key": f"data.{name}", "help": help_line, **limits}


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """Where the notes are, which are used, how hospitals are made of them and how they become tokens."""

    source: str = field(
        default=SYNTHETIC,
        metadata=_key(
            "source",
            "Where notes come from: " + "; ".join(f"{name}: {source.about}" for name, source in SOURCES.items()) + ".",
            choices=tuple(SOURCES),
        ),
    )
    path: str = field(
        default="", metadata=_key("path", "The folder or file of notes; for own, a notes.toml.", path=PATH)
    )
    encoding: str = field(
        default="", metadata=_key("encoding", "Text encoding of the files in data.path; empty: found out and reported.")
    )
    text_column: str = field(
        default="text", metadata=_key("text-column", "The column that holds the note (csv and jsonl).")
    )
    patient_column: str = field(
        default="",
        metadata=_key("patient-column", "The column that names the patient; empty: each row is its own patient."),
    )
    site_column: str = field(
        default="",
        metadata=_key(
            "site-column",
            "The column that defines sites; empty: FIRST_CAREUNIT in MIMIC, none in csv and jsonl.",
        ),
    )
    labels: str = field(
        default="",
        metadata=_key(
            "labels",
            "All labels of all hospitals, comma-separated, identical at each of them (label task on a table's own "
            "column); one with a comma in double quotes.",
        ),
    )
    partition: str = field(
        default=BY_SITE,
        metadata=_key(
            "partition",
            "How one data set is split into hospitals: by site, skewed by site (dirichlet), or evenly.",
            choices=(BY_SITE, DIRICHLET, EVEN),
        ),
    )
    dirichlet_alpha: float = field(
        default=0.5,
        metadata=_key("dirichlet-alpha", "Concentration of the dirichlet partition; smaller: more skew.", above=0.0),
    )
    min_patients: int = field(
        default=5,
        metadata=_key("min-patients", "Minimum number of patients of a simulated hospital.", min=2),
    )
    task: str = field(
        default=NOTES,
        metadata=_key("task", "Learn to write notes, or to answer with a label.", choices=(NOTES, LABEL)),
    )
    label: str = field(
        default=MORTALITY,
        metadata=_key(
            "label",
            "The label to predict: mortality or icd-chapter on MIMIC and synthetic hospitals; in csv and jsonl the "
            "column that holds it; for own, a label of each hospital's notes.toml.",
        ),
    )
    note_types: str = field(
        default="",
        metadata=_key("note-types", "Note categories to keep, common or of the source, comma-separated; empty: all."),
    )
    keep_discharge_summaries: bool = field(
        default=False,
        metadata=_key(
            "keep-discharge-summaries",
            "Keep discharge summaries for the mortality label even though they state the outcome.",
        ),
    )
    note_hours: float = field(
        default=0.0,
        metadata=_key(
            "note-hours",
            "Label task on MIMIC: use only notes from the first hours of a stay (0: all).",
            min=0.0,
        ),
    )
    max_notes: int = field(
        default=0,
        metadata=_key("max-notes", "Maximum notes per hospital, in whole patients (0: all).", min=0),
    )
    test_fraction: float = field(
        default=0.2,
        metadata=_key("test-fraction", "Share of patients held out for evaluation.", above=0.0, max=0.9),
    )
    max_tokens: int = field(
        default=256,
        metadata=_key("max-tokens", "Maximum sequence length in tokens; at most the model's.", min=16, max=131072),
    )
    packing: bool = field(
        default=True,
        metadata=_key("packing", "Concatenate notes into full training sequences; false: one note per sequence."),
    )
    synthetic_patients: int = field(
        default=600,
        metadata=_key("synthetic-patients", "Patients of all synthetic hospitals together.", min=8, max=1_000_000),
    )
    seed: int = field(default=0, metadata=_key("seed", "Seed of synthetic patients, splits and partitions.", min=0))

    name: str = ""  # of the hospital in reports; empty: from the path or the site
    described: NotesConfig | None = None  # what the hospital's notes.toml says, once it is read

    def __post_init__(self) -> None:
        if self.task != LABEL:
            return
        offered = SOURCES[self.source].labels
        if self.described and SOURCES[self.source].is_flat and not self.described.label(self.label):
            known = ", ".join(name for name, _ in self.described.labels) or "none"
            raise SettingsError(
                f"data.label = {self.label!r} is no label of this hospital's notes.toml (labels there: {known}): add "
                f"[labels.{self.label}] with its column to it"
            )
        if offered and self.label not in offered:
            raise SettingsError(
                f"data.label = {self.label!r} is no label of data.source = {self.source!r}: set it to one of "
                f"{', '.join(offered)}"
            )

    @property
    def notes(self) -> NotesConfig:
        """What there is to read: as a notes.toml describes it, or as the keys of this section do."""
        return self.described or self._by_keys()

    def _by_keys(self) -> NotesConfig:
        columns: dict[str, str] = {}
        label: tuple[tuple[str, LabelColumn], ...] = ()
        grouping = self.site_column
        if SOURCES[self.source].is_flat:
            columns = {TEXT: self.text_column, PATIENT: self.patient_column}
            label = ((self.label, LabelColumn(self.label)),) if self.task == LABEL else ()
            grouping = grouping or (self.label if label and self.partition == DIRICHLET else "")
            columns[CATEGORY] = grouping
        columns[SITE] = grouping
        return NotesConfig(
            self.source,
            self.path,
            encoding=self.encoding,
            columns=tuple(sorted((name, column) for name, column in columns.items() if column)),
            labels=label,
            skip=TEXT_STEPS,
        )

    @property
    def label_column(self) -> str:
        """The column that holds the label; "" for the notes task, and where the source's tables give it."""
        found = self.notes.label(self.label) if self.task == LABEL and SOURCES[self.source].is_flat else None
        return found.column if found else ""

    @property
    def grouping_column(self) -> str:
        """The column that sites, or the skew of a dirichlet partition, are made by; "" for the source's own."""
        return self.notes.column(SITE) or (self.label_column if self.partition == DIRICHLET else "")
