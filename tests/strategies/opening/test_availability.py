"""Members that are away, slow, silent or restarted: a version opens as long as a quorum and all subsets are left."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from flwr.app import Error, Message

from crossward.protocol.messages import ANSWER, CONSENT, MEMBERSHIP, TRAIN
from strategies.async_hybrid import AsyncHybrid
from strategies.exchange.waiting import described
from strategies.fedavg import FedAvg
from strategies.history.state import RunError
from tests.strategies.opening.consortium import CommitteeFederation, Make, both, late, lost, on, twice, vault

COMPUTE = (10.0, 12.0, 15.0, 40.0, 11.0, 13.0)


def quiet(f: CommitteeFederation) -> bool:
    """Whether nothing went wrong with any version."""
    return not f.lines("liar", "corrected", "void", "opening-dropped", "excluded")


@pytest.mark.parametrize("kind", [AsyncHybrid, FedAvg])
@pytest.mark.parametrize(("count", "policy"), [(3, "all"), (4, "all"), (4, "sensitive"), (6, "all")])
def test_an_honest_run_opens_every_version_and_calls_nobody_a_liar(
    consortium: Make, kind: Any, count: int, policy: str
) -> None:
    compute, sealing = COMPUTE[:count], vault(policy=policy)
    f = consortium(compute=compute, members=min(count, 4), versions=6, kind=kind, vault=sealing, evaluate_every=3)
    f.start()
    assert len(f.made()) == 6 and quiet(f) and not f.lines("declined", "failed", "malformed")
    for line in f.made():
        assert len(line["openers"]) == 2 and line["opening_seconds"] < 1.0
    f.check_all()
    assert not [name for name in f.journal.payloads if name.startswith("answers/")]  # type: ignore[attr-defined]


Fault = Callable[[int], Callable[[int, Message, Message], Any]]
AWAY = {"leaves": {1: 25.0}}
FAULTS: dict[str, tuple[Fault, dict[str, Any]]] = {
    "loses all consents": (lambda node: on(node, CONSENT, lost), {}),
    "loses all answers": (lambda node: on(node, ANSWER, lost), {}),
    "was killed between its disk and its reply, once each": (
        lambda node: both(on(node, CONSENT, lost, {2}), on(node, ANSWER, lost, {1})),
        {},
    ),
    "answers after the deadline": (lambda node: both(on(node, CONSENT, late(500)), on(node, ANSWER, late(500))), {}),
    "repeats itself": (lambda node: both(on(node, CONSENT, twice), on(node, ANSWER, twice)), {}),
    "does not say its roster at first": (lambda node: on(node, MEMBERSHIP, lost, {1}), {}),
    "leaves": (lambda node: on(node, CONSENT, lost, set()), AWAY),
    "leaves and comes back as another node": (
        lambda node: on(node, CONSENT, lost, set()),
        AWAY | {"again": {9: (0, 60.0)}},
    ),
}


@pytest.mark.parametrize("what", FAULTS)
def test_one_member_of_four_may_fail(consortium: Make, what: str) -> None:
    fault, given = FAULTS[what]
    f = consortium(compute=COMPUTE, versions=8, fault=fault(1), task_timeout=200.0, retry_seconds=1.0, **given)
    f.start()
    assert len(f.made()) == 8 and quiet(f)
    f.check_all([2, 3, 4, 5, 6])
    trouble = f.lines("failed", "duplicate", "left", "declined")
    assert trouble and {line["node"] for line in trouble} <= {"1", "9"}
    if 9 in f.nodes:
        assert any(line["member"] == "h0" and line["node"] == "9" for line in f.lines("assisted"))
        assert any("toy-0" in line["sites"] for line in f.made()[-6:])


@pytest.mark.parametrize("kind", [CONSENT, ANSWER])
def test_with_three_members_nobody_may_fail(consortium: Make, kind: str) -> None:
    """The control: the same silence, of one member of three for good, and no version is ever made."""
    given: dict[str, Any] = {"task_timeout": 200.0, "retry_seconds": 1.0, "stall_timeout": 3000.0}
    fault = both(*(on(node, kind, lost) for node in ((1,) if kind == CONSENT else (1, 2))))
    f = consortium(compute=COMPUTE[:3], members=3, versions=3, fault=fault, **given)
    with pytest.raises(RunError, match=r"opening version 1: .*(h0|h1) did not answer"):
        f.start()
    assert not f.made()


def test_a_silent_member_is_asked_last_from_then_on(consortium: Make) -> None:
    f = consortium(compute=COMPUTE, versions=8, fault=on(1, ANSWER, lost), task_timeout=200.0, retry_seconds=1.0)
    f.start()
    waits = [line["version"] for line in f.made() if line["opening_seconds"] > 100.0]
    assert len(waits) <= 1 and len(f.made()) == 8


def test_two_members_of_four_away_stop_the_run_until_one_is_back(
    consortium: Make, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    f = consortium(compute=COMPUTE, versions=8, leaves={1: 21.0, 2: 21.5}, again={9: (1, 4000.0)}, task_timeout=200.0)
    f.start()
    moments = [f.clock.now()]
    assert len(f.made()) == 8 and moments[0] > 4000.0 and quiet(f)
    said = [r.getMessage() for r in caplog.records if r.getMessage().startswith("Waiting for")]
    assert any("h0" in text and "h1" in text and "not connected" in text for text in said), said
    f.check_all([3, 4, 5, 6])


def test_a_run_that_waits_for_members_too_long_names_them(consortium: Make) -> None:
    f = consortium(compute=COMPUTE, versions=8, leaves={1: 21.0, 2: 21.5}, stall_timeout=2000.0, task_timeout=200.0)
    with pytest.raises(RunError, match=r"h0, h1 (is|are) not connected"):
        f.start()
    assert "h0, h1" in described(f.strategy.state)


def test_a_committee_whose_keys_are_not_known_is_named_too(consortium: Make) -> None:
    given: dict[str, Any] = {"stall_timeout": 2000.0, "task_timeout": 200.0, "retry_seconds": 1.0}
    f = consortium(compute=COMPUTE, versions=8, joins={1: 1e9, 2: 1e9}, **given)
    with pytest.raises(RunError, match="h0, h1 are not connected"):
        f.start()
    assert not f.lines("accepted")


def test_a_run_whose_hospitals_cannot_train_says_so_at_once(consortium: Make) -> None:
    """That they all name a roster is no progress: nobody waits for hours."""

    def out_of_memory(who: int, message: Message, reply: Message) -> Any:
        broken = message.metadata.message_type == TRAIN
        return [(0.0, Message(Error(code=3, reason="out of memory"), reply_to=message) if broken else reply)]

    f = consortium(compute=COMPUTE[:4], versions=2, fault=out_of_memory, retry_seconds=1.0)
    with pytest.raises(RunError, match=r"every node failed 3 times and nothing was ever accepted.*out of memory"):
        f.start()
    assert f.clock.now() < 200.0
