"""Measures a hospital's notes as the nodes would read them: counts, splits, labels, lengths, repetitions.

Not for: reading them (``data.hospitals``), or what is to be thought of the numbers (``data.check.judge``).
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset

from crossward.config.data_settings import LABEL, DataConfig
from data.check.duplicates import duplicates
from data.check.findings import Checked, Findings, Lengths, Part, Span
from data.check.judge import warnings
from data.check.reading import Reading
from data.hospitals import Hospital, hospital_of, prepare
from data.lengths import histogram, sampled, token_lengths
from data.own_notes import resolved
from data.plan import Plan
from data.quoting import SHARED, is_quotable, no_text_of_others, quoted
from data.sources import separate
from data.tokens import note_room

Ints = npt.NDArray[np.int64]
MEASURED, COMPARED = 20_000, 10_000  # notes whose tokens are counted, whose words are compared
NONE, NOT_NAMED = "none", "not named here"  # no category, and those that may be about one person
_ROWS = 10_000


@no_text_of_others("the notes cannot be checked")
def check_notes(config: DataConfig, hospitals: int | None = None, tokenizer: Any = None) -> Findings:
    """Read the notes as one hospital's (default), or as those of the ``hospitals`` of a simulation.

    ``tokenizer`` is the model's (Hugging Face); without one no lengths in tokens are measured.

    Raises
    ------
    DataError
        they cannot be used; it says what to change.
    """
    apart = separate(config, hospitals) if hospitals is not None else []
    reading, checked = Reading(), []
    given: list[tuple[DataConfig, int | None]] = [(one, None) for one in apart] or [(resolved(config), hospitals)]
    for one, among in given:
        prepared = prepare(one, among)
        folder, found = prepared[0], prepared[1]
        reading.add(folder)
        table = _Table.read(folder)
        checked += [
            _checked(hospital_of(prepared, index, among is None), table, found, index, one, tokenizer)
            for index in range(len(found.names))
        ]
    lists = ", ".join(reading.lists)
    findings = Findings(dict(reading.counts), checked, (), reading.files, tuple(reading.unread), lists)
    return dataclasses.replace(findings, warnings=warnings(findings, given[0][0].notes.knows_patients))


@dataclasses.dataclass(frozen=True)
class _Table:
    """The columns of all cleaned notes but their text: codes of the patients, hashes of the texts, other columns."""

    patients: Ints
    hashes: npt.NDArray[np.uint64]
    columns: dict[str, pa.ChunkedArray]

    @classmethod
    def read(cls, folder: Path) -> _Table:
        with pa.memory_map(str(folder / "notes.arrow")) as file:
            table = pa.ipc.open_stream(file).read_all()
            codes = pc.dictionary_encode(table["patient_id"]).unify_dictionaries()
            patients = np.concatenate([c.indices.to_numpy(zero_copy_only=False) for c in codes.chunks])
            hashes = np.concatenate([chunk.to_numpy() for chunk in table["hash"].chunks])
            names = [name for name in ("category", "kind", "time") if name in table.column_names]
            columns = {name: pa.chunked_array([pa.concat_arrays(table[name].chunks)]) for name in names}
        return cls(patients.astype(np.int64), hashes, columns)

    def count(self, name: str, rows: Ints) -> Counter[str]:
        """Value of a column -> notes among ``rows``."""
        found = pc.value_counts(self.columns[name].take(pa.array(rows)))
        return Counter(dict(zip(found.field(0).to_pylist(), found.field(1).to_pylist(), strict=True)))

    def named(self, name: str, rows: Ints) -> dict[str, int]:
        """The same, most frequent first, under names that may be repeated; the others are one entry."""
        out: Counter[str] = Counter()
        for value, number in self.count(name, rows).items():
            out[self._name(name, value, rows, number)] += number
        return dict(out.most_common())

    def _name(self, name: str, value: str, rows: Ints, number: int) -> str:
        if not value:
            return NONE
        if is_quotable(value):
            return value
        if number < SHARED:
            return NOT_NAMED
        having = pc.equal(self.columns[name].take(pa.array(rows)), value).to_numpy()
        return value if is_quotable(value, len(np.unique(self.patients[rows[having]]))) else NOT_NAMED


def _checked(hospital: Hospital, table: _Table, plan: Plan, index: int, config: DataConfig, tokenizer: Any) -> Checked:
    rows = np.concatenate([plan.train[index], plan.test[index]])
    patients, hashes = table.patients[rows], table.hashes[rows]
    mine = np.isin(table.patients, np.unique(patients))
    labels, held_out = (_labels(parts, hospital, plan) for parts in ((hospital.train, hospital.test), (hospital.test,)))
    categories = table.named("category", rows)
    compared = sampled(len(rows), COMPARED, config.seed)
    return Checked(
        name=hospital.name,
        train=_part(hospital.train),
        test=_part(hospital.test),
        labels=labels,
        held_out_labels=held_out,
        categories=categories,
        common=table.named("kind", rows) if list(categories) != [NONE] else {},
        notes_per_patient=_quantiles(np.unique(patients, return_counts=True)[1]),
        duplicates=duplicates(int(mine.sum()) - len(rows), patients, hashes, compared, _texts(hospital, compared)),
        lengths=None if tokenizer is None else _lengths(hospital, config, tokenizer),
        span=_span(table, rows),
    )


def _labels(parts: Sequence[Dataset], hospital: Hospital, plan: Plan) -> dict[str, int]:
    """Label -> notes of ``parts``, most frequent first, every label of the task among them."""
    if not hospital.labels:
        return {}
    found: Counter[str] = Counter(dict.fromkeys(hospital.labels, 0))
    for part in parts:
        found.update(part["label"])
    ordered = sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))
    return {quoted(name, plan.labels.get(name, 0), hospital.labels): count for name, count in ordered}


def _texts(hospital: Hospital, positions: Ints) -> list[str]:
    """Texts of notes, numbered through training and held-out ones."""
    first = len(hospital.train)
    train, test = positions[positions < first], positions[positions >= first] - first
    return [*hospital.train.select(train)["text"], *hospital.test.select(test)["text"]]


def _lengths(hospital: Hospital, config: DataConfig, tokenizer: Any) -> Lengths:
    """In tokens, of a sample of the training notes."""
    chosen = sampled(len(hospital.train), MEASURED, config.seed)
    lengths = token_lengths(hospital.train.select(chosen), tokenizer)
    fits = note_room(tokenizer, config, hospital.labels)
    divided = config.task != LABEL
    longer = lengths[lengths > fits]
    median, p95, longest = _quantiles(lengths)
    return Lengths(
        measured=len(lengths),
        room=fits,
        max_tokens=config.max_tokens,
        median=median,
        p95=p95,
        longest=longest,
        tokens=int(lengths.sum()),
        longer=len(longer),
        lost=0 if divided else int((longer - fits).sum()),
        divided=divided,
        histogram=tuple(histogram(lengths).tolist()),
    )


def _quantiles(values: npt.NDArray[Any]) -> tuple[int, int, int]:
    """Median, 95 % quantile and most."""
    if not len(values):
        return 0, 0, 0
    median, p95 = np.percentile(values, (50, 95))
    return round(median), round(p95), int(values.max())


def _span(table: _Table, rows: Ints) -> Span | None:
    if "time" not in table.columns:
        return None
    times = table.columns["time"].take(pa.array(rows))
    dated = times.filter(pc.not_equal(times, ""))
    if not len(dated):
        return None
    ends = pc.min_max(dated)
    return Span(ends["min"].as_py()[:10], ends["max"].as_py()[:10], len(rows) - len(dated))


def _part(notes: Dataset) -> Part:
    lengths: list[Ints] = []
    patients: set[str] = set()
    for piece in notes.with_format("arrow").iter(_ROWS):
        lengths.append(pc.utf8_length(piece["text"]).to_numpy().astype(np.int64))
        patients.update(piece["patient_id"].to_pylist())
    all_lengths = np.concatenate(lengths) if lengths else np.zeros(1, np.int64)
    return Part(len(notes), len(patients), *_quantiles(all_lengths))
