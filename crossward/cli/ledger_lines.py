"""Lines of a ledger for people: which of them concern a task, a version or a node, and their text.

Not for: what a line means to a run (``strategies.history``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from crossward.ledger.file import Entry
from crossward.report.svg import clean

HIDDEN = frozenset({"task", "node", "hospital", "site", "version", "reason", "shape", "signature", "digest", "layout"})
MOST = 160  # characters of a fact


@dataclass(frozen=True)
class Chosen:
    """What to show; None: everything."""

    task: int | None = None
    version: int | None = None
    node: str | None = None

    def __str__(self) -> str:
        said = {"task": self.task, "version": self.version, "node": self.node}
        return ", ".join(f"{what} {value}" for what, value in said.items() if value is not None)


def wanted(entries: Iterable[Entry], chosen: Chosen) -> Iterator[tuple[Entry, str]]:
    """The entries that were chosen, each with its hospital's name.

    A node is known by its id, by its hospital's identity or by its site, whichever the ledger has recorded by then.
    """
    sites: dict[str, str] = {}  # node or hospital -> site
    for entry in entries:
        facts = entry.facts
        who = [str(facts[key]) for key in ("node", "hospital") if facts.get(key)]
        if facts.get("site"):
            sites |= dict.fromkeys(who, str(facts["site"]))
        name = next((sites[one] for one in who if one in sites), who[0] if who else "")
        if chosen.task is not None and chosen.task not in (facts.get("task"), *_list(facts.get("tasks"))):
            continue
        if chosen.version is not None and facts.get("version") != chosen.version:
            continue
        names = {*who, name, facts.get("member")}
        names.update(*(_list(facts.get(key)) for key in ("sites", "hospitals", "openers")))
        if chosen.node is not None and chosen.node not in names:
            continue
        yield entry, name


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def described(entry: Entry, name: str) -> str:
    """One line: when, who, what, why, and the other facts."""
    facts = entry.facts
    when = datetime.fromtimestamp(entry.time, UTC).strftime("%Y-%m-%d %H:%M:%S")
    said = [f"{entry.seq:>5}  {when}  {entry.event}"]
    said += [f"{what} {facts[what]}" for what in ("task", "version") if what in facts]
    said += [clean(name, 64)] if name else []
    line = " ".join(said[:1]) + "".join(f", {part}" for part in said[1:])
    if reason := clean(str(facts.get("reason", "")), 400):
        line += f": {reason}"
    rest = {key: value for key, value in facts.items() if key not in HIDDEN}
    shown = ", ".join(f"{key}={_short(value)}" for key, value in rest.items())
    return f"{line}  ({shown})" if shown else line


def _short(value: Any) -> str:
    return clean(f"{value:.6g}" if isinstance(value, float) else str(value), MOST)
