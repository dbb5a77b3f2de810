"""``TextLookup`` joins a table whose ids are texts to a stream, as ``data.tables.Lookup`` does for whole numbers.

An id is known by 63 bits of its hash: of a hundred million ids two share theirs with a chance of one in two thousand.
"""

from __future__ import annotations

import array
import hashlib
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from data.tables import Lookup


def hashes(ids: Iterable[str]) -> npt.NDArray[np.int64]:
    """63 bits for each id, -1 for an empty one."""
    return np.fromiter((_hash(one) if one else -1 for one in ids), np.int64)


def _hash(text: str) -> int:
    raw = text.encode("utf-8", "surrogatepass")  # half a character is an id as well
    return int.from_bytes(hashlib.blake2b(raw, digest_size=8).digest(), "little") >> 1


class TextLookup:
    """Text values by text id: 12 bytes an id and each distinct value once; the first of several wins."""

    def __init__(self) -> None:
        self._ids, self._codes = array.array("q"), array.array("i")
        self._values: dict[str, int] = {}
        self._lookup: Lookup | None = None

    def add(self, key: str, value: str) -> None:
        """Note the value of an id; nothing is added once something was looked up."""
        self._ids.append(int(hashes([key])[0]))
        value = value.encode("utf-8", "replace").decode()  # half a character is none that Arrow takes
        self._codes.append(self._values.setdefault(value, len(self._values)))

    def get(self, keys: Iterable[str]) -> pa.Array:
        """The value of each id; "" where there is none."""
        if self._lookup is None:
            codes = pa.array(np.array(self._codes, dtype=np.int32))
            values = pa.DictionaryArray.from_arrays(codes, pa.array(list(self._values), pa.string()))
            self._lookup = Lookup(np.array(self._ids, dtype=np.int64), pa.chunked_array([values.cast(pa.string())]))
            self._ids, self._codes = array.array("q"), array.array("i")
        return self._lookup.get(hashes(keys))
