"""Faults of a soak in what is said: replies changed on their way, repeated, under another key, or lies that are signed.

Not for: losing what was said (``benchmarks.soak.faults``), when a fault comes (``benchmarks.soak.trouble``).
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from flwr.app import RecordDict

from benchmarks.fuzz.mutations import MUTATIONS, Material
from benchmarks.soak.hospitals import Outcomes
from benchmarks.soak.trouble import Act, Call, fault
from client_app.identity import sign
from crossward.config.encryption_schemes import BFV
from crossward.encryption.bfv import to_60_bits
from crossward.encryption.holder.bfv import BfvSealer
from crossward.encryption.plan import RING
from crossward.protocol.messages import EVALUATE, TRAIN, Evaluation, Update
from crossward.protocol.parts import Part, ProtocolError, join
from crossward.protocol.wire import read_reply, write_reply


@fault("reply changed on its way", TRAIN)
def _(call: Call) -> Outcomes:
    reply = call.handle()
    update = read_reply(reply.content)
    if not isinstance(update, Update) or len({r.config_records["facts"]["task"] for r in call.world.replies}) < 3:
        return [(0.0, reply)]
    material = Material(list(call.world.replies), call.world.foreign, {}, call.world.plan)
    name, mutate = call.rng.choice(MUTATIONS)
    content = mutate(copy.deepcopy(reply.content), call.rng, material)
    call.world.counts[f"  {name}"] += 1
    if not _vouched(content, update.public_key):
        call.world.forged.add(call.task.task)
    return call.reply(content)


def _vouched(content: RecordDict, public_key: bytes) -> bool:
    """Independently of the server: does the hospital's own key vouch for this update?"""
    try:
        update = read_reply(content)
        if not isinstance(update, Update):
            return False
        Ed25519PublicKey.from_public_bytes(public_key).verify(update.signature, update.signed_bytes())
    except (ProtocolError, InvalidSignature, ValueError):
        return False
    return True


@fault("reply of an earlier task again", TRAIN)
def _(call: Call) -> Outcomes:
    reply = call.handle()
    if isinstance(read_reply(reply.content), Update):
        call.world.replies.append(reply.content)
    return call.reply(copy.deepcopy(call.world.replies[0])) if call.world.replies else [(0.0, reply)]


@fault("another consortium key")
def _(call: Call) -> Outcomes:
    own, call.hospital.vault = call.hospital.vault, call.world.shared.wrong
    try:
        return [(0.0, call.handle())]
    finally:
        call.hospital.vault = own


def _claim(**changes: Any) -> Act:
    """A lie that the hospital signs; values may be functions of its honest update."""

    def act(call: Call) -> Outcomes:
        reply = call.handle()
        update = read_reply(reply.content)
        if not isinstance(update, Update):
            return [(0.0, reply)]
        said = {name: value(update) if callable(value) else value for name, value in changes.items()}
        return call.reply(write_reply(sign(replace(update, **said), call.hospital.identity)))

    return act


fault("another layout", TRAIN)(_claim(layout="f" * 64))
fault("signed as of another key", TRAIN)(_claim(key="0123456789abcdef"))
fault("says: loss of 1e9", TRAIN)(_claim(loss_sum=lambda u: 1e9 * u.num_tokens))
fault("says: loss of 99", TRAIN)(_claim(loss_sum=lambda u: 99.0 * u.num_tokens))
fault("says: no tokens", TRAIN)(_claim(num_tokens=0))
fault("says: 2**60 tokens", TRAIN)(_claim(num_tokens=1 << 60, loss_sum=2.0**60))
fault("says: 1e9 s of computing", TRAIN)(_claim(compute_seconds=1e9, train_seconds=1e9, seal_seconds=1e9))
fault("says: another number of examples", TRAIN)(_claim(num_examples=lambda u: 1000 * u.num_examples))
fault("says: more steps than allowed", TRAIN)(_claim(steps=lambda u: u.steps + 1))
fault("says: another state's hash", TRAIN)(_claim(state_hash=lambda u: u.signature.hex()[:64]))


@fault("a loss that jumped, in an evaluation", EVALUATE, most=8)
def _(call: Call) -> Outcomes:
    reply = call.handle()
    evaluation = read_reply(reply.content)
    if not isinstance(evaluation, Evaluation) or call.task.version in call.world.jumped:
        return [(0.0, reply)]  # of two that lie in one evaluation the versions since would be taken back
    call.world.jumped.add(call.task.version)
    measures = {name: replace(m, loss_sum=1000.0 * m.loss_sum) for name, m in evaluation.measures.items()}
    return call.reply(write_reply(replace(evaluation, measures=measures)))


@fault("noise instead of a ciphertext, signed", TRAIN, most=1, scheme=BFV)
def _(call: Call) -> Outcomes:
    """The server cannot see it; the version that holds it opens at no node and is void."""
    reply = call.handle()
    update = read_reply(reply.content)
    if not isinstance(update, Update):
        return [(0.0, reply)]
    modulus = BfvSealer(call.world.plan, bytes(64)).bfv.modulus
    words = np.random.default_rng(call.rng.getrandbits(32)).integers(0, modulus, RING, dtype=np.uint64)
    parts = [Part(part.head, (to_60_bits(words).tobytes() + part.data)[: len(part.data)]) for part in update.payload]
    return call.reply(write_reply(sign(replace(update, payload=join(parts)), call.hospital.identity)))
