"""Every message that crosses the trust boundary.

Server to node: :class:`Task` (train, evaluate or train alone, with the records that bring the node up to
the task's version; or a question to a member of the encryption scheme's committee). Node to server: :class:`Update`,
:class:`Evaluation`, :class:`Membership`, :class:`Consented`, :class:`Answered` or :class:`Failure`.
``crossward.protocol.wire`` puts them into Flower records and back.

Not for: deciding what an update is worth (``strategies``) or making one (``client_app``).
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from typing import NamedTuple

from crossward.config.privacy_settings import NO_UNIT
from crossward.config.variance_reduction import NO_BLOCK, Block
from crossward.protocol.measures import Measure
from crossward.protocol.parts import Payload

VERSION = 6
TRAIN, EVALUATE, ALONE = "train", "evaluate", "train.alone"
MEMBERSHIP, CONSENT, ANSWER = "query.membership", "query.consent", "query.answer"
EMPTY = Payload((), b"")

# Outcomes of a task. The node's own names for what went wrong come first.
FAILED, BEHIND, WRONG_LAYOUT = "failed", "behind", "wrong-layout"
ACCEPTED, LATE, MALFORMED, WRONG_KEY, DUPLICATE = "accepted", "late", "malformed", "wrong-key", "duplicate"
BUDGET = "budget"  # the node's privacy budget does not allow the training: it trains no more before it comes anew
DECLINED = "declined"  # a committee member does not open what it was asked to
MODELS = ("base", "global", "own", "personal")  # whose held-out measures a node reports
NODE_OUTCOMES = (FAILED, BEHIND, MALFORMED, WRONG_KEY, BUDGET, DECLINED)  # what a node may say of its own task
OUTCOMES = (ACCEPTED, LATE, FAILED, BEHIND, MALFORMED, WRONG_KEY, WRONG_LAYOUT, DUPLICATE, BUDGET, DECLINED)


class Head(NamedTuple):
    """A ledger entry's number and hash: what a node keeps so that the chain cannot be rewritten."""

    seq: int
    hash: str


class RecordHead(NamedTuple):
    """What a catch-up record covers: versions first..last of one scale epoch, and the exact sum of their weights.

    ``key`` is the fingerprint of the consortium key that opens it, empty when nothing in it is sealed. ``dithered`` is
    how many means of a dither (``crossward.encryption.dither``) are removed on opening: one for each of its versions,
    unless theirs are sums of several. Under a committee every version counts as one. ``proof`` is what it opened it by,
    as :mod:`crossward.encryption.committee.spelling` spells it; empty under other schemes. ``reverts`` is the earlier
    version whose list a record takes back (sign -1) or puts back (1); 0 in others, and under other schemes.

    With cached updates (``crossward.config.variance_reduction``) a record is of versions of one block, and ``block`` is
    where the first of them is in it; of a version that is taken back or put back, where that was itself.
    """

    first: int
    last: int
    epoch: int
    weight_sum: int
    sign: int
    key: str = ""
    dithered: int = 0
    proof: str = ""
    reverts: int = 0
    block: Block = NO_BLOCK


class Included(NamedTuple):
    """An update that is in a version, in scale ``epoch``; ``weight`` is negative where the version takes it back.

    ``block`` is the number of the version's block (:class:`RecordHead`).
    """

    version: int
    task: int
    weight: int
    epoch: int
    block: int


HALVES = (16, 17, 18, 19, 20, 21)  # a snapshot's payloads of cached updates: halves of three arrays of float64
HALF_BITS = 32


class SnapshotHead(NamedTuple):
    """A lossless copy of the integer accumulators at a version: one payload an epoch, offset ``1 << (bits - 1)``.

    With cached updates ``epochs`` ends with ``HALVES``, of ``HALF_BITS`` bits, and ``cached`` is in which block the
    copy is (``client_app.cached.mean.Standing``).
    ``key`` is the fingerprint of the consortium key that it is sealed under, empty when it is not.
    """

    version: int
    epochs: tuple[int, ...]
    key: str = ""
    cached: tuple[int, ...] = ()


