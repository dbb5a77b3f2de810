"""Rows whose columns the configuration names: those of one CSV or JSONL file."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from crossward.config.data_settings import DataConfig
from data.csv_files import stream_csv
from data.ids import same_ids, without_decimals
from data.jsonl_files import stream_jsonl
from data.readers.pieces import Counts


def read_rows(
    stream: Callable[[Path, Sequence[str], str], Iterator[pa.Table]], path: Path, config: DataConfig, counts: Counts
) -> Iterator[pa.Table]:
    """Pieces of the rows at ``path``; without a patient column each is a separate patient, its category is its site.

    ``stream`` yields the columns it is asked for, in tables of text: (path, column names, encoding).
    """
    label = config.label_column
    site_from = config.grouping_column
    roles = (config.text_column, config.patient_column, site_from, label)
    for piece in stream(path, list(dict.fromkeys(c for c in roles if c)), config.encoding):
        start, rows = counts["read"], piece.num_rows
        counts["read"] += rows
        numbers = pa.array([f"row-{start + i + 1}" for i in range(rows)], pa.string())
        empty = pa.array([""] * rows, pa.string())
        patients = same_ids(piece[config.patient_column]) if config.patient_column else numbers
        site = without_decimals(piece[site_from]) if site_from else empty
        yield pa.table(
            {
                "note_id": numbers,
                "patient_id": patients,
                "site": site,
                "category": site,
                "label": without_decimals(piece[label]) if label else empty,
                "text": piece[config.text_column],
            }
        )


read_csv = functools.partial(read_rows, stream_csv)
read_jsonl = functools.partial(read_rows, stream_jsonl)
