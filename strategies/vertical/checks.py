"""What the aggregator checks of parties' answers: introductions, and envelopes that go where they may.

It can open none of them: what is in an envelope its receiver checks (``client_app.vertical.envelopes``).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from crossward.encryption.committee.signatures import verified
from crossward.protocol.parts import ProtocolError
from crossward.protocol.vertical.messages import Done, Introduction
from strategies.history.state import RunError


def check_introduction(lineage: str, one: Introduction) -> None:
    """Raise a ProtocolError unless the party signed its introduction."""
    if not verified(one.public_key.hex(), one.signature, one.signed_bytes(lineage)):
        raise ProtocolError(f"the introduction of {one.name!r} is not signed by its key")


def check_envelopes(done: Done, party: str, key: bytes, lineage: str, parties: Collection[str]) -> None:
    """Raise a ProtocolError unless every envelope is the party's own, to another party, of this step, signed once."""
    seen = set()
    for one in done.outbox:
        if one.sender != party or one.receiver == party or one.receiver not in parties or one.step != done.step:
            raise ProtocolError(
                f"an envelope of step {one.step} from {one.sender!r} to {one.receiver!r} in an answer of {party!r} to "
                f"step {done.step}"
            )
        place = (one.receiver, one.kind, one.number)
        if place in seen:
            raise ProtocolError(f"two envelopes {one.kind!r} number {one.number} to {one.receiver!r}")
        seen.add(place)
        if not verified(key.hex(), one.signature, one.signed_bytes(lineage)):
            raise ProtocolError(f"an envelope to {one.receiver!r} is not signed by {party!r}")


def ring(introductions: Sequence[Introduction]) -> tuple[tuple[Introduction, ...], str]:
    """All parties in the order of the ring, by name, and the one that has the outcome.

    Raises
    ------
    RunError
        names are not distinct, rosters differ, or not exactly one party has the outcome.
    """
    ordered = tuple(sorted(introductions, key=lambda one: one.name))
    names = [one.name for one in ordered]
    if len(set(names)) < len(names):
        raise RunError(f"two parties introduce themselves under one name (of {', '.join(names)})")
    if len(rosters := {one.roster for one in ordered}) > 1:
        shown = ", ".join(f"{one.name}: {one.roster[:16]}" for one in ordered)
        raise RunError(
            f"the parties follow {len(rosters)} rosters ({shown}): point roster-path at the newest file at each"
        )
    holders = [one.name for one in ordered if one.outcome]
    if len(holders) != 1:
        who = ", ".join(holders) if holders else "none of them has"
        raise RunError(
            f"a vertical run needs one party with the outcome: of {', '.join(names)} {who}"
            f"{' have' if holders else ''} one. Name the column of the outcome in the party.toml of one party alone"
        )
    return ordered, holders[0]
