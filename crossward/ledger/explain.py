"""Everything that happened to a task, in words: when it was sent, what became of it and why, and what to do about it.

    for line in explain(run_folder, 17):
        print(line)

Site names and reasons come from nodes: they are shown as text on one line each, whatever they hold.

Not for: a whole run (``crossward.report``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from crossward.ledger import reasons
from crossward.ledger.chain import LedgerError
from crossward.ledger.events import (
    Accepted,
    Assisted,
    CommitteeMet,
    Corrected,
    Discarded,
    Dispatched,
    Event,
    Liar,
    Measured,
    Opening,
    OpeningDropped,
    Outcome,
    Refused,
    Version,
)
from crossward.ledger.explain_steps import step_lines
from crossward.ledger.file import FILE_NAME
from crossward.ledger.lines import read_events
from crossward.ledger.state import RunState
from crossward.ledger.vertical_events import StepAsked
from crossward.protocol.messages import ANSWER, CONSENT

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
    state, lines, highest, versions = RunState(), list[str](), 0, set[int]()
    for event in ledger:
        state.apply(event)
        if isinstance(event, Dispatched | StepAsked):
            highest = max(highest, event.task)
        if isinstance(event, Version) and task in event.tasks:
            versions.add(event.version)
        said = (*_lines(event, task, state, versions), *step_lines(event, task))
        lines += [f"{_when(event)}  {line}" for line in said]
    if not lines:
        raise LedgerError(
            f"the ledger has no task {task}: "
            + (f"the last that was sent is {highest}" if highest else "no task was sent")
        )
    if task in state.under_way:
        lines.append("It has no outcome yet: the node is at work, or the run stopped meanwhile.")
    elif task in state.listed:
        lines.append(f"The committee has not opened it yet ({state.opening_text}).")
    elif task in state.buffer:
        lines.append("It waits for its version; no version has taken it yet.")
    return [_clean(line) for line in lines]


def committee_text(event: Event, member: Callable[[str], str] = str) -> str:
    """What happened to a run's committee, in words; empty for other events. ``member`` gives the name to show."""
    match event:
        case CommitteeMet():
            members = ", ".join(map(member, event.members))
            return (
                f"roster {event.roster[:16]}, revision {event.revision}: versions are opened by {members}; "
                f"{event.quorum} consent to each and {event.openers} answer"
            )
        case OpeningDropped():
            return f"version {event.version} is not opened, and its updates are lost: {event.reason}"
        case Liar():
            return (
                f"{member(event.member)} answered wrongly for version {event.version} (subsets "
                f"{', '.join(map(str, event.subsets))} of the committee): it is asked last from now on"
            )
        case Corrected():
            openers = ", ".join(map(member, event.openers))
            return f"version {event.version} could not be verified and was made again of the answers of {openers}"
    return ""


def _lines(event: Event, task: int, state: RunState, versions: set[int]) -> Iterator[str]:
    """What ``event`` says of ``task``, which went into ``versions``."""
    if isinstance(event, Dispatched | Outcome) and event.task == task:
        yield from _of_task(event, state)
    elif isinstance(event, Opening) and task in event.tasks:
        weight = event.weights[event.tasks.index(task)]
        yield (
            f"the committee is asked to open version {event.version} with it, at the weight {weight} of "
            f"{sum(event.weights)}; from here on it is opened in this list or in none"
        )
    elif isinstance(event, OpeningDropped) and task in event.tasks:
        yield committee_text(event)
        if (reason := reasons.reason_of(event.reason)) is not None:
            yield f"  why [{reason.code}]; what to do: {reason.remedy}"
    elif isinstance(event, Liar | Corrected) and event.version in versions:
        yield committee_text(event, state.member)
    elif isinstance(event, Version) and task in event.tasks:
        place = event.tasks.index(task)
        weight = event.weights[place] if place < len(event.weights) else 0
        stale = event.staleness[place] if place < len(event.staleness) else 0
        share = f" of {event.weight_sum} (the sum of weights)" if event.weight_sum else ""
        by = ""
        if event.openers:
            took = "" if event.opening_seconds is None else f" in {event.opening_seconds:.3g} s"
            by = f", opened by {', '.join(map(state.member, event.openers))}{took}"
        yield f"in version {event.version} with the weight {weight}{share}, {stale} versions stale{by}"
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
        case Assisted():
            member = state.member(event.member) if event.member else who
            done = {CONSENT: f"consented to the list of version {event.version}", ANSWER: "sent its share"}
            what = done.get(event.kind, "named the roster that it follows and its sealing keys")
            of = f" of version {event.version}" if event.kind == ANSWER else ""
            size = f": {event.bytes / 1e6:.3g} MB" if event.bytes else ""
            unused = "" if event.member else ", too late to be of use"
            yield f"{member} {what}{of} after {event.seconds:.4g} s{size}{unused}"
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
