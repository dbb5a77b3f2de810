"""Which hospital an event of the ledger speaks of, under which name and colour the report shows it.

Not for: what happened (``crossward.report.history``).
"""

from __future__ import annotations

from dataclasses import dataclass

from crossward.ledger.events import Dispatched, Event, Session
from crossward.report.names import labels
from crossward.report.palette import colours
from crossward.report.svg import clean

ROOM = 28  # characters of a name in a figure


@dataclass(frozen=True)
class Lane:
    """A lane of the report: its name, the same where there is little room, and its colour."""

    name: str
    short: str
    colour: str


def named(events: list[Event]) -> tuple[list[Lane], dict[str, int]]:
    """The hospitals, by name, and which of them a node is: by its key, else by its own claim, else by its number."""
    key: dict[str, str] = {}
    claimed: dict[str, str] = {}
    sessions: dict[str, set[int]] = {}
    session = 0
    asked = {event.node for event in events if isinstance(event, Dispatched)}
    for event in events:
        session += isinstance(event, Session)
        if (node := getattr(event, "node", "")) and (node in asked or not asked):
            sessions.setdefault(node, set()).add(session)
            if (known := getattr(event, "hospital", "")) and not known.startswith("node-"):
                key[node] = known
            if site := clean(getattr(event, "site", ""), 80):
                claimed[node] = site
    owner = {node: key.get(node, f"node-{node}") for node in sessions}
    for node in [n for n in owner if n not in key and n in claimed]:  # a known hospital that has a new number
        others = {k for n, k in key.items() if claimed.get(n) == claimed[node]}
        meanwhile = {s for n, k in key.items() if k in others for s in sessions[n]}
        if len(others) == 1 and not meanwhile & sessions[node]:
            owner[node] = others.pop()
    names = {k: claimed[node] for node, k in owner.items() if node in claimed}
    shown: dict[str, str] = {}
    for k in dict.fromkeys(owner.values()):
        name = names.get(k, "")
        twin = sum(other == name for other in names.values()) > 1
        tail = f"…{k[-4:]}" if k.startswith("node-") else k[:6]
        shown[k] = f"{name} ({tail})" if name and twin else name or f"unnamed hospital {tail}"
    order = sorted(shown, key=lambda k: (k not in names, shown[k].casefold(), k))
    places = {k: i for i, k in enumerate(order)}
    whole = [shown[k] for k in order]
    hospitals = [Lane(*row) for row in zip(whole, labels(whole, ROOM), colours(len(order)), strict=True)]
    return hospitals, {node: places[k] for node, k in owner.items()}
