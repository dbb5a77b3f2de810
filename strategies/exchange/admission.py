"""Whether a reply may touch a sum: lineage, task, version, layout, key, shape, signature, staleness.

Every refusal has an outcome and a reason for the ledger. Signatures and digests keep a tampered update out;
the checks of shape give the reason before arithmetic could fail on it.

Not for: weights (``strategies.aggregation.weighting``).
"""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from crossward.config.privacy_settings import LOCAL_UNITS, NO_UNIT
from crossward.config.schedule import MAX_EPOCH
from crossward.encryption.aggregator import Kinds
from crossward.encryption.packing import CLEAR, WRAPPED, packed_size, wrapped_size
from crossward.encryption.plan import FieldPlan
from crossward.ledger import reasons
from crossward.ledger.reasons import Stated
from crossward.protocol.messages import HALF_BITS, HALVES, LATE, MALFORMED, WRONG_KEY, WRONG_LAYOUT, Update


@dataclass(frozen=True)
class Refusal:
    """Why an update is not accepted; ``outcome`` is one of ``crossward.protocol.messages.OUTCOMES``."""

    outcome: str
    reason: Stated


@dataclass(frozen=True)
class Expected:
    """What the server knows of the task it sent and the run it is in. Empty ``layout``/``shape``: not yet fixed.

    ``kinds`` are the kinds of part that the run's policy allows; with a sealed kind among them an update must be made
    under a key: ``key``, once that is fixed. ``versions`` is the run's last version,
    ``steps`` the most that a local training makes, ``privacy_unit`` what the run protects, ``ranks`` those that
    hospitals may train (none: all train all components).
    """

    lineage: str
    task: int
    version: int
    epoch: int
    key: str
    layout: str
    shape: tuple[tuple[str, int], ...]
    public_key: bytes
    kinds: Kinds
    versions: int = 1
    steps: int = 1 << 30
    max_loss: float = 100.0
    privacy_unit: str = NO_UNIT
    ranks: frozenset[int] = frozenset()


def _malformed(update: Update, expected: Expected, plan: FieldPlan) -> Stated | None:  # noqa: C901 - one branch a check
    for name in ("lineage", "task", "version", "epoch"):
        got, want = getattr(update, name), getattr(expected, name)
        if got != want:
            return reasons.FACT(name=name, got=got, want=want)
    if update.loss_sum > expected.max_loss * update.num_tokens:
        return reasons.LOSS_RANGE(loss=update.loss_sum / update.num_tokens, most=expected.max_loss)
    if update.steps > expected.steps:
        return reasons.STEPS(steps=update.steps, most=expected.steps)
    if update.rank and update.rank not in expected.ranks:
        return reasons.RANK(rank=update.rank, ranks=", ".join(map(str, sorted(expected.ranks))) or "none")
    if reason := _unprotected(update, expected):
        return reason
    for number, part in enumerate(update.payload):
        head = part.head
        if head.kind not in expected.kinds:
            allowed = ", ".join(expected.kinds)
            return reasons.PART_KIND(number=number, kind=head.kind[:40], allowed=allowed)
        if head.bits != plan.update_bits:
            return reasons.PART_BITS(number=number, bits=head.bits, want=plan.update_bits)
        if wrong := expected.kinds[head.kind].check(part.data, head.bits, head.length):
            return reasons.PART_DATA(number=number, wrong=wrong)
    if not update.payload.heads:
        return reasons.NO_PART()
    if {head.kind for head in update.payload.heads} == {CLEAR} and set(expected.kinds) != {CLEAR}:
        return reasons.NOTHING_SEALED()
    return _malformed_snapshot(update, bool(set(expected.kinds) - {CLEAR}), plan.snapshot_bits(expected.versions))


def _unprotected(update: Update, expected: Expected) -> Stated | None:
    if update.privacy_unit != expected.privacy_unit:
        return reasons.UNIT(got=update.privacy_unit, want=expected.privacy_unit)
    if update.privacy_unit not in LOCAL_UNITS and (spent := update.local_epsilon):
        return reasons.EPSILON(epsilon=spent)
    if update.privacy_unit != NO_UNIT and update.loss_sum:
        return reasons.LOSS_REPORTED(unit=update.privacy_unit)
    return None


