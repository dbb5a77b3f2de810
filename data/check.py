"""What a hospital's notes come to as the nodes would read them: counts, splits, labels and lengths, never a note.

Not for: reading them (``data.hospitals``).
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc
from datasets import Dataset

from crossward.config.data_settings import DataConfig
from data.hospitals import Hospital, hospital_of, prepare
from data.quoting import no_text_of_others, quoted

Ints = npt.NDArray[np.int64]
_ROWS = 10_000


@dataclasses.dataclass(frozen=True)
class Part:
    """Training or held-out notes: how many, of how many patients, and how long in characters."""

    notes: int
    patients: int
    median: int
    p95: int
    longest: int


@dataclasses.dataclass(frozen=True)
class Checked:
    """One hospital: its parts, and of every label how many notes have it (for the notes task empty)."""

    name: str
    train: Part
    test: Part
    labels: dict[str, int]


@dataclasses.dataclass(frozen=True)
class Findings:
    """``counts``: notes read, kept, and left out by reason."""

    counts: dict[str, int]
    hospitals: list[Checked]

    def to_json(self) -> dict[str, Any]:
        """The same as plain values."""
        return dataclasses.asdict(self)


@no_text_of_others("the notes cannot be checked")
def check_notes(config: DataConfig, hospitals: int | None = None) -> Findings:
    """Read the notes as one hospital's (default), or as those of the ``hospitals`` of a simulation.

    Raises
    ------
    DataError
        they cannot be used; it says what to change.
    """
    prepared = prepare(config, hospitals)
    counts: dict[str, int] = json.loads((prepared[0] / "counts.json").read_text())
    found = [hospital_of(prepared, index, hospitals is None) for index in range(len(prepared[1].names))]
    return Findings(counts, [_checked(one, prepared[1].labels) for one in found])


def _checked(hospital: Hospital, patients: dict[str, int]) -> Checked:
    train, test = _part(hospital.train), _part(hospital.test)
    labels: Counter[str] = Counter()
    if hospital.labels:
        for part in (hospital.train, hospital.test):
            labels.update(part["label"])
    named = {quoted(name, patients.get(name, 0), hospital.labels): count for name, count in sorted(labels.items())}
    return Checked(hospital.name, train, test, named)


def _part(notes: Dataset) -> Part:
    lengths: list[Ints] = []
    patients: set[str] = set()
    for piece in notes.with_format("arrow").iter(_ROWS):
        lengths.append(pc.utf8_length(piece["text"]).to_numpy().astype(np.int64))
        patients.update(piece["patient_id"].to_pylist())
    all_lengths = np.concatenate(lengths) if lengths else np.zeros(1, np.int64)
    median, p95 = np.percentile(all_lengths, (50, 95))
    return Part(len(notes), len(patients), round(median), round(p95), int(all_lengths.max()))
