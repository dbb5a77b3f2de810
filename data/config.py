"""The ``data.*`` settings, read once at the door (see crossward.config.settings). Not for what a node keeps private."""

from __future__ import annotations

import dataclasses
from dataclasses import field
from typing import Any

from data.errors import DataError
from data.labels import LABELS, Label
from data.sources import SOURCES


def _key(name: str, help_line: str, **limits: Any) -> dict[str, Any]:
    return {"key": f"data.{name}", "help": help_line, **limits}


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """Where the notes are, which are used, how hospitals are made of them and how they become tokens."""

    source: str = field(
        default="synthetic",
        metadata=_key(
            "source",
            "Where notes come from: made-up hospitals, a MIMIC folder, or one CSV or JSONL file.",
            choices=tuple(SOURCES),
        ),
    )
    path: str = field(default="", metadata=_key("path", "The folder or file of notes.", path="path"))
    encoding: str = field(default="utf-8", metadata=_key("encoding", "Text encoding of the files in data.path."))
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
            "The column that sites are made by; empty: FIRST_CAREUNIT in MIMIC, none in csv and jsonl.",
        ),
    )
    label_column: str = field(
        default="", metadata=_key("label-column", "The column that holds the label (csv and jsonl).")
    )
    labels: str = field(
        default="",
        metadata=_key(
            "labels",
            "All labels of all hospitals, comma-separated, the same at each (csv and jsonl, label task).",
        ),
    )
    name: str = field(
        default="",
        metadata=_key("name", "This hospital's name in reports; empty: from the path or the site."),
    )
    partition: str = field(
        default="site",
        metadata=_key(
            "partition",
            "How one data set becomes several hospitals: by site, skewed by site (dirichlet), or evenly.",
            choices=("site", "dirichlet", "even"),
        ),
    )
    dirichlet_alpha: float = field(
        default=0.5,
        metadata=_key("dirichlet-alpha", "Skew of the dirichlet partition; smaller is more skewed.", above=0.0),
    )
    min_patients: int = field(
        default=5,
        metadata=_key("min-patients", "A simulated hospital with fewer patients is refused.", min=2),
    )
    task: str = field(
        default="notes",
        metadata=_key("task", "Learn to write notes, or to answer with a label.", choices=("notes", "label")),
    )
    label: str = field(
        default="mortality",
        metadata=_key("label", "The label of the label task on MIMIC.", choices=tuple(LABELS)),
    )
    note_types: str = field(
        default="", metadata=_key("note-types", "Note categories to keep, comma-separated; empty: all.")
    )
    keep_discharge_summaries: bool = field(
        default=False,
        metadata=_key(
            "keep-discharge-summaries",
            "Keep discharge summaries for the mortality label although they state the outcome.",
        ),
    )
    note_hours: float = field(
        default=0.0,
        metadata=_key(
            "note-hours",
            "For the label task on MIMIC: only notes of the first hours of a stay; 0: all.",
            min=0.0,
        ),
    )
    max_notes: int = field(
        default=0,
        metadata=_key("max-notes", "At most this many notes a hospital, whole patients; 0: all.", min=0),
    )
    test_fraction: float = field(
        default=0.2,
        metadata=_key("test-fraction", "Share of patients whose notes are held out.", above=0.0, max=0.9),
    )
    max_tokens: int = field(
        default=256,
        metadata=_key("max-tokens", "Longest token sequence; at most the positions of the model.", min=16, max=131072),
    )
    packing: bool = field(
        default=True,
        metadata=_key("packing", "Join notes to full sequences in training; false: one note a sequence."),
    )
    synthetic_patients: int = field(
        default=600,
        metadata=_key("synthetic-patients", "Patients of the made-up hospitals in total.", min=8, max=1_000_000),
    )
    seed: int = field(default=0, metadata=_key("seed", "Seed of made-up patients, splits and partitions.", min=0))

    def __post_init__(self) -> None:
        if self.task != "label":
            return
        offered = SOURCES[self.source].labels
        if not offered and not self.label_column:
            raise DataError(
                f"data.task = 'label' on a {self.source} file needs data.label-column, the column of the label"
            )
        if offered and self.label not in offered:
            raise DataError(
                f"data.label = {self.label!r} is no label of data.source = {self.source!r}: set it to one of "
                f"{', '.join(offered)}"
            )

    @property
    def public_label(self) -> Label | None:
        """The label that the source's tables give; None where it is a column of the file."""
        return SOURCES[self.source].labels.get(self.label)

    @property
    def given_labels(self) -> tuple[str, ...]:
        """The labels of ``labels``, each once, as the readers write them: ``1.0`` is ``1``."""
        import pyarrow as pa

        from data.ids import without_decimals

        names = without_decimals(pa.array(self.labels.split(","))).to_pylist()
        return tuple(dict.fromkeys(name for name in names if name))

    @property
    def grouping_column(self) -> str:
        """The column that sites, or the skew of a dirichlet partition, are made by; "" for the source's own."""
        return self.site_column or (self.label_column if self.partition == "dirichlet" else "")
