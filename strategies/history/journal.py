"""What a strategy needs of whatever keeps its history: events in a chain, payloads by name.

``server_app.run_folder`` keeps it on disk; :class:`MemoryJournal` keeps it in memory, for trying things out.

Not for: what is written (``strategies.async_hybrid``).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

from crossward.protocol.messages import Head
from crossward.protocol.parts import Part, Payload, join

Facts = dict[str, Any]


class Journal(Protocol):
    """History of one run lineage."""

    lineage: str

    def head(self) -> Head:
        """The last event's number and hash; events count from 1, and 0 is the head of a journal without any."""

    def record(self, event: str, **facts: Any) -> None:
        """Append an event."""

    def events(self) -> Iterator[Facts]:
        """All events so far, each with its name under ``event``."""

    def keep(self, name: str, facts: Facts, parts: Iterable[Part]) -> str:
        """Keep a payload, part by part, under ``name``, replacing what is there in one step; its digest."""

    def open(self, name: str) -> tuple[Facts, Payload]:
        """What :meth:`keep` kept; the bytes may be on disk still, read as they are asked for."""

    def damage(self, name: str, digest: str) -> str:
        """What is wrong with what is kept under ``name``, in words; empty where it is the payload of ``digest``.

        Without a ``digest`` it must be what was once kept, as far as that can be told.
        """

    def drop(self, name: str) -> None:
        """Forget a payload; nothing happens when there is none."""

    def keep_roster(self, roster: bytes) -> None:
        """Keep the hospitals' roster file, in place of the one before."""


class MemoryJournal:
    """A journal that lives as long as the process."""

    def __init__(self, lineage: str = "memory") -> None:
        self.lineage = lineage
        self.log: list[Facts] = []
        self.payloads: dict[str, tuple[Facts, Payload]] = {}
        self.roster = b""
        self._hash = ""

    def head(self) -> Head:
        """Number of events, and a hash over all of them."""
        return Head(len(self.log), self._hash)

    def record(self, event: str, **facts: Any) -> None:
        """Append an event to ``log``."""
        entry = {"event": event, **facts}
        self._hash = hashlib.sha256((self._hash + json.dumps(entry, sort_keys=True)).encode()).hexdigest()
        self.log.append(entry)

    def events(self) -> Iterator[Facts]:
        """A snapshot: events recorded while it is read are not in it."""
        return iter(list(self.log))

    def keep(self, name: str, facts: Facts, parts: Iterable[Part]) -> str:
        """Join the parts in memory; their digest."""
        payload = join(parts)
        self.payloads[name] = (dict(facts), payload)
        return payload.digest()

    def open(self, name: str) -> tuple[Facts, Payload]:
        """Facts and payload, joined."""
        return self.payloads[name]

    def damage(self, name: str, digest: str) -> str:
        """Whether ``name`` is missing or has another digest than ``digest``, in words; empty when neither."""
        if name not in self.payloads:
            return "it is missing"
        found = self.payloads[name][1].digest()
        return "" if found == (digest or found) else f"its digest is {found}"

    def drop(self, name: str) -> None:
        """Forget a payload, if there is one."""
        self.payloads.pop(name, None)

    def keep_roster(self, roster: bytes) -> None:
        """Keep it in ``roster``."""
        self.roster = roster