@dataclass(frozen=True)
class Task:
    """What the server asks of a node.

    ``versions`` is the run's last version and ``plan`` its value, weight and guard bits.
    ``from_version`` is where the records begin (the node must be there); with a ``snapshot`` it is the snapshot's
    version and the node starts over from it. ``accepted`` holds the ids of the node's tasks known to be accepted.
    ``state_hash`` is the state hash of ``version`` that most nodes reported, empty when none has yet.
    ``last`` marks a node's last task of the run: it is to measure the untuned base and its own adapter too.
    ``key`` is the fingerprint of the key that updates must be made under, empty while version 1 has not fixed it.
    ``refused`` is why the node's last update was refused, empty when it was not.
    ``committee`` is what a scheme with a committee adds, by :mod:`crossward.encryption.committee.spelling`: for a
    training whose keys to seal to, for a question to a member what it is asked; empty under other schemes.
    ``included`` are, with cached updates, the updates in the versions that the node lacks, everybody's.
    """

    lineage: str
    task: int
    version: int
    epoch: int
    from_version: int
    versions: int
    plan: tuple[int, int, int]
    head: Head
    accepted: tuple[int, ...] = ()
    want_snapshot: bool = False
    state_hash: str = ""
    steps: int = 0
    last: bool = False
    key: str = ""
    refused: str = ""
    committee: bytes = b""
    included: tuple[Included, ...] = ()
    records: tuple[tuple[RecordHead, Payload], ...] = ()
    snapshot: tuple[SnapshotHead, tuple[Payload, ...]] | None = None