def _malformed_snapshot(update: Update, sealed: bool, bits: int) -> Stated | None:
    if update.snapshot is None:
        return None
    head, payloads = update.snapshot
    values, kind = sum(h.length for h in update.payload.heads), WRAPPED if sealed else CLEAR
    scales = [epoch for epoch in head.epochs if epoch not in HALVES]
    if head.version != update.version or head.key != update.key or len(scales) > MAX_EPOCH + 1:
        return reasons.SNAPSHOT_HEAD(version=head.version, epochs=len(payloads), key=head.key or "none")
    if not set(scales) <= set(range(MAX_EPOCH + 1)) or head.epochs[len(scales) :] not in ((), HALVES):
        return reasons.SNAPSHOT_EPOCHS(epochs=list(head.epochs), last=MAX_EPOCH)
    for epoch, payload in zip(head.epochs, payloads, strict=True):
        wide = HALF_BITS if epoch in HALVES else bits
        if sum(h.length for h in payload.heads) != values or {h.kind for h in payload.heads} != {kind}:
            return reasons.SNAPSHOT_VALUES(values=values, kind=kind)
        for h in payload.heads:
            if h.bits != wide:
                return reasons.SNAPSHOT_BITS(bits=h.bits, want=wide)
            if h.size != (wrapped_size if sealed else packed_size)(h.length, h.bits):
                return reasons.SNAPSHOT_SIZE(size=h.size, length=h.length, bits=h.bits)
    return None


# y coordinates of the points of small order on Ed25519's curve, canonical and not: under such a key anything verifies
_SMALL_ORDER = frozenset(
    bytes.fromhex(text)
    for text in (
        "00" * 32,
        "01" + "00" * 31,
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ec" + "ff" * 30 + "7f",
        "ed" + "ff" * 30 + "7f",
        "ee" + "ff" * 30 + "7f",
    )
)


def _unsigned(update: Update) -> Stated | None:
    key = update.public_key
    if len(key) == 32 and key[:31] + bytes([key[31] & 127]) in _SMALL_ORDER:
        return reasons.WEAK_KEY()
    try:
        Ed25519PublicKey.from_public_bytes(update.public_key).verify(update.signature, update.signed_bytes())
    except (InvalidSignature, ValueError):
        return reasons.SIGNATURE()
    return None


def examine(
    update: Update, expected: Expected, plan: FieldPlan, staleness: int, max_staleness: int, multiplier: int, room: int
) -> Refusal | None:
    """Why ``update`` must not be added, or None. ``multiplier`` may be at most ``room``."""
    if reason := _malformed(update, expected, plan):
        return Refusal(MALFORMED, reason)
    if bool(update.key) != bool(set(expected.kinds) - {CLEAR}):
        return Refusal(WRONG_KEY, reasons.POLICY_KEY(key=update.key or "none"))
    if expected.key and update.key != expected.key:
        return Refusal(WRONG_KEY, reasons.RUN_KEY(key=update.key or "none", want=expected.key))
    if reason := _unsigned(update):
        return Refusal(MALFORMED, reason)
    if expected.public_key and update.public_key != expected.public_key:
        return Refusal(WRONG_KEY, reasons.IDENTITY())
    if expected.layout and update.layout != expected.layout:
        return Refusal(WRONG_LAYOUT, reasons.LAYOUT(got=update.layout[:12], want=expected.layout[:12]))
    if expected.shape and update.payload.shape != expected.shape:
        return Refusal(MALFORMED, reasons.SHAPE())
    if staleness > max_staleness:
        return Refusal(LATE, reasons.STALE(versions=staleness, most=max_staleness))
    if multiplier > room:
        return Refusal(LATE, reasons.COARSE(times=multiplier, room=room))
    return None
