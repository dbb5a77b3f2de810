"""Rows into the files of an export's tables, CSV or Parquet, a table at a time in bounded memory."""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from data.synthetic.forms.packing import Packing, open_text

_ROWS = 2000  # rows of a Parquet row group


class TableFiles:
    """Open tables of a folder; ``schemas`` are their columns by the name of the file without its ending."""

    def __init__(
        self,
        folder: Path,
        schemas: Mapping[str, pa.Schema],
        packing: Packing,
        stack: contextlib.ExitStack,
        **dialect: Any,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._tables: dict[str, _Csv | _Parquet] = {}
        for name, schema in schemas.items():
            path = folder / packing.name_of(f"{name}.csv")
            parquet = packing is Packing.parquet
            self._tables[name] = _Parquet(path, schema, stack) if parquet else _Csv(path, schema, stack, dialect)

    def add(self, table: str, **values: Any) -> None:
        """Write one row; a column that is not named is missing."""
        self._tables[table].add(values)


class _Csv:
    def __init__(self, path: Path, schema: pa.Schema, stack: contextlib.ExitStack, dialect: dict[str, Any]) -> None:
        options = {"encoding": "utf-8", "missing": "", "delimiter": ","} | dialect
        file = stack.enter_context(open_text(path, options.pop("encoding")))
        self.missing = options.pop("missing")
        self.writer = csv.DictWriter(file, schema.names, restval=self.missing, lineterminator="\n", **options)
        self.writer.writeheader()

    def add(self, values: dict[str, Any]) -> None:
        self.writer.writerow({name: self.missing if value is None else value for name, value in values.items()})


class _Parquet:
    def __init__(self, path: Path, schema: pa.Schema, stack: contextlib.ExitStack) -> None:
        self.schema, self.rows = schema, list[dict[str, Any]]()
        self.writer = stack.enter_context(pq.ParquetWriter(path, schema))
        stack.callback(self.flush)  # before the writer closes

    def add(self, values: dict[str, Any]) -> None:
        self.rows.append(values)
        if len(self.rows) >= _ROWS:
            self.flush()

    def flush(self) -> None:
        if self.rows:
            self.writer.write_table(pa.Table.from_pylist(self.rows, self.schema))
            self.rows.clear()
