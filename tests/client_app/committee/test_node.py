"""A node under the committee scheme: what it checks before it trains, and what becomes of a record that is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("flwr.app")  # quietly, the first time: its dependencies use what others deprecate

from client_app.node import Node
from client_app.update.sealer import UpdateSealer
from crossward.config.schedule import Schedule
from crossward.encryption.committee.spelling import Proof, SealedFacts
from crossward.encryption.committee.statements import Rules
from crossward.protocol.messages import Evaluation, Failure, RecordHead, Task, Update
from crossward.protocol.parts import Payload
from crossward.simulation.toy import ToyLearner
from strategies.exchange.admission import Expected, examine
from tests.client_app.committee.consortium import LINEAGE, PLAN, SECRET, SIZES, Consortium, Sealed

SCHEDULE = Schedule(versions=100, local_steps=5, peak=0.05)
WEIGHTS = [40, 42, 44]


class Learner(ToyLearner):
    """Of the layout that the consortium seals; says how often it trained."""

    def __init__(self, number: int) -> None:
        super().__init__(number, SCHEDULE, sum(SIZES))
        self.sizes, self.trained = SIZES, 0

    def train(self, *given: Any) -> Any:
        self.trained += 1
        return super().train(*given)


@pytest.fixture
def own(tmp_path: Path) -> Consortium:
    made = Consortium(tmp_path / "keys")
    made.meet()
    return made


def node(own: Consortium, folder: Path, name: str = "h0", rules: Rules | None = None) -> Node:
    keys = replace(own.keys[name], rules=rules or own.keys[name].rules)
    sealer = UpdateSealer(own.vault, committee=keys)
    number = int(name[1:])
    return Node(Learner(number), folder / name, own.identities[name], SCHEDULE, 0, lambda: 0.0, False, sealer)


def trained(own: Consortium, folder: Path, task: Task) -> dict[str, Update]:
    """Updates of three hospitals."""
    out = {}
    for name in ("h0", "h1", "h3"):
        got = node(own, folder, name).train(task)
        assert isinstance(got, Update), got
        out[name] = got
    return out


def made(own: Consortium, updates: Mapping[str, Update], version: int = 1) -> tuple[RecordHead, Payload]:
    sent: dict[str, Sealed] = {n: (u.payload, SealedFacts.from_bytes(u.committee)) for n, u in updates.items()}
    return own.record(sent, WEIGHTS, version)


def test_updates_are_sealed_become_a_version_and_every_node_holds_the_same(own: Consortium, tmp_path: Path) -> None:
    updates = trained(own, tmp_path, own.task())
    for name, update in updates.items():
        assert update.key == SECRET.fingerprint
        expected = Expected(
            LINEAGE, 1, 0, 0, update.key, update.layout, update.payload.shape, update.public_key, own.kinds
        )
        assert examine(update, expected, PLAN, 0, 10, 1, 4) is None
        assert SealedFacts.from_bytes(update.committee).statement.signer == name
    record = made(own, updates)
    task = replace(own.task(1), records=(record,))
    hashes = set()
    for name in own.keys:
        got = node(own, tmp_path, name).evaluate(task)
        assert isinstance(got, Evaluation)
        hashes.add(got.state_hash)
    assert len(hashes) == 1
    held = node(own, tmp_path).store.load(updates["h0"].layout).copy
    assert held.version == 1 and held.values[0].any()


def test_whoever_signs_for_the_committees_part_signs_the_update(own: Consortium, tmp_path: Path) -> None:
    update = trained(own, tmp_path, own.task())["h0"]
    assert replace(update, committee=b"").signed_bytes() != update.signed_bytes()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"roster": "ab" * 32}, "the run follows roster abababababababab"),
        ({"stretch": 3}, "names sealing keys of stretch 3"),
        ({"certificates": {}}, "lacks the sealing keys of h0, h1, h2, h3"),
    ],
)
def test_a_task_that_nothing_can_be_sealed_for_is_refused_before_training(
    own: Consortium, tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    one = node(own, tmp_path)
    got = one.train(own.task(**change))
    assert isinstance(got, Failure) and (got.kind, got.held) == ("wrong-key", 0) and reason in got.reason
    assert one.learner.trained == 0  # type: ignore[attr-defined]
    assert isinstance(one.train(own.task()), Update) and one.learner.trained == 1  # type: ignore[attr-defined]


def test_a_record_that_is_no_sum_is_refused_by_name_and_changes_nothing(own: Consortium, tmp_path: Path) -> None:
    head, payload = made(own, trained(own, tmp_path, own.task()))
    proof = Proof.from_text(head.proof)
    wrong = head._replace(proof=replace(proof, tag=proof.tag ^ 1).to_text())
    one = node(own, tmp_path, "h2")
    got = one.evaluate(replace(own.task(1), records=((wrong, payload),)))
    assert isinstance(got, Failure) and (got.kind, got.held, got.first, got.last) == ("failed", 0, 1, 1)
    assert got.reason.startswith("the record of versions 1 to 1 does not open: version 1 is not the sum of the updates")
    assert "h0, h1, h3" in got.reason
    assert one.store.load(one.layout).copy.version == 0
    assert isinstance(one.evaluate(replace(own.task(1), records=((head, payload),))), Evaluation)


def test_a_record_in_another_unit_than_the_schedules_is_refused(own: Consortium, tmp_path: Path) -> None:
    """The tag holds whatever unit the aggregator names: the schedule, which every hospital has, says which it is."""
    head, payload = made(own, trained(own, tmp_path, own.task()))
    one = node(own, tmp_path, "h2")
    got = one.evaluate(replace(own.task(1), records=((head._replace(epoch=1), payload),)))
    assert isinstance(got, Failure) and "is said to be of scale epoch 1, the schedule has another" in got.reason
    assert isinstance(one.evaluate(replace(own.task(1), records=((head, payload),))), Evaluation)


def test_a_version_of_too_few_is_refused_by_every_node_with_the_reason(own: Consortium, tmp_path: Path) -> None:
    record = made(own, trained(own, tmp_path, own.task()))
    task = replace(own.task(1), records=(record,))
    for name in own.keys:
        strict = node(own, tmp_path, name, Rules(min_contributors=4))
        got = strict.train(task)
        assert isinstance(got, Failure) and got.last == 1
        assert "3 contributors, this hospital demands 4 or more" in got.reason
        assert strict.learner.trained == 0  # type: ignore[attr-defined]
    assert isinstance(node(own, tmp_path).train(task), Update)


def test_neither_an_unknown_roster_nor_a_wrong_record_strikes_a_node_out(own: Consortium, tmp_path: Path) -> None:
    head, payload = made(own, trained(own, tmp_path, own.task()))
    proof = Proof.from_text(head.proof)
    foreign = replace(proof, lists=tuple(replace(one, roster="ab" * 32) for one in proof.lists))
    one = node(own, tmp_path, "h2")
    for _ in range(4):
        got = one.evaluate(replace(own.task(1), records=((head._replace(proof=foreign.to_text()), payload),)))
        assert isinstance(got, Failure) and got.kind == "wrong-key" and "Point roster-path at the newest" in got.reason
    assert isinstance(one.evaluate(replace(own.task(1), records=((head, payload),))), Evaluation)
    other = node(own, tmp_path, "h1")
    for _ in range(4):  # a committee's sums leak nothing of a key by whether they open
        got = other.evaluate(replace(own.task(1), records=((head._replace(proof=""), payload),)))
        assert isinstance(got, Failure) and "the proof of a record cannot be read" in got.reason
    assert isinstance(other.evaluate(replace(own.task(1), records=((head, payload),))), Evaluation)


def test_without_encryption_nothing_is_asked_of_a_committee(own: Consortium, tmp_path: Path) -> None:
    clear = Node(Learner(0), tmp_path / "clear", own.identities["h0"], SCHEDULE, 0, lambda: 0.0, False)
    got = clear.train(replace(own.task(), committee=b""))
    assert isinstance(got, Update) and got.committee == b"" and {head.kind for head in got.payload.heads} == {"clear"}
    assert np.all([head.length for head in got.payload.heads])
