"""One table of made-up notes in the formats that are compared, written once and kept in the cache."""

from __future__ import annotations

import json
import re
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.harness.command import say

CSV, JSONL, PARQUET = "NOTEEVENTS.csv", "NOTEEVENTS.jsonl", "NOTEEVENTS.parquet"
_ONCE = 100  # megabytes
_IDS = re.compile(rb"(?m)^(\d+),(\d+),(\d*),")
_COLUMNS = ("SUBJECT_ID", "HADM_ID", "CATEGORY", "TEXT")


def written(megabytes: int) -> Path:
    """The folder of a MIMIC-III release of about ``megabytes`` of notes.

    Of more than ``_ONCE`` the rest are copies under ids of other patients and admissions, which is quicker.
    """
    from data.cache import cached, digest
    from data.synthetic.bulk import write_bulk

    def build(folder: Path) -> None:
        once = min(megabytes, _ONCE)
        say(f"writing {once} MB of made-up notes, {max(1, megabytes // once)} times")
        write_bulk(folder, once << 20, seed=0)
        for path in sorted(folder.iterdir()):
            _repeat(path, megabytes // once)

    return cached("benchmark", digest("reading", megabytes, _ONCE), build)


def _repeat(path: Path, times: int) -> None:
    """Append copies of a table's rows, ``times`` in all."""
    rows = path.read_bytes().partition(b"\n")[2]
    with path.open("ab") as file:
        for copy in range(1, times):
            file.write(_IDS.sub(partial(_others, copy), rows))


def _others(copy: int, ids: re.Match[bytes]) -> bytes:
    """Number, patient and admission of a row, of another of each."""
    row, subject, hadm = ids.groups()
    admission = b"%d" % (int(hadm) + copy * 1_000_000_000) if hadm else b""
    return b"%d,%d,%s," % (int(row) + copy * 10_000_000, int(subject) + copy * 100_000_000, admission)


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
