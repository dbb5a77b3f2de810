"""The tables of a release: where they are in its folder, and ``Lookup``, which joins a small one to a stream.

Not for: reading their files (``data.csv_files``) nor what the columns mean: see the readers.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from data.errors import DataError


def find_table(folder: Path, name: str) -> Path | None:
    """The file NAME.csv or NAME.csv.gz in ``folder`` or a folder of it, in any case; None if it holds none."""
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder. Set data.path to the folder that holds {name.upper()}.csv(.gz).")
    wanted = {f"{name}.csv".lower(), f"{name}.csv.gz".lower()}
    found = sorted(
        (p for p in itertools.chain(folder.iterdir(), folder.glob("*/*")) if p.name.lower() in wanted and p.is_file()),
        key=lambda p: (len(p.parts), p.name),
    )
    return found[0] if found else None


def needed_table(folder: Path, name: str) -> Path:
    """As :func:`find_table`, for a table without which the notes cannot be read."""
    if path := find_table(folder, name):
        return path
    there = ", ".join(sorted(p.name for p in folder.iterdir())[:12]) or "nothing"
    raise DataError(
        f"{folder}: holds no {name.upper()}.csv or {name.upper()}.csv.gz (it holds {there}). "
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

    def get(self, ids: npt.NDArray[np.int64]) -> pa.Array:
        """The value of each id; "" where there is none."""
        if not len(self._ids):
            return pa.array([""] * len(ids), pa.string())
        at = np.minimum(np.searchsorted(self._ids, ids), len(self._ids) - 1)
        codes = np.where(self._ids[at] == ids, self._codes[at], len(self._values) - 1)
        return self._values.take(pa.array(codes, pa.int64()))
