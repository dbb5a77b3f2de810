"""What a fact of an event is: how a line's value is read, when it is written, and what older lines lack.

Not for: the events themselves (``crossward.ledger.events``), lines (``crossward.ledger.lines``).
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any

BASE = frozenset({"time", "more", "lacks"})  # of every event, and no facts of a line


def newer(default: Any) -> Any:
    """A fact that older ledgers lack; every line written now has it."""
    return field(default=default, metadata={"newer": True})


def sometimes(default: Any = None) -> Any:
    """A fact that only some lines have: those where it is not ``default``."""
    return field(default=default, metadata={"sometimes": True})


@dataclass(frozen=True)
class Fact:
    """A field of an event: how its value is read, and when it is written."""

    name: str
    read: Callable[[Any], Any]
    wanted: str
    default: Any
    newer: bool
    sometimes: bool


def _reader(hint: Any) -> Callable[[Any], Any]:
    """Takes a JSON value as ``hint`` says, lists as tuples; raises TypeError for another type."""
    arguments = typing.get_args(hint)
    if isinstance(hint, types.UnionType):
        inner = next(_reader(kind) for kind in arguments if kind is not type(None))
        return lambda value: None if value is None else inner(value)
    if typing.get_origin(hint) is tuple:
        readers = [_reader(kind) for kind in arguments if kind is not Ellipsis]

        def several(value: Any) -> Any:
            if type(value) not in (list, tuple):
                raise TypeError
            if Ellipsis in arguments:
                return tuple(map(readers[0], value))
            return tuple(read(inner) for read, inner in zip(readers, value, strict=True))

        return several
    allowed = (int, float) if hint is float else (hint,)

    def single(value: Any) -> Any:
        if type(value) not in allowed:
            raise TypeError
        return value

    return single


_KNOWN: dict[type[Any], tuple[Fact, ...]] = {}  # by event, once it was met


def facts_of(kind: type[Any]) -> tuple[Fact, ...]:
    """The facts that an event's class declares, in their order."""
    if kind not in _KNOWN:
        hints = typing.get_type_hints(kind)
        own = (f for f in fields(kind) if f.name not in BASE and "flat" not in f.metadata)
        _KNOWN[kind] = tuple(
            Fact(
                f.name, _reader(hints[f.name]), str(f.type), f.default, "newer" in f.metadata, "sometimes" in f.metadata
            )
            for f in own
        )
    return _KNOWN[kind]


def plain(value: Any) -> Any:
    """The value as JSON has it: tuples as lists."""
    return [plain(inner) for inner in value] if type(value) is tuple else value
