"""Nodes of a vertical run that are no party's, or a party's twice."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from flwr.app import Message

from crossward.ledger.vertical_events import StepAsked, StepFailed
from crossward.ledger.vertical_state import VerticalState
from crossward.protocol.vertical.messages import BLIND, HELLO, MALFORMED, REPRESENT, Answer, NotDone, Work
from crossward.protocol.vertical.wire import read_answer, write_answer
from crossward.simulation.virtual_grid import Speed, VirtualNode
from strategies.history.state import RunError
from strategies.vertical.nodes import ATTEMPTS, LONG_PAUSE, PAUSE, Nodes
from tests.vertical_runs import FOURTH, PASSING, Consortium, context, own_tables

LONG = {"vertical.distil": False, "vertical.exchanges": 0}


class Seen:
    """What a relay asked and what failed."""

    def __init__(self) -> None:
        self.asked: Counter[tuple[str, str]] = Counter()
        self.failed: list[StepFailed] = []

    def __call__(self, event: object, _: VerticalState) -> None:
        if isinstance(event, StepAsked):
            self.asked[event.node, event.action] += 1
        if isinstance(event, StepFailed):
            self.failed.append(event)


def slow(made: Consortium, name: str, number: int) -> VirtualNode:
    """A node of a party that takes its time, so that others have time to get into its way."""
    return VirtualNode(made.app(name), context(number), Speed(compute=100.0))


def test_a_run_does_without_a_node_that_is_no_party_s(tmp_path: Path) -> None:
    seen = Seen()
    made = Consortium(tmp_path, LONG, actions=PASSING)

    def act(name: str, work: Work, do: object) -> Answer:
        if name == "stray":
            raise RuntimeError("party-path is missing")
        return do()  # type: ignore[no-any-return, operator]

    made.act = act
    nodes = {number: slow(made, name, number) for number, name in enumerate(made.names, 1)}
    nodes[9] = VirtualNode(made.app("stray"), context(9))
    assert made.run(nodes=nodes, observers=[seen]).finished
    assert {(event.node, event.reason) for event in seen.failed} == {("9", "RuntimeError: party-path is missing")}
    assert ATTEMPTS <= seen.asked["9", HELLO] < 30


def test_a_party_of_the_roster_that_comes_too_late_is_no_party_of_the_run(tmp_path: Path) -> None:
    seen = Seen()
    made = Consortium(tmp_path, LONG | {"vertical.parties": 3}, own_tables((*own_tables(), FOURTH)), PASSING)
    nodes = {number: slow(made, name, number) for number, name in enumerate(made.names, 1)}
    nodes[4] = replace(nodes[4], joins=500.0)
    assert made.run(nodes=nodes, observers=[seen], parties=3).finished
    assert "'registry' is not one of the parties of this run" in seen.failed[0].reason


def test_a_run_ends_where_too_few_nodes_can_introduce_themselves(tmp_path: Path) -> None:
    made = Consortium(tmp_path, LONG, actions=PASSING)

    def act(name: str, work: Work, do: object) -> Answer:
        if name == "clinic":
            raise RuntimeError("party-path is missing")
        return do()  # type: ignore[no-any-return, operator]

    made.act = act
    with pytest.raises(RunError, match="the node 1 cannot introduce itself: RuntimeError: party-path is missing"):
        made.run()


def test_a_party_at_two_nodes_is_asked_at_the_newest_and_at_the_other_once_that_has_left(tmp_path: Path) -> None:
    seen, made = Seen(), Consortium(tmp_path, LONG, actions=PASSING)
    nodes = {number: slow(made, name, number) for number, name in enumerate(made.names, 1)}
    nodes[7] = replace(slow(made, "clinic", 7), joins=150.0, leaves=450.0)
    assert made.run(nodes=nodes, observers=[seen]).finished
    hellos = seen.asked["1", HELLO], seen.asked["7", HELLO]
    assert hellos == (2, 1) and not seen.failed  # not by turns, for as long as both are there
    assert seen.asked["1", REPRESENT] + seen.asked["7", REPRESENT] >= 1


def test_what_a_party_cannot_read_is_in_its_own_words(tmp_path: Path) -> None:
    def old(node: int, message: Message, reply: Message) -> list[tuple[float, Message]]:
        if (answer := read_answer(reply.content)).step == 1:
            unread = NotDone("", -1, -1, MALFORMED, f"protocol 2, expected 1 ({answer.task})")
            reply.content = write_answer(unread)
        return [(0.0, reply)]

    with pytest.raises(RunError, match=rf"cannot do step 1 \({BLIND}\): protocol 2, expected 1"):
        Consortium(tmp_path, LONG, actions=PASSING).run(fault=old)


def test_a_node_that_left_and_joined_again_begins_anew() -> None:
    nodes = Nodes()
    assert nodes.meet([1, 2]) == ([1, 2], [])
    assert [nodes.failed(1, 0.0) for _ in range(ATTEMPTS)] == [1, 2, 3]
    assert nodes.hopeful() == 1 and nodes.free((), LONG_PAUSE - 1) == [(2, "")] and nodes.pauses(0.0) == [LONG_PAUSE]
    nodes.introduced(2, "clinic")
    assert nodes.failed(2, 0.0) == 0 and nodes.hopeful() == 1 and nodes.free((), PAUSE) == [(2, "clinic")]
    assert nodes.meet([2]) == ([], [(1, "")]) and nodes.meet([1]) == ([1], [(2, "clinic")])
    assert nodes.free((), 0.0) == [(1, "")] and nodes.hopeful() == 1
