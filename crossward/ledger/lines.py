"""From a ledger's lines to events; :meth:`crossward.ledger.events.Event.facts` is the way back.

Not for: what lines mean (``crossward.ledger.events``), chain and file (``crossward.ledger.file``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import MISSING
from pathlib import Path
from typing import Any

from crossward.ledger.chain import Entry, LedgerError, read_entries
from crossward.ledger.events import EVENTS, Event, Unknown
from crossward.ledger.facts import facts_of
from crossward.ledger.vertical_events import VERTICAL_EVENTS

KNOWN: Mapping[str, type[Event]] = {**EVENTS, **VERTICAL_EVENTS}


class EventError(LedgerError):
    """A line's facts are not those of its event: the text names event, fact and what was expected."""


def parse(name: str, facts: Mapping[str, Any], time: float = 0.0) -> Event:
    """The event of a line.

    Raises
    ------
    EventError
        the facts are not the event's.
    """
    kind = KNOWN.get(name)
    if kind is None:
        return Unknown(name=name, time=time, more=dict(facts))
    found: dict[str, Any] = {}
    lacks = []
    for fact in facts_of(kind):
        if fact.name in facts:
            try:
                found[fact.name] = fact.read(facts[fact.name])
            except (TypeError, ValueError) as error:
                value = f"{facts[fact.name]!r:.60}"
                raise EventError(f"event {name!r}: {fact.name!r} is {value}, expected {fact.wanted}") from error
        elif fact.newer:
            lacks.append(fact.name)
        elif fact.default is MISSING:
            raise EventError(f"event {name!r} lacks {fact.name!r}: this is not a ledger of this project")
    more = {key: value for key, value in facts.items() if key not in found}
    found |= kind.take(more)
    return kind(time=time, more=more, lacks=frozenset(lacks), **found)


def read_line(line: Mapping[str, Any]) -> Event:
    """The event of a flat line, ``{"event": name, ["time": seconds,] ...facts}``, as journals give it."""
    facts = {key: value for key, value in line.items() if key not in ("event", "time")}
    return parse(str(line["event"]), facts, float(line.get("time", 0.0)))


def read_events(path: str | Path) -> Iterator[Event]:
    """Every event of the ledger at ``path``, its chain checked on the way.

    Raises
    ------
    LedgerError
        the chain does not hold, or a line is not its event's; the text names the line.
    """
    return (of_entry(entry, path) for entry in read_entries(path))


def of_entry(entry: Entry, path: str | Path) -> Event:
    """The event of an entry of the ledger at ``path``; errors as for :func:`read_events`."""
    try:
        return parse(entry.event, entry.facts, entry.time)
    except EventError as error:
        raise EventError(f"{path}, line {entry.seq}: {error}") from error
