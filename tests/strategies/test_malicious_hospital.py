"""What a hospital that holds the key and signs honestly can still do to a run, and what the others then do."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tenseal.sealapi as seal
from flwr.app import Message

from client_app.identity import sign
from client_app.update.payloads import Vault
from crossward.config.encryption_schemes import BFV
from crossward.config.encryption_settings import EncryptionSettings
from crossward.encryption.aggregator.bfv import BfvArithmetic
from crossward.encryption.bfv import to_60_bits
from crossward.encryption.holder.bfv import BfvSealer
from crossward.encryption.key_format import ConsortiumKey
from crossward.encryption.packing import CiphertextError
from crossward.encryption.plan import RING, FieldPlan
from crossward.encryption.secret import Secret
from crossward.protocol.messages import Update
from crossward.protocol.parts import Part, PartHead, join
from crossward.protocol.wire import read_reply, write_reply
from crossward.simulation.toy import toy_identity
from strategies.history.state import RunError

SECRET = Secret(bytes(range(32)))
SEALED = Vault(EncryptionSettings(scheme=BFV, workers=1), ConsortiumKey(SECRET))
PLAN = FieldPlan(8, 7, 0)
Outcome = list[tuple[float, Message]]
Seal = Callable[[BfvSealer], bytes]


def slots(values: list[int]) -> Seal:
    """A part whose first slots hold what its maker likes; modulo the plain modulus."""

    def made(sealer: BfvSealer) -> bytes:
        modulus = int(sealer.bfv.context.key_context_data().parms().plain_modulus().value())
        plaintext = seal.Plaintext()
        sealer.bfv.encoder.encode([v % modulus for v in values] + [0] * (RING - len(values)), plaintext)
        return sealer.bfv.fresh_words(sealer._encryptor.encrypt_symmetric(plaintext))

    return made


def noise(sealer: BfvSealer) -> bytes:
    """Coefficients drawn at random: nothing was encrypted."""
    words = np.random.default_rng(0).integers(0, sealer.bfv.modulus, RING, dtype=np.uint64)
    return to_60_bits(words).tobytes() + bytes(range(64))


def run(federation: Any, part: Seal, times: int = 1, **keywords: Any) -> Any:
    """Node 4 sends ``part`` in place of its values, ``times`` times from its second update on; honest but for that."""
    sealer, sent = BfvSealer(PLAN, SECRET.bfv_seed()), 0

    def act(who: int, message: Message, reply: Message) -> Outcome:
        nonlocal sent
        update = read_reply(reply.content)
        if who != 4 or not isinstance(update, Update):
            return [(0.0, reply)]
        sent += 1
        if not 1 < sent <= 1 + times:
            return [(0.0, reply)]
        data = part(sealer)
        payload = join([Part(PartHead("bfv", 16, 8, len(data)), data)])
        changed = sign(replace(update, payload=payload), toy_identity(4))
        return [(0.0, Message(content=write_reply(changed), reply_to=message))]

    given: dict[str, Any] = {"compute": (2, 2, 2, 1), "versions": 10, "buffer_size": 4, "weighting": "examples"}
    f = federation(vault=SEALED, plan=PLAN, fault=act, retry_seconds=1.0, **given | keywords)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        f.start()
    return f


def largest(f: Any, version: int) -> tuple[int, int]:
    """The largest magnitude of a version's integers, and the weight of node 4 in it."""
    line = f.made()[version - 1]
    values = f.version_sum(line, exact=True)
    return int(np.abs(values).max()), line["weights"][line["sites"].index("toy-3")]


@pytest.mark.parametrize(
    ("what", "values"),
    [
        ("a field of more than its value bits", [300 + (300 << 15)]),
        ("a field that carries into its neighbour", [1000]),
        ("a negative slot, which borrows from every field", [-50]),
    ],
)
def test_fields_beyond_their_bits_move_a_sum_farther_than_the_weight_allows(
    federation: Any, what: str, values: list[int]
) -> None:
    """Measured: ``max-share`` does not bound this hospital; all honest nodes still agree, and the run goes on."""
    f = run(federation, slots(values * 5))
    moved, weight = largest(f, 2)
    assert weight <= 0.45 * PLAN.total_weight
    assert moved > weight * PLAN.q_max, what
    assert len(f.made()) == 10
    f.check_agreement()


