"""Hospitals that come, go and come back as other Flower nodes, and how a run ends with whoever is left."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from flwr.app import Error, Message

from crossward.encryption.plan import FieldPlan
from crossward.simulation.toy import toy_context
from crossward.simulation.virtual_grid import VirtualNode


def comes_back(f: Any, hospital: int, after: float, gone: float) -> int:
    """``hospital``'s SuperNode is restarted ``after`` seconds: it registers under another Flower node id."""
    old, new = f.nodes[hospital], max(f.nodes) + 1
    old.leaves = after
    f.nodes[new] = VirtualNode(old.app, replace(toy_context(hospital - 1), node_id=new), old.speed, joins=after + gone)
    return new


def as_hospital(f: Any, new: int, hospital: int) -> None:
    """Count what node ``new`` sent as ``hospital``'s."""
    f.sent.update({task: (hospital, update) for task, (who, update) in f.sent.items() if who == new})


def test_what_a_hospital_left_over_is_kept_when_it_comes_back_under_another_id(federation: Any) -> None:
    """Its last update was accepted under the old id: the residual must be committed, not rolled back."""
    f = federation(compute=(3, 4, 5, 1), versions=12, plan=FieldPlan(3, 6, 2), buffer_size=4)
    new = comes_back(f, 4, after=2.0, gone=5.0)
    f.start()
    assert f.outcomes()[next(t for t, (who, _) in sorted(f.sent.items()) if who == 4)] == ["accepted"]
    as_hospital(f, new, 4)
    f.check_accounts()
    f.check_residuals([1, 2, 3, 4])
    f.check_agreement([1, 2, 3, 4])


# ---------------------------------------------------------------------- how a run ends


def silent(*nodes: int, since: float = 0.0) -> Any:
    """A fault: nothing comes back from ``nodes`` any more; they stay connected."""

    def fault(who: int, message: Message, reply: Message) -> list[tuple[float, Message]]:
        return [] if who in nodes and fault.now() >= since else [(0.0, reply)]  # type: ignore[attr-defined]

    return fault


def run(f: Any) -> Any:
    if f.fault is not None:
        f.fault.now = f.clock.now
    f.start()
    return f


def test_a_node_that_stays_connected_and_silent_does_not_turn_a_complete_run_into_an_error(federation: Any) -> None:
    """Default timeouts: its deadlines (an hour, then two) exceed the stall timeout, but every version is made."""
    f = run(federation(compute=(10, 20, 30, 40), versions=10, fault=silent(4)))
    assert len(f.made()) == 10 and f.lines("finished")
    assert f.clock.now() < 3 * f.settings.stall_seconds
    f.check_accounts()
    f.check_agreement([1, 2, 3])


def test_a_node_that_falls_silent_at_the_very_end_does_not_either(federation: Any) -> None:
    f = run(federation(compute=(10, 20, 30, 40), versions=10, fault=silent(2, since=270.0)))
    assert len(f.made()) == 10 and f.lines("finished")
    f.check_accounts()
    f.check_agreement([1, 3, 4])


def slower(times: float, *nodes: int, at: float) -> Any:
    """A fault: from ``at`` on ``nodes`` take ``times`` as long."""

    def fault(who: int, message: Message, reply: Message) -> list[tuple[float, Message]]:
        late = who in nodes and fault.now() >= at  # type: ignore[attr-defined]
        return [((times - 1) * 10.0 if late else 0.0, reply)]

    return fault


@pytest.mark.parametrize("nodes", [(1, 2, 3, 4, 5), (3, 4, 5), (1,)])
@pytest.mark.parametrize("times", [100.0])
@pytest.mark.parametrize("at", [60.0, 195.0])
def test_a_run_ends_whoever_becomes_slower_and_when(
    federation: Any, nodes: tuple[int, ...], times: float, at: float
) -> None:
    f = run(federation(compute=(10,) * 5, versions=20, fault=slower(times, *nodes, at=at)))
    assert len(f.made()) == 20
    f.check_accounts()
    f.check_agreement()


@pytest.mark.parametrize("gone", [150.0, 199.0])
def test_a_run_ends_when_only_slow_nodes_are_left(federation: Any, gone: float) -> None:
    """Nodes 4 and 5 take 40 times as long; near the end they are asked no more, until two of the fast ones leave."""
    f = run(federation(compute=(10, 10, 10, 400, 400), versions=20, leaves={1: gone, 2: gone}))
    assert len(f.made()) == 20
    f.check_accounts()
    f.check_agreement([3, 4, 5])


def test_a_slow_node_is_asked_at_once_when_those_in_time_do_nothing_but_fail(federation: Any) -> None:
    """Near the end node 4 would come too late; then node 3 begins to fail, at once and every time."""

    def fault(who: int, message: Message, reply: Message) -> list[tuple[float, Message]]:
        if who != 3 or f.strategy.state.version < 57:
            return [(0.0, reply)]
        return [(-9.9, Message(Error(code=2, reason="odd"), reply_to=message))]

    f = federation(compute=(10, 10, 10, 250), versions=60, fault=fault, retry_seconds=0.5, max_staleness=1000)
    f.start()
    assert len(f.made()) == 60
    began = f.lines("version")[56]
    asked = [at for at, node, kind in f.grid.pushed if node == 4 and kind == "train"]
    assert any(570.0 <= at <= 590.0 for at in asked), (asked, began)


def test_a_node_whose_updates_are_always_too_stale_is_asked_only_now_and_then(federation: Any) -> None:
    """Node 4 takes 15 versions' time: where no more than 3 are allowed its update is refused, whenever it comes."""

    def asked(most: int) -> list[float]:
        f = run(federation(compute=(10, 10, 10, 150), versions=60, max_staleness=most))
        assert len(f.made()) == 60
        f.check_accounts()
        return [at for at, node, kind in f.grid.pushed if node == 4 and kind == "train"]

    seldom = asked(3)
    assert len(seldom) == 2 and seldom[1] > 300.0, "8 x (3 + 1) versions later: it might have become faster"
    assert len(asked(1000)) >= 4


@pytest.mark.parametrize("seed", range(8))
def test_a_run_always_ends(federation: Any, seed: int) -> None:
    """Speeds over three orders of magnitude that change, leave and fall silent; three hospitals stay sound, if slow."""
    rng = random.Random(seed)
    compute = [10 ** rng.uniform(0, 3) for _ in range(7)]
    jumps = {node: (rng.uniform(0, 3000), 10 ** rng.uniform(-2, 2)) for node in range(1, 8) if rng.random() < 0.6}
    quiet = {node: rng.uniform(0, 3000) for node in range(4, 8) if rng.random() < 0.4}
    leaves = {node: rng.uniform(0, 3000) for node in range(4, 8) if rng.random() < 0.4}

    def fault(who: int, message: Message, reply: Message) -> list[tuple[float, Message]]:
        now = f.clock.now()
        at, times = jumps.get(who, (0.0, 1.0))
        usual = compute[who - 1]
        extra = min(usual * (times - 1), 1500.0) if now >= at else 0.0
        return [] if now >= quiet.get(who, now + 1) else [(extra, reply)]

    f = federation(compute=compute, versions=25, leaves=leaves, fault=fault, max_wait=100.0)
    f.start()
    assert len(f.made()) == 25 and f.lines("finished")
    f.check_accounts()
    f.check_agreement([node for node in (1, 2, 3) if f.state_of(node).copy.version == 25])
