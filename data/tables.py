"""The tables of a release: where they are in its folder, and ``Lookup``, which joins a small one to a stream.

Not for: reading their files (``data.release_files``) nor what the columns mean: see the readers.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from data.errors import DataError

_ENDINGS = r"\.(?:csv|csv\.gz|parquet)"
_UNFINISHED = (".part", ".partial", ".crdownload", ".download", ".tmp")  # of a download that goes on, or was broken off


def find_table(folder: Path, name: str) -> Path | None:
    """The file of table ``name`` in ``folder`` or a folder of it, in any case; None if it holds none.

    It is called NAME.csv, NAME.csv.gz or NAME.parquet, or as exports of a database are: SCHEMA.NAME.csv,
    NAME_202601311200.csv.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder. Set data.path to the folder that holds {name.upper()}.csv(.gz).")
    plain = re.compile(f"{name}{_ENDINGS}", re.IGNORECASE)
    exported = re.compile(rf"(?:\w+\.)?{name}(?:_\d{{8,}})?{_ENDINGS}", re.IGNORECASE)
    files = [p for p in itertools.chain(folder.iterdir(), folder.glob("*/*")) if exported.fullmatch(p.name)]
    found = sorted(
        (p for p in files if p.is_file()),
        key=lambda p: (plain.fullmatch(p.name) is None, len(p.parts), p.name),
    )
    return found[0] if found else None


def needed_table(folder: Path, name: str) -> Path:
    """As :func:`find_table`, for a table without which the notes cannot be read."""
    if path := find_table(folder, name):
        return path
    files = sorted(p.name for p in folder.rglob("*") if name.lower() in p.name.lower())
    if unfinished := [file for file in files if file.lower().endswith(_UNFINISHED)]:
        raise DataError(f"{folder}: {unfinished[0]} is a download that was not finished. Finish it, or fetch it again.")
    there = ", ".join(sorted(p.name for p in folder.iterdir())[:12]) or "nothing"
    raise DataError(
        f"{folder}: holds no {name.upper()}.csv, {name.upper()}.csv.gz or {name.upper()}.parquet (it holds {there}). "
        "Set data.path to the folder of the release."
    )


class Lookup:
    """Text values by integer id, in arrays: 12 bytes an id and each distinct value once; the first one wins."""

    def __init__(self, ids: npt.NDArray[np.int64], values: pa.ChunkedArray) -> None:
        values = values.filter(pa.array(ids >= 0))
        ids = ids[ids >= 0]
        order = np.argsort(ids, kind="stable")
        self._ids, first = np.unique(ids[order], return_index=True)
        coded = values.combine_chunks().dictionary_encode()
        coded = coded.combine_chunks() if isinstance(coded, pa.ChunkedArray) else coded
        self._codes = coded.indices.to_numpy(zero_copy_only=False)[order][first]
        self._values = pa.concat_arrays([coded.dictionary.cast(pa.string()), pa.array([""], pa.string())])

    def map(self, change: Callable[[pa.Array], pa.Array]) -> Lookup:
        """The same ids with changed values: ``change`` is given each distinct value once."""
        changed = change(self._values.slice(0, len(self._values) - 1))
        return Lookup(self._ids, pa.chunked_array([changed.take(pa.array(self._codes, pa.int64()))]))

    def get(self, ids: npt.NDArray[np.int64]) -> pa.Array:
        """The value of each id; "" where there is none."""
        if not len(self._ids):
            return pa.array([""] * len(ids), pa.string())
        at = np.minimum(np.searchsorted(self._ids, ids), len(self._ids) - 1)
        codes = np.where(self._ids[at] == ids, self._codes[at], len(self._values) - 1)
        return self._values.take(pa.array(codes, pa.int64()))
