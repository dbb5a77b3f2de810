"""What a hospital's notes count in a profile of the consortium: notes by category, label and length, in a fixed order.

The cells are public: they follow from the run's settings alone, so that counts of hospitals can be added without
knowing what any of them has.

Not for: what is done to counts before they leave a hospital (``client_app.profile``), or one hospital's own view
(``data.check``).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset

from crossward.config.data_settings import LABEL, NOTES, DataConfig
from crossward.config.harmonising import CATEGORIES
from data.hospitals import Hospital
from data.labels import LABELS, given_labels
from data.lengths import bucket_names, buckets
from data.quoting import no_text_of_others
from data.tokens import tokenise

Ints = npt.NDArray[np.int64]
ALL, PATIENTS, WHOLE, CATEGORY, LENGTH, LABELLED = "notes", "patients", "all", "category", "length", "label"
NOT_KNOWN = "not known"


@dataclass(frozen=True)
class Layout:
    """The cells of a profile: (group, names), in their order. Every note is in one cell of each group but the first."""

    groups: tuple[tuple[str, tuple[str, ...]], ...]

    @property
    def size(self) -> int:
        """How many cells there are."""
        return sum(len(names) for _, names in self.groups)

    @property
    def fingerprint(self) -> str:
        """Names the cells and their order."""
        return hashlib.sha256(json.dumps(self.groups).encode()).hexdigest()[:16]

    def places(self) -> Iterator[tuple[str, str, int]]:
        """(group, name, place) of every cell."""
        cells = [(group, name) for group, names in self.groups for name in names]
        for place, (group, name) in enumerate(cells):
            yield group, name, place


def layout_of(config: DataConfig, labels: Sequence[str] = ()) -> Layout:
    """The cells of a run with ``config``, whatever source a hospital reads.

    ``labels`` are the label task's, where they are known otherwise; else those that the run names, or none.
    """
    groups = [(WHOLE, (ALL, PATIENTS)), (CATEGORY, (*CATEGORIES, NOT_KNOWN)), (LENGTH, bucket_names())]
    if config.task == LABEL:
        public = LABELS.get(config.label)
        if named := tuple(labels) or given_labels(config) or (public.values if public else ()):
            groups.append((LABELLED, named))
    return Layout(tuple(groups))


@dataclass(frozen=True)
class Notes:
    """A hospital's notes by what is counted: each int64 [notes] and a code within its group, -1 for none.

    ``patients`` are codes of the patients.
    """

    patients: Ints
    groups: dict[str, Ints]

    def counts(self, layout: Layout, among: Ints | None = None) -> Ints:
        """Notes of each cell, int64 [layout.size], and patients; ``among`` are the notes to count (None: all)."""
        chosen = np.arange(len(self.patients)) if among is None else among
        out = [np.array([len(chosen), len(np.unique(self.patients[chosen]))], dtype=np.int64)]
        for group, names in layout.groups[1:]:
            codes = self.groups[group][chosen]
            out.append(np.bincount(codes[codes >= 0], minlength=len(names)))
        return np.concatenate(out)


@no_text_of_others("the notes cannot be counted")
def notes_of(hospital: Hospital, layout: Layout, tokenizer: Any, config: DataConfig) -> Notes:
    """Training and held-out notes of ``hospital``; lengths in tokens of ``tokenizer`` (Hugging Face).

    Raises
    ------
    DataError
        the notes cannot be read or made tokens.
    """
    parts = [part for part in (hospital.train, hospital.test) if len(part)]
    patients = np.unique(np.concatenate([part["patient_id"][:] for part in parts]), return_inverse=True)[1]
    found: dict[str, list[Ints]] = {group: [] for group, _ in layout.groups[1:]}
    for part in parts:
        for group, names in layout.groups[1:]:
            found[group].append(_lengths(part, tokenizer, config) if group == LENGTH else _codes(part, group, names))
    return Notes(patients.astype(np.int64), {group: np.concatenate(codes) for group, codes in found.items()})


def _codes(part: Dataset, group: str, names: Sequence[str]) -> Ints:
    """Code of each note's category or label."""
    column = {CATEGORY: "kind", LABELLED: "label"}[group]
    known = pc.index_in(pa.array(part[column][:], pa.string()), pa.array(list(names), pa.string()))
    other = names.index(NOT_KNOWN) if group == CATEGORY else -1
    return np.asarray(pc.fill_null(known, other).to_numpy(zero_copy_only=False), dtype=np.int64)


def _lengths(part: Dataset, tokenizer: Any, config: DataConfig) -> Ints:
    """Bucket of each note's length: of the tokens that a training of the notes task would find in the cache, too."""
    tokens = tokenise(part, tokenizer, replace(config, task=NOTES))
    return buckets(np.diff(tokens.offsets) - len(tokens.frame.stop))
