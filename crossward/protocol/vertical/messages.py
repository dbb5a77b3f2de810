"""Every message of a vertical run that crosses the trust boundary.

The aggregator asks a party to do a step (:class:`Work`) and hands it the envelopes that other parties addressed to it;
the party answers with its own (:class:`Done`) or says why not (:class:`NotDone`). An :class:`Envelope` is sealed to its
receiver and signed by its sender: of what is in it the aggregator learns the size.

Not for: in which order steps come (``crossward.protocol.vertical.program``), what a party does in one
(``client_app.vertical``).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import NamedTuple

from crossward.protocol.messages import Head

VERSION = 1
STEP = "train.vertical"  # Flower's type of these messages

# What a party is asked to do: ``client_app.vertical.registry`` has a function for each.
HELLO, BLIND, RAISE, MATCH, PIN = "hello", "blind", "raise", "match", "pin"
REPRESENT, COMBINE, APPROACH, FINISH, DISTIL = "represent", "combine", "approach", "finish", "distil"
SEAL, GRADIENT, OPEN, FORWARD = "seal", "gradient", "open", "forward"  # of encrypted forward
ACTIONS = (
    *(HELLO, BLIND, RAISE, MATCH, PIN),
    *(REPRESENT, COMBINE, APPROACH, FINISH, DISTIL),
    *(SEAL, GRADIENT, OPEN, FORWARD),
)

# What envelopes hold.
DECLARED, SET, RECEIPTS, POSITIONS, DIGEST = "declared", "set", "receipts", "positions", "digest"
EMBEDDINGS, TARGETS, PREDICTIONS = "embeddings", "targets", "predictions"
SEALED, MASKED_GRADIENT, OPENED_GRADIENT = "sealed-embeddings", "masked-gradient", "opened-gradient"
MASKED_PRODUCT, OPENED_PRODUCT = "masked-product", "opened-product"
INPUTS: dict[str, tuple[str, ...]] = {
    RAISE: (DECLARED, SET, RECEIPTS),
    MATCH: (DECLARED, SET, RECEIPTS),
    PIN: (POSITIONS,),
    REPRESENT: (DIGEST,),
    SEAL: (DIGEST,),
    COMBINE: (EMBEDDINGS,),
    APPROACH: (TARGETS,),
    GRADIENT: (SEALED, OPENED_PRODUCT),
    OPEN: (MASKED_GRADIENT, MASKED_PRODUCT),
    FORWARD: (OPENED_GRADIENT,),
    FINISH: (EMBEDDINGS, OPENED_PRODUCT),
    DISTIL: (PREDICTIONS,),
}
"""The kinds of envelopes that a party gets with a step: those that were made in the step before."""
STALE = (EMBEDDINGS,)
"""Kinds of which, instead, the newest ones of each sender are passed on: a party may be away for some steps."""

# Why a party did not do a step.
FAILED, REFUSED, MALFORMED = "failed", "refused", "malformed"
KINDS = (FAILED, REFUSED, MALFORMED)

MOST_NAME = 64
Facts = dict[str, float | int | str]
"""Public facts about a step that a party reports, such as how many patients a model was measured on."""


class Envelope(NamedTuple):
    """Bytes from a party to a party, made in step ``step``; ``kind`` says what they are, ``number`` which of several.

    ``data`` is sealed to the receiver; ``signature`` is the sender's, over :meth:`signed_bytes`.
    """

    sender: str
    receiver: str
    kind: str
    step: int
    number: int
    data: bytes
    signature: bytes = b""

    def label(self, lineage: str) -> bytes:
        """What the seal is bound to: where, when and from whom to whom the envelope goes."""
        facts = [lineage, self.sender, self.receiver, self.kind, self.step, self.number]
        return json.dumps(["vertical-envelope", VERSION, *facts], separators=(",", ":")).encode()

    def signed_bytes(self, lineage: str) -> bytes:
        """What the sender signs: the label and the sealed bytes' digest."""
        return self.label(lineage) + hashlib.sha256(self.data).digest()


@dataclass(frozen=True)
class Introduction:
    """A party as it introduces itself: its name in the roster and the key that envelopes to it are sealed under.

    ``key`` are 1,216 public bytes (``crossward.encryption.committee.boxes``), made for the lineage; ``holds`` are
    the kinds of features it has, ``outcome`` whether it has the outcome.
    """

    name: str
    public_key: bytes
    roster: str
    key: bytes
    holds: str
    outcome: bool
    signature: bytes = b""

    def signed_bytes(self, lineage: str) -> bytes:
        """What the party's identity signs."""
        facts = [lineage, self.name, self.roster, hashlib.sha256(self.key).hexdigest(), self.holds, self.outcome]
        return json.dumps(["vertical-introduction", VERSION, *facts], separators=(",", ":")).encode()


@dataclass(frozen=True)
class Work:
    """A step that a party is asked to do.

    ``round`` counts repeated steps (a hop, an exchange) from 1, ``parties`` are all of them in the order of the ring,
    empty before all have introduced themselves. ``head`` is the ledger's, which parties keep.
    """

    lineage: str
    task: int
    step: int
    action: str
    round: int
    head: Head
    parties: tuple[Introduction, ...] = ()
    inbox: tuple[Envelope, ...] = ()


@dataclass(frozen=True)
class Done:
    """A step that a party did, with the envelopes it sends and public facts; ``introduction`` in the first step."""

    lineage: str
    task: int
    step: int
    party: str
    seconds: float
    facts: Facts = field(default_factory=dict)
    outbox: tuple[Envelope, ...] = ()
    introduction: Introduction | None = None


@dataclass(frozen=True)
class NotDone:
    """A step that a party did not do: ``kind`` is one of ``KINDS``."""

    lineage: str
    task: int
    step: int
    kind: str
    reason: str


Answer = Done | NotDone
