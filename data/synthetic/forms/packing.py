"""How the files of an export are written: ``Packing``."""

from __future__ import annotations

import functools
import gzip
from enum import StrEnum
from pathlib import Path
from typing import IO, Any


class Packing(StrEnum):
    """Plain files, gzipped ones, or Parquet in place of CSV."""

    plain = "plain"
    gzip = "gzip"
    parquet = "parquet"

    def name_of(self, name: str) -> str:
        """What a file that is plainly called ``name`` is called."""
        if self is Packing.parquet:
            return f"{name.rpartition('.')[0]}.parquet"
        return f"{name}.gz" if self is Packing.gzip else name


def open_text(path: Path, encoding: str = "utf-8") -> IO[str]:
    """Open a file of an export for writing, gzipped if its name says so."""
    opened: Any = functools.partial(gzip.open, compresslevel=1) if path.suffix == ".gz" else open
    file: IO[str] = opened(path, "wt", encoding=encoding, newline="")
    return file
