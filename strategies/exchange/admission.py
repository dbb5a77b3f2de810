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
from crossward.protocol.messages import LATE, MALFORMED, WRONG_KEY, WRONG_LAYOUT, Update


@dataclass(frozen=True)
class Refusal:
    """Why an update is not accepted; ``outcome`` is one of ``crossward.protocol.messages.OUTCOMES``."""

    outcome: str
    reason: str


@dataclass(frozen=True)
class Expected:
    """What the server knows of the task it sent and the run it is in. Empty ``layout``/``shape``: not yet fixed.

    ``kinds`` are the kinds of part that the run's policy allows; with a sealed kind among them an update must be made
    under a key: ``key``, once that is fixed. ``versions`` is the run's last version,
    ``steps`` the most that a local training makes, ``privacy_unit`` what the run protects.
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


def _malformed(update: Update, expected: Expected, plan: FieldPlan) -> str:  # noqa: C901 - one branch a check
    for name in ("lineage", "task", "version", "epoch"):
        got, want = getattr(update, name), getattr(expected, name)
        if got != want:
            return f"{name} is {got!r}, expected {want!r}"
    if update.loss_sum > expected.max_loss * update.num_tokens:
        return f"a mean loss of {update.loss_sum / update.num_tokens:.1f} nats a token is beyond {expected.max_loss}"
    if update.steps > expected.steps:
        return f"{update.steps} steps were made, train.local-steps allows {expected.steps}"
    if reason := _unprotected(update, expected):
        return reason
    for number, part in enumerate(update.payload):
        head = part.head
        if head.kind not in expected.kinds:
            allowed = ", ".join(expected.kinds)
            return f"part {number} is of the kind {head.kind[:40]!r}, the run's encryption.policy allows {allowed}"
        if head.bits != plan.update_bits:
            return f"part {number} has fields of {head.bits} bits, expected {plan.update_bits}"
        if reason := expected.kinds[head.kind].check(part.data, head.bits, head.length):
            return f"part {number}: {reason}"
    if not update.payload.heads:
        return "the update holds no part"
    if {head.kind for head in update.payload.heads} == {CLEAR} and set(expected.kinds) != {CLEAR}:
        return "nothing in the update is sealed, but the run's encryption.policy seals some of it"
    return _malformed_snapshot(update, bool(set(expected.kinds) - {CLEAR}), plan.snapshot_bits(expected.versions))


def _unprotected(update: Update, expected: Expected) -> str:
    if update.privacy_unit != expected.privacy_unit:
        return f"it was made with privacy.unit = {update.privacy_unit!r}, the run has {expected.privacy_unit!r}"
    if update.privacy_unit not in LOCAL_UNITS and (spent := update.local_epsilon):
        return f"it names an epsilon of {spent}, but no hospital protects its patients in this run"
    if update.privacy_unit != NO_UNIT and update.loss_sum:
        return f"it tells a training loss, which privacy.unit = {update.privacy_unit!r} withholds"
    return ""


def _malformed_snapshot(update: Update, sealed: bool, bits: int) -> str:
    if update.snapshot is None:
        return ""
    head, payloads = update.snapshot
    values, kind = sum(h.length for h in update.payload.heads), WRAPPED if sealed else CLEAR
    if head.version != update.version or head.key != update.key or len(payloads) > MAX_EPOCH + 1:
        return f"its snapshot is of version {head.version}, {len(payloads)} epochs and key {head.key or 'none'}"
    if not set(head.epochs) <= set(range(MAX_EPOCH + 1)):
        return f"its snapshot is of scale epochs {list(head.epochs)}, there are 0 to {MAX_EPOCH}"
    for payload in payloads:
        if sum(h.length for h in payload.heads) != values or {h.kind for h in payload.heads} != {kind}:
            return f"its snapshot does not hold {values} values of the kind {kind!r}"
        for h in payload.heads:
            if h.bits != bits:
                return f"a part of its snapshot has fields of {h.bits} bits, expected {bits}"
            if h.size != (wrapped_size if sealed else packed_size)(h.length, h.bits):
                return f"a part of its snapshot has {h.size} bytes for {h.length} fields of {h.bits} bits"
    return ""


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


def _unsigned(update: Update) -> str:
    key = update.public_key
    if len(key) == 32 and key[:31] + bytes([key[31] & 127]) in _SMALL_ORDER:
        return "its public key is of small order: under such a key any signature fits"
    try:
        Ed25519PublicKey.from_public_bytes(update.public_key).verify(update.signature, update.signed_bytes())
    except (InvalidSignature, ValueError):
        return "the signature does not fit the update and its public key: it was changed on its way or made up"
    return ""


def examine(
    update: Update, expected: Expected, plan: FieldPlan, staleness: int, max_staleness: int, multiplier: int, room: int
) -> Refusal | None:
    """Why ``update`` must not be added, or None. ``multiplier`` may be at most ``room``."""
    if reason := _malformed(update, expected, plan):
        return Refusal(MALFORMED, reason)
    if bool(update.key) != bool(set(expected.kinds) - {CLEAR}):
        return Refusal(WRONG_KEY, f"made under key {update.key or 'none'}, against the run's encryption.policy")
    if expected.key and update.key != expected.key:
        return Refusal(WRONG_KEY, f"made under key {update.key or 'none'}, this run uses {expected.key}")
    if reason := _unsigned(update):
        return Refusal(MALFORMED, reason)
    if expected.public_key and update.public_key != expected.public_key:
        return Refusal(WRONG_KEY, "the node signed with another identity than before in this run")
    if expected.layout and update.layout != expected.layout:
        return Refusal(
            WRONG_LAYOUT,
            f"layout {update.layout[:12]} instead of {expected.layout[:12]}: its base model, tokenizer or LoRA "
            "settings differ from the other nodes'",
        )
    if expected.shape and update.payload.shape != expected.shape:
        return Refusal(MALFORMED, "the parts' kinds or lengths differ from the run's")
    if staleness > max_staleness:
        return Refusal(LATE, f"{staleness} versions behind, at most {max_staleness} are allowed")
    if multiplier > room:
        return Refusal(
            LATE, f"its scale epoch is {multiplier} times coarser than the present one, at most {room} fits W"
        )
    return None