@dataclass(frozen=True)
class Update:
    """A node's trained update. ``loss_sum`` (nats) is the reported mean loss times ``num_tokens`` predicted tokens.

    With a ``loss_noise`` above 0.0, its standard deviation in nats a token, the loss is an estimate of the loss of
    ``version`` on the node's held-out notes; else it is that of the training, rounded as ``train.loss-grid`` says.

    ``key`` is the fingerprint of the consortium key that it is sealed under; ``seal_seconds`` and ``open_seconds`` are
    what sealing it, and opening the records that came with the task, took of ``compute_seconds``.

    ``privacy_unit`` is the run's ``privacy.unit``. Where hospitals protect it themselves (an example or a patient),
    ``loss_sum`` is 0.0 and reveals nothing, the counts are public numbers, and ``local_epsilon`` is what this hospital
    has spent so far in the lineage, with this training, which by itself costs ``local_epsilon_step``.

    ``rank`` is how many of the adapter's components the hospital trains, the others being zeros; 0: all.

    ``committee`` is the hospital's statement on its sealed values and the sealed seeds for each member of the
    committee, by :mod:`crossward.encryption.committee.spelling`; empty under other schemes.
    """

    lineage: str
    task: int
    version: int
    epoch: int
    layout: str
    key: str
    site: str
    state_hash: str
    head: Head
    num_examples: int
    num_tokens: int
    loss_sum: float
    steps: int
    train_seconds: float
    compute_seconds: float
    clipped: float = 0.0
    seal_seconds: float = 0.0
    open_seconds: float = 0.0
    loss_noise: float = 0.0
    privacy_unit: str = NO_UNIT
    local_epsilon: float = 0.0
    local_epsilon_step: float = 0.0
    rank: int = 0
    committee: bytes = b""
    payload: Payload = EMPTY
    snapshot: tuple[SnapshotHead, tuple[Payload, ...]] | None = None
    public_key: bytes = b""
    signature: bytes = b""

    def signed_bytes(self) -> bytes:
        """What the node's Ed25519 key signs: every fact and the digests of payload and snapshot."""
        facts = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name not in _UNSIGNED}
        if not self.rank:  # what was signed before hospitals could train fewer components
            del facts["rank"]
        facts["protocol"] = VERSION
        facts["payload"] = self.payload.digest()
        facts["committee"] = hashlib.sha256(self.committee).hexdigest() if self.committee else ""
        if self.snapshot is not None:
            head, payloads = self.snapshot
            facts["snapshot"] = [head.version, list(head.epochs), list(head.cached), [p.digest() for p in payloads]]
        return json.dumps(facts, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


_UNSIGNED = {"committee", "payload", "snapshot", "public_key", "signature"}


@dataclass(frozen=True)
class Evaluation:
    """Held-out measures of a node: for each of base, own and global adapter sums over its notes, by patient."""

    lineage: str
    task: int
    version: int
    site: str
    state_hash: str
    head: Head
    seconds: float
    measures: dict[str, Measure] = field(default_factory=dict)


@dataclass(frozen=True)
class Membership:
    """The roster that a node follows, and its public sealing keys if it is on the committee.

    ``public_key`` is its identity, which signs :meth:`signed_bytes`: certificates are known to all, and nobody shall
    answer under another's name. ``roster`` and ``certificates`` are as
    :mod:`crossward.encryption.committee.spelling` spells them.
    """

    lineage: str
    task: int
    public_key: bytes
    roster: bytes
    certificates: bytes
    signature: bytes = b""

    def signed_bytes(self) -> bytes:
        """What the node's Ed25519 key signs: every other fact, of this one task."""
        facts = [self.lineage, self.task, *(hashlib.sha256(d).hexdigest() for d in (self.roster, self.certificates))]
        return json.dumps(["membership", VERSION, *facts], separators=(",", ":")).encode()


@dataclass(frozen=True)
class Consented:
    """A member's consent to the version list ``digest``, with its signature, and the CPU ``seconds`` that it took."""

    lineage: str
    task: int
    member: str
    digest: str
    signature: bytes
    seconds: float = 0.0


@dataclass(frozen=True)
class Answered:
    """A member's share of a version list: ``facts`` as the spelling has them, the blocks as parts of ``payload``.

    ``seconds`` are of the CPU's time that it took.
    """

    lineage: str
    task: int
    facts: bytes
    payload: Payload = EMPTY
    seconds: float = 0.0


@dataclass(frozen=True)
class Failure:
    """A task that a node could not do: ``kind`` is one of ``OUTCOMES``, ``held`` the version it holds.

    ``first`` and ``last`` are the versions of a record that does not open, -1 when that was not the matter.
    """

    lineage: str
    task: int
    kind: str
    reason: str
    held: int
    first: int = -1
    last: int = -1


Reply = Update | Evaluation | Membership | Consented | Answered | Failure


class Kind(NamedTuple):
    """A kind of task: ``reply`` is what answers it (or a :class:`Failure`), ``act`` the method of a node that does.

    ``doing`` is what a node does meanwhile, for people. ``beside``: it takes keys alone and no model, and a node
    answers it while it works on another task; the method is one of ``client_app.committee.seat.Seat``.
    """

    reply: type[Reply]
    act: str
    doing: str
    beside: bool = False


# By Flower's message type: "train", "evaluate" or "query", an action of one's own behind a dot. Adding one is an entry,
# its reply, the node's method (``client_app.node``) and what becomes of the reply (``strategies.exchange.reception``).
KINDS: dict[str, Kind] = {
    TRAIN: Kind(Update, "train", "training"),
    EVALUATE: Kind(Evaluation, "evaluate", "evaluating"),
    ALONE: Kind(Evaluation, "alone", "training alone"),
    MEMBERSHIP: Kind(Membership, "membership", "naming its roster", beside=True),
    CONSENT: Kind(Consented, "consent", "checking a version list", beside=True),
    ANSWER: Kind(Answered, "answer", "opening a version", beside=True),
}
