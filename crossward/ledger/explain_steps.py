"""What happened to a task of a vertical run, in words.

Not for: horizontal runs, or the ledger's file (``crossward.ledger.explain``).
"""

from __future__ import annotations

from collections.abc import Iterator

from crossward.ledger.events import Event
from crossward.ledger.vertical_events import StepAsked, StepDone, StepFailed
from crossward.machine.text import one_line

_LONGEST = 500  # characters of a party's own words


def step_lines(event: Event, task: int) -> Iterator[str]:
    """What ``event`` says of ``task``: at most one line."""
    match event:
        case StepAsked(task=asked) if asked == task:
            who = one_line(event.party or f"node {event.node}", 64)
            yield f"step {event.step} ({event.action}) was asked of {who}, with {event.bytes} bytes of envelopes"
        case StepDone(task=done) if done == task:
            sent = f"{len(event.sizes)} envelopes, {event.bytes} bytes" if event.sizes else "no envelope"
            yield f"{one_line(event.party, 64)} did it in {event.worked:.1f} s of its own, and sent {sent}"
        case StepFailed(task=failed) if failed == task:
            yield (
                f"it was not done ({event.kind}), attempt {event.attempt}: {one_line(event.reason, _LONGEST)}. The "
                "party is asked again; its own log has the whole reason"
            )
