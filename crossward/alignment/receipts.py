"""What every party reports of the sets that it raised, so that the label holder sees that none changed on its way.

A digest changes with every hop. Each party reports what it received and what it sent, under its own signature, and the
ends must meet: what one sent is what the next received, from the digest that the origin declared to all.

They do not show that a party raised the points that it received, and not others: that takes proofs of equal exponents,
which cost more than the protocol. Patients are missed when it raises others; the digests of the aligned patients differ
when it changes their order.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields

from crossward.alignment.errors import AlignmentError
from crossward.alignment.ring import Declared, Ring, checked


@dataclass(frozen=True)
class Receipt:
    """``party`` received the set of ``origin`` with one digest, raised it, and sent it on with another."""

    origin: str
    party: str
    received: str
    sent: str

    def encode(self) -> bytes:
        """As JSON."""
        return json.dumps(asdict(self), sort_keys=True).encode()

    @classmethod
    def decode(cls, data: bytes) -> Receipt:
        """What :meth:`encode` made; raises :class:`~crossward.alignment.errors.AlignmentError` for anything else."""
        return cls(**checked(data, {field.name: str for field in fields(cls)}))


def check_receipts(ring: Ring, declared: Mapping[str, Declared], receipts: Iterable[Receipt], returned: str) -> None:
    """Refuse sets that changed between two parties; ``returned`` is the digest of the label holder's own, come back.

    Raises
    ------
    AlignmentError
        a receipt is missing, or one party sent something else than the next received; both are named.
    """
    found = {(one.origin, one.party): one for one in receipts}
    for origin in ring.parties:
        sender, digest = origin, declared[origin].digest
        for party in ring.route(origin)[1:]:
            if party == origin:
                receipt = Receipt(origin, party, returned, "")
            elif (origin, party) in found:
                receipt = found[origin, party]
            else:
                raise AlignmentError(f"no receipt from {party} for the set of {origin}")
            if receipt.received != digest:
                raise AlignmentError(
                    f"the set of {origin} changed between {sender} and {party}: begin the alignment anew at all parties"
                )
            sender, digest = party, receipt.sent
