"""Thousands of changed updates at the server's door; the mutations are those of ``python -m benchmarks.fuzz``."""

from __future__ import annotations

import time
import tracemalloc
from typing import Any

import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, RecordDict

from benchmarks.fuzz.__main__ import Door, Tally, fuzz, table
from benchmarks.fuzz.committee import Found, fuzz_committee
from benchmarks.fuzz.mutations import FORGED, IDENTITY_POINT
from crossward.encryption.aggregator import arithmetic
from crossward.encryption.plan import FieldPlan
from crossward.ledger import reasons
from crossward.ledger.events import Accepted, Malformed, Outcome
from crossward.protocol.messages import ANSWER, CONSENT, MEMBERSHIP, TRAIN
from crossward.protocol.parts import ProtocolError
from crossward.protocol.wire import read_reply

MUTATIONS = 3000
COMMITTEE_MUTATIONS = 300  # a policy
PLAN = FieldPlan(8, 7, 2)
REFUSED = (
    reasons.SIGNATURE,
    reasons.FACT,
    reasons.OTHER_TASK,
    reasons.PART_DATA,
    reasons.PART_BITS,
    reasons.PART_KIND,
    reasons.SHAPE,
    reasons.WEAK_KEY,
    reasons.ASTRAY,
    reasons.NOTHING_SEALED,
    reasons.NO_PART,
    reasons.SNAPSHOT_HEAD,
    reasons.EPSILON,
    reasons.STEPS,
    reasons.LOSS_RANGE,
    reasons.LAYOUT,
)
WEAK = "a key that verifies anything: accepted without its hospital's signature"


@pytest.fixture(scope="module")
def tally() -> Tally:
    return fuzz(MUTATIONS, seed=0)


def test_every_mutation_has_an_outcome_and_none_an_exception(tally: Tally) -> None:
    assert tally.crashes == []
    assert tally.tried == MUTATIONS == sum(tally.refused.values()) + sum(tally.accepted.values())
    assert sum(tally.refused.values()) > MUTATIONS / 2
    why = {label.split(": ", 1)[1] for label in tally.refused}
    assert why >= {reason.code for reason in REFUSED} and sum("the protocol, by" in one for one in why) >= 5


def test_nothing_changed_on_its_way_is_accepted_and_no_refused_one_leaves_a_trace(tally: Tally) -> None:
    assert tally.unsigned == tally.accepted[WEAK]


def test_a_public_key_of_small_order_is_no_identity(tally: Tally) -> None:
    assert tally.accepted[WEAK] == 0


def test_what_a_hospital_signed_itself_becomes_a_version_that_opens_or_says_why_not(tally: Tally) -> None:
    outcomes = {what.split(":")[0] for what in tally.sums}
    assert outcomes == {"opens, within what honest updates sum to", "the version does not open"}
    assert sum(tally.sums.values()) > 200


def test_the_same_seed_gives_the_same_mutations_and_another_seed_others() -> None:
    assert fuzz(60, seed=5) == fuzz(60, seed=5) != fuzz(60, seed=6)


def test_the_table_says_all_of_it(tally: Tally) -> None:
    text = table(tally, 1.0)
    assert f"{MUTATIONS} mutations" in text and "changed a sum without a valid signature" in text


# ---------------------------------------------------------------------- the committee's messages


@pytest.fixture(scope="module", params=["all", "sensitive"])
def found(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Found:
    folder = tmp_path_factory.mktemp(request.param)
    return fuzz_committee(COMMITTEE_MUTATIONS, folder, request.param, seed=3)


def test_no_mutated_message_of_the_committees_changes_a_sum_or_opens_an_update_twice(found: Found) -> None:
    """Nor is one of the messages as they were refused."""
    assert found.wrong == []
    assert sum(found.refused.values()) + sum(found.accepted.values()) > 0.95 * COMMITTEE_MUTATIONS


def test_no_mutated_message_of_the_committees_breaks_anything(found: Found) -> None:
    assert found.crashes == []
    whom = {what.split(":")[0] for what in found.refused}
    asked = {f"asked, {kind}" for kind in (CONSENT, ANSWER)}
    assert whom == {TRAIN, MEMBERSHIP, CONSENT, ANSWER, *asked, "record", "sealing keys", "roster"}


# ---------------------------------------------------------------------- by hand


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Door]:
    return {p: Door(tmp_path_factory.mktemp(p), p, PLAN) for p in ("all", "none")}


