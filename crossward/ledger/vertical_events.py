"""What the lines of a vertical run's ledger mean, beside those of every run; contract as ``crossward.ledger.events``.

Not for: what follows from them (``crossward.ledger.vertical_state``).
"""

from __future__ import annotations

from collections.abc import Mapping

from crossward.ledger.events import Event, event
from crossward.ledger.facts import sometimes


@event
class PartiesMet(Event):
    """All parties have introduced themselves: ``parties`` in the order of the ring, ``holder`` has the outcome.

    ``introductions`` are their spellings (``crossward.protocol.vertical.wire``), so that a resumed run has them.
    """

    name = "parties-met"
    parties: tuple[str, ...]
    holds: tuple[str, ...]
    holder: str
    roster: str
    introductions: tuple[str, ...]


@event
class StepAsked(Event):
    """A party was asked to do a step: ``bytes`` of envelopes went with it."""

    name = "step-asked"
    task: int
    step: int
    action: str
    round: int
    node: str
    party: str
    bytes: int


@event
class StepDone(Event):
    """A party did a step; its envelopes, ``bytes`` in all, are kept under ``digest``.

    ``receivers``, ``kinds`` and ``sizes`` are of the envelopes, ``seconds`` between question and answer, ``worked`` of
    them at the party. ``facts`` and ``values`` are what it reported, texts as they are and numbers spelled out.
    """

    name = "step-done"
    task: int
    step: int
    action: str
    round: int
    party: str
    bytes: int
    receivers: tuple[str, ...]
    kinds: tuple[str, ...]
    sizes: tuple[int, ...]
    digest: str
    seconds: float
    worked: float
    facts_named: tuple[str, ...]
    values: tuple[str, ...]


@event
class StepFailed(Event):
    """A party did not do a step: ``kind`` and ``reason`` in its own words."""

    name = "step-failed"
    task: int
    step: int
    action: str
    node: str
    party: str
    kind: str
    reason: str
    attempt: int = sometimes(1)


@event
class PartyAbsent(Event):
    """A step goes on without a party, which did not answer for ``seconds``; what it sent before is used."""

    name = "party-absent"
    step: int
    action: str
    party: str
    seconds: float
    reason: str = sometimes("")


VERTICAL_EVENTS: Mapping[str, type[Event]] = {
    kind.name: kind for kind in (PartiesMet, StepAsked, StepDone, StepFailed, PartyAbsent)
}
"""Every event of a vertical run by its name on a line."""
