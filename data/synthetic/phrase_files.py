"""Reads the phrase tables, ``phrases/*.toml``, into frozen dataclasses: ``load``. A module keeps what it loads."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from crossward.machine.text import TextError, read_toml
from data.errors import DataError

FOLDER = Path(__file__).with_name("phrases")
T = TypeVar("T")


def load(kind: type[T], name: str) -> T:
    """The dataclass ``kind`` from ``phrases/<name>.toml``.

    Raises
    ------
    DataError
        the file cannot be read; a key is missing, unknown or of another type than its field.
    """
    try:
        table = read_toml(path := FOLDER / f"{name}.toml")
    except TextError as error:
        raise DataError(f"{error}. It ships with the app: install it again.") from error
    found: T = _typed(kind, table, str(path))
    return found


def _typed(hint: Any, value: Any, where: str) -> Any:
    """``value`` as ``hint`` asks: a dataclass, mapping, tuple, literal, number or text."""
    origin, args = get_origin(hint), get_args(hint)
    if dataclasses.is_dataclass(hint) and isinstance(value, dict):
        return _fields(hint, value, where)
    if origin is Mapping and isinstance(value, dict):
        return {key: _typed(args[1], item, f"{where}: {key}") for key, item in value.items()}
    if origin is tuple and isinstance(value, list):
        kinds = args[:1] * len(value) if args[-1] is Ellipsis else args
        if len(kinds) == len(value):
            pairs = enumerate(zip(kinds, value, strict=True))
            return tuple(_typed(kind, item, f"{where}[{at}]") for at, (kind, item) in pairs)
    if origin is Literal and value in args:
        return value
    if hint is float and type(value) is int:
        return float(value)
    if type(value) is hint:
        return value
    expected = hint.__name__ if isinstance(hint, type) and not args else str(hint)
    raise DataError(f"{where}: expected {expected}, found {type(value).__name__} {value!r}")


def _fields(cls: Any, table: dict[str, Any], where: str) -> Any:
    hints, fields = get_type_hints(cls), {field.name: field for field in dataclasses.fields(cls)}
    if unknown := sorted(table.keys() - fields.keys()):
        raise DataError(f"{where}: unknown key {unknown[0]!r}; known are {', '.join(fields)}")
    for name, field in fields.items():
        if name not in table and field.default is dataclasses.MISSING:
            raise DataError(f"{where}: the key {name!r} is missing")
    return cls(**{name: _typed(hints[name], value, f"{where}: {name}") for name, value in table.items()})
