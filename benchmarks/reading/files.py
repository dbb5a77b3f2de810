"""One table of made-up notes in the formats that are compared, written once and kept in the cache."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.harness.command import say

CSV, JSONL, PARQUET = "NOTEEVENTS.csv", "NOTEEVENTS.jsonl", "NOTEEVENTS.parquet"
_COLUMNS = ("SUBJECT_ID", "HADM_ID", "CATEGORY", "TEXT")


def written(megabytes: int) -> Path:
    """The folder of a MIMIC-III release of about ``megabytes`` of notes; beside it, in a folder, the other formats."""
    from data.cache import cached, digest
    from data.synthetic.bulk import write_bulk

    def build(folder: Path) -> None:
        say(f"writing {megabytes} MB of made-up notes")
        write_bulk(folder, megabytes << 20, seed=0)

    return cached("benchmark", digest("reading", megabytes), build)


def converted(release: Path, megabytes: int) -> dict[str, Path]:
    """The notes of ``release`` by format, each with all of the compared columns."""
    from data.cache import cached, digest
    from data.csv_files import stream_csv

    def build(folder: Path) -> None:
        say("writing them as JSON and Parquet")
        schema = pa.schema([(name, pa.string()) for name in _COLUMNS])
        with (folder / JSONL).open("w", encoding="utf-8") as lines, pq.ParquetWriter(folder / PARQUET, schema) as table:
            for piece in stream_csv(release / CSV, _COLUMNS):
                named = piece.select(_COLUMNS)
                table.write_table(named)
                lines.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in named.to_pylist())

    folder = cached("benchmark", digest("reading formats", megabytes), build)
    return {CSV: release / CSV, JSONL: folder / JSONL, PARQUET: folder / PARQUET}
