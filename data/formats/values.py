"""Values of tables and of JSON as text: a path into what is nested, missing values, and what is no text.

A column may be named by a path: ``text.body`` is a field of an object, ``parts[]`` the elements of a list joined by
line breaks, ``messages[].content`` a field of each. Not for ids and labels: see ``data.ids``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from data.formats.form import Form
from data.quarantine import Intake
from data.quoting import listed

NOT_TEXT, NO_COLUMN = "a value that is no text", "without a column"
ABSENT = object()


class NotTextError(ValueError):
    """A value that cannot be a note or an id; the message says what it is and what to name instead."""


def at_path(row: Mapping[str, Any], name: str) -> Any:
    """The value of ``row`` at ``name``, a key in any case or a path; ``ABSENT`` where there is none."""
    if name in row:
        return row[name]
    for key in row:
        if key.strip().lower() == name.lower():
            return row[key]
    first, separator, rest = _first_step(name)
    if not separator and not first.endswith("[]"):
        return ABSENT
    value = at_path(row, first.removesuffix("[]"))
    if value is ABSENT or value is None:
        return value
    if not first.endswith("[]"):
        return at_path(value, rest) if isinstance(value, Mapping) else ABSENT
    return _joined(value, rest, name)


def _first_step(name: str) -> tuple[str, str, str]:
    return name.partition(".")


def _joined(value: Any, rest: str, name: str) -> Any:
    """The elements of a list, or what is at ``rest`` in each, joined by line breaks."""
    if not isinstance(value, Sequence) or isinstance(value, str):
        return value
    found = [at_path(one, rest) if rest and isinstance(one, Mapping) else one for one in value]
    return "\n".join(as_text(one, name) for one in found if one is not ABSENT and one is not None)


def as_text(value: Any, name: str) -> str:
    """A single value as text.

    Raises
    ------
    NotTextError
        it is an object or a list.
    """
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        keys = [str(key) for key in value]
        raise NotTextError(
            f"{name!r} holds an object of {len(keys)} fields ({listed(keys)}): name one of them, as in '{name}.body'"
        )
    if isinstance(value, list | tuple):
        inner = value[0] if value else ""
        path = f"{name}[].content" if isinstance(inner, Mapping) else f"{name}[]"
        raise NotTextError(f"{name!r} holds a list of {len(value)}: '{path}' joins its elements by line breaks")
    if isinstance(value, bytes):
        raise NotTextError(f"{name!r} holds bytes")
    return str(value)


def without_nulls(table: pa.Table, form: Form, intake: Intake) -> pa.Table:
    """``table`` with words for a missing value, and nulls, as empty text, and each counted by its column."""
    words = pa.array(form.words, pa.string())
    for at, name in enumerate(table.column_names):
        column = table[name]
        if not pa.types.is_string(column.type):
            continue
        mask = pc.or_(pc.is_null(column), pc.is_in(column, words))
        if count := pc.sum(mask).as_py():
            intake.missing(name, count)
            table = table.set_column(at, name, pc.if_else(mask, "", column))
    return table
