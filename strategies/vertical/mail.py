"""Envelopes between two steps: kept in the journal as parties sent them, and handed on to whom they are addressed.

Not for: what is in one, which only its receiver can open, or who is asked what (``strategies.vertical.relay``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from crossward.ledger.vertical_events import StepDone
from crossward.ledger.vertical_state import VerticalState
from crossward.protocol.parts import Part, PartHead
from crossward.protocol.vertical.messages import INPUTS, STALE, Envelope
from crossward.protocol.vertical.program import Step
from strategies.history.journal import Journal


class Mail:
    """The envelopes of one run, in ``journal``: a payload for each step of each party."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal

    def keep(self, step: int, party: str, parties: Collection[str], outbox: Sequence[Envelope]) -> str:
        """Write what ``party`` sent in a step; the digest of it. ``parties`` are all of the run."""
        rows = [[e.sender, e.receiver, e.kind, e.step, e.number, e.signature.hex()] for e in outbox]
        parts = (Part(PartHead("envelope", len(e.data), 8, len(e.data)), e.data) for e in outbox)
        return self.journal.keep(_name(step, party, parties), {"envelopes": rows}, parts)

    def inbox(self, state: VerticalState, step: Step, party: str) -> tuple[Envelope, ...]:
        """The envelopes to a party that go with a step: those of the step before, of ``STALE`` kinds the newest."""
        wanted, newest = set(INPUTS.get(step.action, ())), dict[tuple[str, str], tuple[int, list[Envelope]]]()
        for (number, sender), done in sorted(state.done.items()):
            kinds = wanted if number == step.number - 1 else wanted.intersection(STALE)
            if number >= step.number or party not in done.receivers or not kinds.intersection(done.kinds):
                continue
            for one in self._read(state, done, party, kinds):
                if newest.get((sender, one.kind), (-1, []))[0] < number:
                    newest[sender, one.kind] = (number, [])
                newest[sender, one.kind][1].append(one)
        return tuple(one for _, (_, envelopes) in sorted(newest.items()) for one in envelopes)

    def _read(self, state: VerticalState, done: StepDone, party: str, kinds: Collection[str]) -> Iterator[Envelope]:
        """Those to ``party`` of these ``kinds`` that were sent in a step."""
        parties = state.met.parties if state.met is not None else ()
        facts, payload = self.journal.open(_name(done.step, done.party, parties))
        for row, part in zip(facts["envelopes"], payload, strict=True):
            sender, receiver, kind, step, number, signature = row
            if receiver == party and kind in kinds:
                yield Envelope(sender, receiver, kind, step, number, bytes(part.data), bytes.fromhex(signature))


def _name(step: int, party: str, parties: Collection[str]) -> str:
    return f"steps/{step:03d}-{sorted(parties).index(party)}"
