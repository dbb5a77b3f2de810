"""Whether a reply may touch a sum: lineage, task, version, layout, key, shape, signature, staleness.

Every refusal has an outcome and a reason for the ledger. Signatures and digests keep a tampered update out;
the checks of shape give the reason before arithmetic could fail on it.

Not for: weights (``strategies.weighting``).
"""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from encryption.aggregator import ARITHMETIC
from encryption.plan import FieldPlan
from protocol.messages import LATE, MALFORMED, WRONG_KEY, WRONG_LAYOUT, Update


@dataclass(frozen=True)
class Refusal:
    """Why an update is not accepted; ``outcome`` is one of ``protocol.messages.OUTCOMES``."""

    outcome: str
    reason: str


@dataclass(frozen=True)
class Expected:
    """What the server knows of the task it sent and the run it is in. Empty ``layout``/``shape``: not yet fixed."""

    lineage: str
    task: int
    version: int
    epoch: int
    key: str
    layout: str
    shape: tuple[tuple[str, int], ...]
    public_key: bytes
    max_loss: float = 100.0


def _malformed(update: Update, expected: Expected, plan: FieldPlan) -> str:
    for name in ("lineage", "task", "version", "epoch"):
        got, want = getattr(update, name), getattr(expected, name)
        if got != want:
            return f"{name} is {got!r}, expected {want!r}"
    if update.loss_sum > expected.max_loss * update.num_tokens:
        return f"a mean loss of {update.loss_sum / update.num_tokens:.1f} nats a token is beyond {expected.max_loss}"
    for number, part in enumerate(update.payload):
        head = part.head
        if head.kind not in ARITHMETIC:
            return f"part {number} is of the unknown kind {head.kind!r}"
        if head.bits != plan.update_bits:
            return f"part {number} has fields of {head.bits} bits, expected {plan.update_bits}"
        if reason := ARITHMETIC[head.kind].check(part.data, head.bits, head.length):
            return f"part {number}: {reason}"
    if not update.payload.heads:
        return "the update holds no part"
    return ""


def _unsigned(update: Update) -> str:
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
    if update.key != expected.key:
        return Refusal(WRONG_KEY, f"made under key {update.key or 'none'}, this run uses {expected.key or 'none'}")
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