def handed(door: Door, n: int, change: Any) -> Outcome:
    """The outcome of node ``n``'s reply after ``change`` of it."""
    import copy

    content = copy.deepcopy(door.fresh[n][1])
    change(content)
    door.reset()
    return door.hand_in(*[door.fresh[n][0], content])


def test_the_honest_updates_themselves_are_accepted(doors: dict[str, Door]) -> None:
    for door in doors.values():
        for n in door.nodes:
            assert isinstance(handed(door, n, lambda content: None), Accepted)
            assert not door.untouched()


@pytest.mark.parametrize("policy", ["all", "none"])
@pytest.mark.parametrize("length", [1 << 40, 1 << 62, -1, 0])
def test_an_index_that_claims_the_moon_costs_nothing(doors: dict[str, Door], policy: str, length: int) -> None:
    def claim(content: RecordDict) -> None:
        index = content.config_records["index"]
        index["length"] = [length for _ in index["length"]]

    tracemalloc.start()
    outcome = handed(doors[policy], 1, claim)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert isinstance(outcome, Malformed) and peak < 3e6


def test_an_index_that_claims_the_moon_costs_nothing_under_ckks_either() -> None:
    """2**32 values are a list of 8 MB; 2**50 would be 2 TB, from one unsigned index entry."""
    adder = arithmetic(PLAN, "all", "ckks")["ckks"]
    tracemalloc.start()
    reason = adder.check(b"\0" * 100, 8, 1 << 32)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert reason and peak < 1e6


def test_hundreds_of_thousands_of_parts_are_refused_in_reasonable_time(doors: dict[str, Door]) -> None:
    def many(content: RecordDict) -> None:
        n = 250_000
        index = {"kind": ["clear"] * n, "length": [0] * n, "bits": [8] * n, "size": [0] * n}
        content["index"] = ConfigRecord(index)
        content["payload"] = ArrayRecord({"bytes": Array("uint8", (0,), "raw.bytes", b"")})
        content.config_records["facts"]["parts"] = [n]

    began = time.process_time()
    outcome = handed(doors["none"], 1, many)
    assert isinstance(outcome, Malformed) and time.process_time() - began < 20  # of one second
    assert len(outcome.reason) < 500 and doors["none"].untouched()


@pytest.mark.parametrize("name", ["layout", "state-hash", "head-hash"])
def test_names_that_go_into_the_ledger_are_bounded(doors: dict[str, Door], name: str) -> None:
    import copy

    content = copy.deepcopy(doors["all"].fresh[1][1])
    content.config_records["facts"][name] = "\x1b[2J" + "x" * 10_000_000
    with pytest.raises(ProtocolError):
        read_reply(content)


@pytest.mark.parametrize("key", ["0123456789abcdef\n", "0123456789ABCDEF", "０123456789abcde", "0" * 17, "\0" * 16])
def test_a_key_fingerprint_of_odd_characters_is_malformed(doors: dict[str, Door], key: str) -> None:
    def change(content: RecordDict) -> None:
        content.config_records["facts"]["key"] = key

    outcome = handed(doors["all"], 1, change)
    assert isinstance(outcome, Malformed) and "no key fingerprint" in outcome.reason


def test_a_forged_signature_is_one_by_the_rules_of_the_curve() -> None:
    """So that the test of keys of small order tests what it says."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    Ed25519PublicKey.from_public_bytes(IDENTITY_POINT).verify(FORGED, b"anything at all")
