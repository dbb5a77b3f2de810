"""Texts of a table as numbers and times, whole columns at once: ``numbers``, ``seconds``.

What cannot be read is missing, and a mask says which: the caller counts it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Column = Any  # pyarrow's Array or ChunkedArray of strings
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
NO_TIME = np.iinfo(np.int64).min
_DAY = 86_400
_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?$"
_ISO = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?)?(Z|[+-][0-9]{2}:?[0-9]{2})?$"
DATE = r"^([0-9]{4}-[0-9]{1,2}-[0-9]{1,2}|[0-9]{1,2}[./-][0-9]{1,2}[./-]([0-9]{4}|[0-9]{2}))([T ].*)?$"
"""A day as people write it, with or without a time."""


def numbers(column: Column, decimal: str = ".") -> Floats:
    """Values as float64, NaN where there is none; ``<0.01`` and ``>90`` are 0.01 and 90."""
    found = pc.utf8_trim_whitespace(_plain(column))
    found = pc.replace_substring_regex(found, r"^[<>]=?\s*", "")
    if decimal != ".":
        dotted = pc.replace_substring(found, decimal, ".")
        found = pc.if_else(pc.match_substring(found, "."), "", dotted)  # 1.234,5 could be anything
    values = pc.cast(pc.if_else(pc.match_substring_regex(found, _NUMBER), found, None), pa.float64())
    values = values.to_numpy(zero_copy_only=False).astype(np.float64, copy=True)
    values[~np.isfinite(values)] = np.nan
    return values  # type: ignore[no-any-return]


def seconds(column: Column, formats: tuple[str, ...] = (), *, end_of_day: bool = False) -> Ints:
    """Times as seconds since 1970 by the clock of the place, ``NO_TIME`` where they cannot be read.

    ISO 8601 to the second, whose offset is not looked at, or ``formats`` of ``strptime``. A day without a time is its
    beginning, or its end with ``end_of_day``.
    """
    coded = _plain(column).dictionary_encode()  # many values have the same time
    texts = pc.utf8_trim_whitespace(coded.dictionary)
    found = np.full(len(texts), NO_TIME)
    for stated in (*formats, ""):
        times, is_day = _in_format(texts, stated)
        fresh = ~pc.is_null(times).to_numpy(zero_copy_only=False) & (found == NO_TIME)
        values = pc.fill_null(pc.cast(times, pa.int64()), 0).to_numpy(zero_copy_only=False)
        found[fresh] = (values + np.where(is_day & end_of_day, _DAY - 1, 0))[fresh]
    places: Ints = coded.indices.to_numpy().astype(np.int64)
    return found[places]


def by_value(column: Column, change: Callable[[pa.Array], pa.Array]) -> pa.Array:
    """``column`` with its values changed; ``change`` is given each distinct one once."""
    coded = _plain(column).dictionary_encode()
    return _plain(change(coded.dictionary)).take(coded.indices)


def _in_format(texts: pa.Array, stated: str) -> tuple[pa.Array, npt.NDArray[np.bool_]]:
    """Times in one format, or ISO 8601, null where they are not in it; and which of them are days alone."""
    if stated:
        has_time = bool(re.search(r"%[HITRXcs]", stated))
        return pc.strptime(texts, format=stated, unit="s", error_is_null=True), np.full(len(texts), not has_time)
    iso = pc.if_else(pc.match_substring_regex(texts, _ISO), pc.utf8_slice_codeunits(texts, 0, 19), None)
    is_day = pc.fill_null(pc.less(pc.utf8_length(iso), 16), False).to_numpy(zero_copy_only=False)
    iso = pc.if_else(pa.array(is_day), pc.utf8_slice_codeunits(iso, 0, 10), iso)  # of 2020-01-01Z
    iso = pc.replace_substring_regex(iso, r"^(.{16})[^:].*$", r"\1")  # of 2020-01-01T10:00Z
    try:
        return pc.cast(iso, pa.timestamp("s")), is_day
    except pa.ArrowInvalid:  # a 30th of February: one by one
        return pa.array([_timestamp(text) for text in iso.to_pylist()], pa.timestamp("s")), is_day


def _timestamp(text: str | None) -> Any:
    try:
        return pc.cast(pa.scalar(text), pa.timestamp("s")).as_py()
    except pa.ArrowInvalid:
        return None


def _plain(column: Column) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
