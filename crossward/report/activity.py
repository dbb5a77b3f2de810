"""How a hospital spent its time: computing, transfer, waiting for a version, tasks without a result.

Of a task the server knows the dispatch, the outcome and how long the hospital says it computed. The rest of the round
trip is transfer, with Flower's own work and any queue at the node. Where in the round trip the computing lay is not
known; it is put in the middle. An accepted update then waits until the version that takes it is made.

Not for: drawing (``crossward.report.timeline``).
"""

from __future__ import annotations

from collections.abc import Iterable

from crossward.protocol.messages import ACCEPTED, BEHIND, FAILED, LATE, TRAIN
from crossward.report.history import LOST, MEASURED, UNDER_WAY, History, Span

TRAINING, EVALUATING, TRANSFER, WAITING, IDLE = "training", "evaluating", "transfer", "waiting", "idle"
REFUSED = "refused"
NOTHING = (LATE, REFUSED, FAILED, BEHIND, LOST)
Interval = tuple[float, float]


def kind(span: Span) -> str:
    """What the full-height bar of a task says: what was computed, or that it failed or is under way."""
    if span.outcome in (ACCEPTED, MEASURED):
        return TRAINING if span.kind == TRAIN else EVALUATING
    return span.outcome if span.outcome in (*NOTHING, UNDER_WAY) else REFUSED


def computing(span: Span) -> Interval:
    """When the hospital computed: in the middle of the round trip, for want of better knowledge."""
    rest = (span.end - span.start - span.compute) / 2
    return span.start + rest, span.end - rest


def merged(intervals: Iterable[Interval], gap: float = 0.0) -> list[Interval]:
    """In order, those closer than ``gap`` made one."""
    out: list[Interval] = []
    for start, end in sorted(intervals):
        if out and start - out[-1][1] <= gap:
            out[-1] = (out[-1][0], max(end, out[-1][1]))
        else:
            out.append((start, end))
    return out


def length(intervals: Iterable[Interval]) -> float:
    """Of all of them together, what overlaps counted once."""
    return sum(end - start for start, end in merged(intervals))


def intervals(spans: Iterable[Span]) -> dict[str, list[Interval]]:
    """By activity. Waiting may overlap others: a hospital evaluates while its update lies in the buffer."""
    out: dict[str, list[Interval]] = {}
    for span in spans:
        what = kind(span)
        if what in (TRAINING, EVALUATING):
            start, end = computing(span)
            out.setdefault(what, []).append((start, end))
            out.setdefault(TRANSFER, []).extend(((span.start, start), (end, span.end)))
        else:
            out.setdefault(what, []).append((span.start, span.end))
        if span.taken > span.end:
            out.setdefault(WAITING, []).append((span.end, span.taken))
    return out


def shares(history: History) -> list[dict[str, float]]:
    """For every hospital the part of the running time that went into each activity; they sum to 1."""
    out = []
    for lane in range(len(history.hospitals)):
        found = intervals(span for span in history.spans if span.hospital == lane)
        spent = {what: length(those) for what, those in found.items() if what != WAITING}
        busy = [interval for what, those in found.items() if what != WAITING for interval in those]
        waiting = found.get(WAITING, [])
        spent[WAITING] = length([*busy, *waiting]) - length(busy)
        spent[IDLE] = max(history.running - sum(spent.values()), 0.0)
        whole = sum(spent.values()) or 1.0
        out.append({what: seconds / whole for what, seconds in spent.items()})
    return out
