"""Everything that happened to a task, in words: when it was sent, what became of it and why, and what to do about it.

    for line in explain(run_folder, 17):
        print(line)

Site names and reasons come from nodes: they are shown as text on one line each, whatever they hold.

Not for: a whole run (``crossward.report``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from crossward.ledger import reasons
from crossward.ledger.chain import LedgerError
from crossward.ledger.events import Accepted, Discarded, Dispatched, Event, Measured, Outcome, Refused, Version
from crossward.ledger.file import FILE_NAME
from crossward.ledger.lines import read_events
from crossward.ledger.state import RunState

_LONGEST = 500  # characters of a node's own words


def explain(ledger: str | Path | Iterable[Event], task: int) -> list[str]:
    """What happened to ``task``; ``ledger`` is a ledger file, its run folder, or its events.

    Raises
    ------
    LedgerError
        the ledger's chain does not hold, or it has no such task; the text says which tasks it has.
    OSError
        the ledger cannot be read.
    """
    if isinstance(ledger, str | Path):
        path = Path(ledger)
        ledger = read_events(path / FILE_NAME if path.is_dir() else path)
    state, lines, highest = RunState(), list[str](), 0
    for event in ledger:
        state.apply(event)
        if isinstance(event, Dispatched):
            highest = max(highest, event.task)
        lines += [f"{_when(event)}  {line}" for line in _lines(event, task, state)]
    if not lines:
        raise LedgerError(
            f"the ledger has no task {task}: "
            + (f"the last that was sent is {highest}" if highest else "no task was sent")
        )
    if task in state.under_way:
        lines.append("It has no outcome yet: the node is at work, or the run stopped meanwhile.")
    elif task in state.buffer:
        lines.append("It waits for its version; no version has taken it yet.")
    return [_clean(line) for line in lines]


def _lines(event: Event, task: int, state: RunState) -> Iterator[str]:
    if isinstance(event, Dispatched | Outcome) and event.task == task:
        yield from _of_task(event, state)
    elif isinstance(event, Version) and task in event.tasks:
        place = event.tasks.index(task)
        weight = event.weights[place] if place < len(event.weights) else 0
        stale = event.staleness[place] if place < len(event.staleness) else 0
        share = f" of {event.weight_sum} (the sum of weights)" if event.weight_sum else ""
        yield f"in version {event.version} with the weight {weight}{share}, {stale} versions stale"
    elif isinstance(event, Discarded) and task in event.tasks:
        yield f"version {event.version} opens at no node and is discarded, the update with it: {event.reason}"


def _of_task(event: Dispatched | Outcome, state: RunState) -> Iterator[str]:
    hospital = getattr(event, "hospital", "")
    who = state.sites.get(hospital, "") or hospital or f"node {event.node}"
    match event:
        case Dispatched():
            deadline = (
                "" if event.deadline_seconds is None else f", to be answered within {event.deadline_seconds:.4g} s"
            )
            yield (
                f"'{event.kind}' at version {event.version} was sent to {who} (node {event.node}) with "
                f"{event.bytes / 1e6:.3g} MB{deadline}"
            )
        case Accepted():
            loss = "" if event.loss is None else f", reported training loss {event.loss:.4g}"
            yield (
                f"accepted from {who} after {event.seconds:.4g} s: {event.bytes / 1e6:.3g} MB, "
                f"{event.num_tokens} tokens{loss}"
            )
            yield from (f"  clamped: {claim}" for claim in event.clamped)
        case Measured():
            yield f"measured by {who} in {event.seconds:.4g} s"
        case Refused():
            reason = reasons.reason_of(event.reason)
            yield f"{reasons.OUTCOMES[event.name]} ({event.name}), {who}: {event.reason or 'no reason given'}"
            remedy = reason.remedy if reason is not None else reasons.REMEDIES.get(event.name, "")
            words = ", in the node's own words" if event.name in reasons.OF_A_NODE else ""
            code = f" [{reason.code}]" if reason is not None else words
            yield f"  why{code}; what to do: {remedy}"


def _when(event: Event) -> str:
    return datetime.fromtimestamp(event.time, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _clean(line: str) -> str:
    text = "".join(c if c.isprintable() else "?" for c in line)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
