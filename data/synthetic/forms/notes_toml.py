"""Writes the ``notes.toml`` beside an export that says what it is: ``as_toml``.

Not for: reading one (``crossward.config.notes_toml``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def as_toml(notes: Mapping[str, Any]) -> str:
    """``notes`` (texts, lists of texts, and tables of them) as TOML."""
    return "\n".join(_lines(notes, "")).strip() + "\n"


def _lines(table: Mapping[str, Any], name: str) -> list[str]:
    plain = {key: value for key, value in table.items() if not isinstance(value, Mapping)}
    tables = {key: value for key, value in table.items() if isinstance(value, Mapping)}
    found = ["", f"[{name}]"] if name and (plain or not tables) else []
    found += [f"{_key(key)} = {_value(value)}" for key, value in plain.items()]
    for key, value in tables.items():
        found += _lines(value, f"{name}.{_key(key)}" if name else _key(key))
    return found


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _value(key)


def _value(value: str | list[str]) -> str:
    """A JSON text, which is a basic string of TOML as well, or a list of them."""
    return json.dumps(value, ensure_ascii=False)
