"""Raw notes of any source -> one Arrow file of cleaned notes in the cache, written in one pass in little memory.

The file (``notes.arrow``, an IPC stream for memory-mapping) has the readers' columns and ``hash``; ``counts.json``
beside it says how many notes were read and why others were left out. Not for splits: see hospitals.py.
"""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from crossward.config.data_settings import LABEL, DataConfig
from crossward.config.data_sources import SOURCES
from crossward.config.harmonising import DISCHARGE
from data.cache import cached, digest, stamp
from data.cleaning import clean, text_hashes
from data.errors import DataError
from data.harmonise import harmonised
from data.labels import given_labels
from data.quoting import SHARED, listed, no_text_of_others
from data.readers import COLUMNS, Counts
from data.sources import files, public_label, read, vocabularies

log = logging.getLogger("crossward.data")

SCHEMA = pa.schema([*((name, pa.string()) for name in (*COLUMNS, "kind")), ("hash", pa.uint64())])
_REPORT_EVERY = 200_000
# what of the configuration changes the file: not splits, partitions or tokens
_FIELDS = (
    "grouping_column",
    "task",
    "label",
    "note_types",
    "keep_discharge_summaries",
    "note_hours",
)
Seen = dict[str, set[str]]  # note type -> patients who have notes of it, of many some


def drops_discharge_summaries(config: DataConfig) -> bool:
    """Whether discharge summaries are left out because they state the outcome to be predicted."""
    label = public_label(config) if config.task == LABEL else None
    return label is not None and label.in_summaries and not config.keep_discharge_summaries


def _note_types(piece: pa.Table, seen: Seen) -> None:
    """Add the note types of ``piece`` to ``seen``, and of the patients who have each as many as matter."""
    pairs = piece.select(["category", "patient_id"]).group_by(["category", "patient_id"]).aggregate([])
    for category, patient in zip(pairs["category"].to_pylist(), pairs["patient_id"].to_pylist(), strict=True):
        if len(patients := seen.setdefault(category, set())) < SHARED:
            patients.add(patient)


def _of_kinds(piece: pa.Table, kinds: set[str]) -> pa.Array | pa.ChunkedArray:
    """Where a note's category is one of ``kinds``: its own, or the common one."""
    asked = pa.array(sorted(kinds), pa.string())
    own = pc.is_in(pc.utf8_lower(piece["category"]), asked)
    return pc.or_(own, pc.is_in(piece["kind"], asked))


def _kept(pieces: Iterator[pa.Table], config: DataConfig, counts: Counts, seen: Seen) -> Iterator[pa.Table]:
    types = {kind.strip().lower() for kind in config.note_types.split(",") if kind.strip()}
    include = {kind.strip().lower() for kind in config.notes.include}
    labels = pa.array(given_labels(config), pa.string())
    for piece in pieces:
        if include:
            piece = counts.keep(piece, _of_kinds(piece, include), "of a category not included here")
        if types:
            _note_types(piece, seen)
            piece = counts.keep(piece, _of_kinds(piece, types), "of another note type")
        if drops_discharge_summaries(config):
            summary = pc.match_substring(pc.utf8_lower(piece["category"]), "discharge")
            summary = pc.or_(summary, pc.equal(piece["kind"], DISCHARGE))
            piece = counts.keep(piece, pc.invert(summary), "discharge summary, which states the outcome")
        if config.task == LABEL:
            piece = counts.keep(piece, pc.not_equal(piece["label"], ""), "without a label")
            if len(labels):
                piece = counts.keep(piece, pc.is_in(piece["label"], labels), "label not in data.labels")
        piece = counts.keep(piece, pc.not_equal(piece["patient_id"], ""), "without a patient")
        if not piece.num_rows:
            continue
        piece = piece.combine_chunks()
        texts = clean(piece["text"].chunk(0))
        piece = piece.set_column(piece.schema.get_field_index("text"), "text", texts)
        piece = piece.append_column("hash", pa.array(text_hashes(texts), pa.uint64()))
        piece = counts.keep(piece, pc.not_equal(piece["text"], ""), "empty")
        yield piece.select(SCHEMA.names).cast(SCHEMA)


def _write(folder: Path, path: Path, config: DataConfig) -> None:
    counts, reported = Counts(), 0
    seen: Seen = {}
    pieces = harmonised(read(path, config, counts), config, counts)
    with pa.OSFile(str(folder / "notes.arrow"), "wb") as sink, pa.ipc.new_stream(sink, SCHEMA) as writer:
        for piece in _kept(pieces, config, counts, seen):
            counts["kept"] += piece.num_rows
            writer.write_table(piece)
            if counts["read"] - reported >= _REPORT_EVERY:
                reported = counts["read"]
                log.info("%s: %d notes read, %d kept", path, counts["read"], counts["kept"])
    log.info("%s: %s", path, ", ".join(f"{number} {reason}" for reason, number in counts.items()))
    if not counts["kept"]:
        reasons = ", ".join(f"{number} {why}" for why, number in counts.items() if why not in ("read", "kept"))
        found = {category: len(seen[category]) for category in sorted(seen)}
        kinds = f" Note types found: {listed(found, config.note_types.split(','))}." if seen else ""
        raise DataError(
            f"{path}: no usable note of {counts['read']} rows ({reasons or 'the file has no rows'}).{kinds} "
            "Loosen data.note-types, data.labels or data.note-hours, or check the columns named in data.*-column."
        )
    (folder / "counts.json").write_text(json.dumps(counts))


def notes_file(path: Path, config: DataConfig) -> Path:
    """The folder of cleaned notes of ``path``, built unless it is in the cache."""
    if not path.exists():
        raise DataError(f"{path}: no such file or folder. Set data.path to where the {config.source} notes are.")
    if SOURCES[config.source].is_folder and path.is_file():
        path = path.parent
    stamps = [stamp(p) for p in (*files(path, config), *vocabularies(config))]
    settings = {name: getattr(config, name) for name in _FIELDS}
    key = digest(
        "notes",
        stamps,
        dataclasses.asdict(config.notes) | {"file": ""},
        settings,
        config.labels if config.task == LABEL else "",
    )
    with no_text_of_others(f"{path}: the notes cannot be read"):
        return cached("notes", key, lambda folder: _write(folder, path, config))
