"""One rule of when two ids are the same, for every place that reads, joins or splits by them.

An id is its text without outer white space. If that is a whole number, however it is written (``7``, ``7.0``, ``007``,
``+7``, ``7e0``), it is that number: tools write the same column as whole numbers or as floats, depending on whether a
value is missing. So a patient of two spellings is one, on one side of the split. Where two people are taken for one,
nobody is seen on both sides of it either.

Labels, sites and flags keep leading zeros and exponents, which may be codes; of them only ``7.0`` becomes ``7``.
"""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from data.errors import DataError

Ids = npt.NDArray[np.int64]
Column = Any  # pyarrow's Array or ChunkedArray of strings
_EXPONENT = r"^[+-]?[0-9]+(\.[0-9]*)?[eE][+-]?[0-9]{1,2}$"


def without_decimals(column: Column) -> Column:
    """Text values without outer white space; a whole number without its decimal zeros."""
    trimmed = pc.utf8_trim_whitespace(column)
    return pc.replace_substring_regex(trimmed, r"^([+-]?[0-9]+)\.0*$", r"\1")


def same_ids(column: Column) -> Column:
    """Ids as text, by the rule of this module."""
    ids = without_decimals(column)
    ids = pc.replace_substring_regex(ids, r"^\+?(-?)0*([0-9]+)$", r"\1\2")
    scientific = pc.match_substring_regex(ids, _EXPONENT)
    if pc.any(scientific).as_py():
        ids = pc.replace_with_mask(_one(ids), _one(scientific), pa.array(_plain(ids.filter(scientific)), pa.string()))
    return ids


def _one(column: Column) -> pa.Array:
    found = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return pa.concat_arrays(found.chunks) if isinstance(found, pa.ChunkedArray) else found


def _plain(values: Column) -> list[str]:
    """Numbers with an exponent as whole numbers, where they are whole."""
    texts = values.to_pylist()
    numbers = [Decimal(text) for text in texts]
    return [str(int(n)) if n == n.to_integral_value() else text for n, text in zip(numbers, texts, strict=True)]


def as_ids(column: Column, path: Path, name: str, lines: Column | None = None) -> Ids:
    """Integer ids of a text column; -1 where it is empty. ``lines`` are those of the file, for messages.

    Raises
    ------
    DataError
        something else than whole numbers is in it.
    """
    ids = same_ids(column)
    try:
        found: Ids = pc.cast(pc.if_else(pc.equal(ids, ""), "-1", ids), pa.int64()).to_numpy()
        return found
    except pa.ArrowInvalid:
        bad = next((i for i, v in enumerate(ids.to_pylist()) if v and not re.fullmatch(r"-?\d{1,18}", v)), 0)
        where = f"line {lines[bad].as_py()}" if lines is not None else f"row {bad + 1}"
        raise DataError(
            f"{path}: column {name!r} holds no whole number on {where}, but {_likeness(ids[bad].as_py())}. Repair that "
            "row, or export the file again."
        ) from None


def _likeness(value: str) -> str:
    """What ``value`` is like, without repeating it."""
    if re.fullmatch(r"[+-]?\d+", value):
        return f"a number of {len(value)} digits"
    if re.fullmatch(r"[+-]?\d*\.\d+([eE][+-]?\d+)?", value):
        return "a number with decimals"
    kind = "letters and digits" if value.isalnum() and not value.isalpha() else "letters" if value.isalpha() else ""
    return f"a text of {len(value)} {kind or 'characters'}"
