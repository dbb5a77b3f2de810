"""Ways to read a table of notes: ours, pandas' and DuckDB's, each streaming four columns as text, and ours as a whole.

Each touches every text and returns the number of rows and of the texts' characters, so that all have done the same.
Not for: timing them (``benchmarks.reading``).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from benchmarks.harness.figures import Row
from benchmarks.reading.files import CSV, JSONL, PARQUET

COLUMNS = ("subject_id", "hadm_id", "category", "text")
_ROWS = 5_000  # of a piece, where the way takes that
Seen = tuple[int, int]


def ours(path: Path) -> Seen:
    """``stream_table``: format, encoding and delimiter found out, every row checked, lines known."""
    import pyarrow.compute as pc

    from data.formats.form import Form
    from data.formats.tables import stream_table

    rows = characters = 0
    for piece in stream_table(path, COLUMNS, Form()):
        rows += piece.num_rows
        characters += pc.sum(pc.utf8_length(piece["text"])).as_py()
    return rows, characters


def pandas(path: Path) -> Seen:
    """``read_csv`` and ``read_json`` by pieces; Parquet by row groups, as pandas itself reads none in pieces."""
    import pandas as pd
    import pyarrow.parquet as pq

    if path.name == CSV:
        pieces = pd.read_csv(path, usecols=[c.upper() for c in COLUMNS], dtype=str, chunksize=_ROWS)
    elif path.name == JSONL:
        pieces = pd.read_json(path, lines=True, dtype=str, chunksize=_ROWS)
    else:
        pieces = (b.to_pandas() for b in pq.ParquetFile(path).iter_batches(_ROWS, columns=[c.upper() for c in COLUMNS]))
    rows = characters = 0
    for piece in pieces:
        rows += len(piece)
        characters += int(piece["TEXT"].str.len().sum())
    return rows, characters


def duckdb(path: Path) -> Seen:
    """``read_csv``, ``read_json`` and ``read_parquet`` on one thread, fetched as Arrow batches."""
    import duckdb as database
    import pyarrow.compute as pc

    table = {
        CSV: f"read_csv('{path}', all_varchar=true, header=true)",
        JSONL: f"read_json('{path}', format='newline_delimited', maximum_object_size=67108864)",
        PARQUET: f"read_parquet('{path}')",
    }[path.name]
    connection = database.connect(config={"threads": 1})
    query = connection.sql(f"SELECT {', '.join(COLUMNS)} FROM {table}")  # noqa: S608 - a file of ours
    rows = characters = 0
    for batch in query.to_arrow_reader(_ROWS):
        rows += batch.num_rows
        characters += pc.sum(pc.utf8_length(batch.column(len(COLUMNS) - 1))).as_py()
    return rows, characters


def whole(path: Path) -> Seen:
    """All that is done before training: joined, harmonised, cleaned, shared out to four hospitals, in the cache."""
    from data import DataConfig, load_hospitals

    hospitals = load_hospitals(DataConfig(source="mimic-iii", path=str(path.parent)), 4)
    return sum(len(h.train) + len(h.test) for h in hospitals), 0


WAYS: dict[str, Callable[[Path], Seen]] = {"ours": ours, "pandas": pandas, "DuckDB": duckdb}
WHOLE = "ours, up to the notes of four hospitals"


def run(way: str, path: Path) -> Row:
    """Read ``path`` in this process; the figures."""
    import time

    from benchmarks.harness.peak import own_peak

    began, worked = time.perf_counter(), time.process_time()
    rows, characters = (whole if way == WHOLE else WAYS[way])(path)
    worked, seconds = time.process_time() - worked, time.perf_counter() - began
    size = path.stat().st_size
    return {
        "rows": rows,
        "characters": characters,
        "megabytes": size / 1e6,
        "seconds": seconds,
        "processor_seconds": worked,
        "rows_per_second": rows / worked,
        "megabytes_per_second": size / 1e6 / worked,
        "peak_mb": own_peak(),
    }
