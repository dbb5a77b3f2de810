"""Raw notes of any source -> one Arrow file of cleaned notes in the cache, written in one pass in little memory.

The file (``notes.arrow``, an IPC stream for memory-mapping) has the readers' columns and ``hash``; ``counts.json``
beside it says how many notes were read and why others were left out, ``quarantine.jsonl`` and ``reading.json`` which
rows could not be read and what the files are like (``data.quarantine``). Not for splits: see hospitals.py.
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
from data.cache import cached, digest, stamp
from data.cleaning import clean, text_hashes
from data.errors import DataError
from data.filters import Filters
from data.harmonise import Harmoniser
from data.quarantine import write_report
from data.quoting import listed, no_text_of_others
from data.readers import COLUMNS, Counts
from data.sources import read, stamps_of, vocabularies

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


def _kept(pieces: Iterator[pa.Table], used: Filters, counts: Counts) -> Iterator[pa.Table]:
    for piece in map(used, pieces):
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
    harmonise, used = Harmoniser(config), Filters(config, counts)
    pieces = harmonise(read(path, config, counts))
    with pa.OSFile(str(folder / "notes.arrow"), "wb") as sink, pa.ipc.new_stream(sink, SCHEMA) as writer:
        for piece in _kept(pieces, used, counts):
            counts["kept"] += piece.num_rows
            writer.write_table(piece)
            if counts["read"] - reported >= _REPORT_EVERY:
                reported = counts["read"]
                log.info("%s: %d notes read, %d kept", path, counts["read"], counts["kept"])
    log.info("%s: %s", path, ", ".join(f"{number} {reason}" for reason, number in counts.items()))
    reports = harmonise.reports()
    for said in reports:
        log.warning("%s: %s", path, said)
    if not counts["kept"]:
        reasons = ", ".join(f"{number} {why}" for why, number in counts.items() if why not in ("read", "kept"))
        found = {category: len(used.seen[category]) for category in sorted(used.seen)}
        kinds = f" Note types found: {listed(found, config.note_types.split(','))}." if found else ""
        raise DataError(
            f"{path}: no usable note of {counts['read']} rows ({reasons or 'the file has no rows'}).{kinds} "
            "Loosen data.note-types, data.labels or data.note-hours, or check the columns named in data.*-column."
            + "".join(f" {said}." for said in reports)
        )
    (folder / "counts.json").write_text(json.dumps(counts))
    write_report(folder, counts.quarantined, counts.facts)


def notes_file(path: Path, config: DataConfig) -> Path:
    """The folder of cleaned notes of ``path``, built unless it is in the cache."""
    if not SOURCES[config.source].is_url and not path.exists():
        raise DataError(f"{path}: no such file or folder. Set data.path to where the {config.source} notes are.")
    source = SOURCES[config.source]
    if source.is_folder and not source.may_be_file and path.is_file():
        path = path.parent
    stamps = [*stamps_of(path, config), *map(stamp, vocabularies(config))]
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