def test_a_sum_that_no_honest_hospitals_could_make_is_noticed_on_opening() -> None:
    """Guard bits are room for it: under ``balanced`` one hospital can move a value 282 times as far as its share."""
    plan = FieldPlan(8, 6, 6)
    sealer, adder = BfvSealer(plan, SECRET.bfv_seed()), BfvArithmetic(plan)
    parts = [slots([30000])(sealer), sealer.seal(np.zeros(1, np.int64))]
    total = adder.combine(parts, [28, 36], [8, 8], plan.sum_bits(1), 1)
    with pytest.raises(CiphertextError):
        sealer.open(total, plan.sum_bits(1), 1, plan.total_weight)


UNOPENABLE = [("noise", noise), ("something behind the last value", slots([1] * RING))]


@pytest.mark.parametrize(("what", "part"), UNOPENABLE)
def test_a_run_survives_a_version_that_nobody_can_open(federation: Any, what: str, part: Seal) -> None:
    """All say why it does not open, it is left out (its reversal would not open either), and all agree on the rest."""
    f = run(federation, part)
    assert len(f.made()) >= 10
    text = {line["node"]: line["reason"] for line in f.lines("failed") if "does not open" in line["reason"]}
    expected = "no noise room left" if what == "noise" else "behind its last value"
    assert len(text) >= 2 and all(expected in reason for reason in text.values())
    copies = [f.state_of(node).copy for node in f.nodes]
    assert len({copy.hash("x", b"key") for copy in copies}) == 1 and {c.version for c in copies} == {len(f.made())}


@pytest.mark.parametrize("times", [2, 4])
def test_a_hospital_that_goes_on_so_is_asked_no_more_before_the_others_give_up(federation: Any, times: int) -> None:
    """Nodes stop answering under a key once a few records did not open: one hospital could use that up for all."""
    f = run(federation, noise, times, compute=(2, 3, 2, 1, 3, 2), buffer_size=3)
    assert len(f.made()) >= 10 and len(f.lines("void")) == 2
    excluded = {line["hospital"] for line in f.lines("excluded")}
    (guilty,) = {line["hospital"] for line in f.lines("accepted") if line["site"] == "toy-3"}
    assert excluded == {guilty}
    asked = [line for line in f.lines("dispatched") if line["hospital"] == guilty and line["kind"] == "train"]
    assert not any(line["version"] > f.lines("void")[-1]["version"] for line in asked)


def test_where_all_contribute_to_every_version_nobody_can_tell_who_it_was(federation: Any) -> None:
    """Two are survived; then every node has given up, says why, and the run ends at once rather than by its timeout."""
    with pytest.raises(RunError, match=r"every node refuses to go on; .* did not open here .*crossward keys rotate"):
        run(federation, noise, 4)


@pytest.mark.parametrize("weighting", ["paper", "paper-literal", "examples", "corrected"])
def test_losses_and_counts_that_lie_weigh_at_most_the_largest_share(federation: Any, weighting: str) -> None:
    def lie(who: int, message: Message, reply: Message) -> Outcome:
        update = read_reply(reply.content)
        if who != 4 or not isinstance(update, Update):
            return [(0.0, reply)]
        big = 1 << 62
        changed = sign(replace(update, num_examples=big, num_tokens=big, loss_sum=99.0 * big), toy_identity(4))
        return [(0.0, Message(content=write_reply(changed), reply_to=message))]

    f = federation(vault=SEALED, plan=PLAN, fault=lie, versions=8, weighting=weighting)
    f.start()
    weights = [line["weights"][line["sites"].index("toy-3")] for line in f.made() if "toy-3" in line["sites"]]
    assert weights and max(weights) <= round(0.45 * 128) + 1
