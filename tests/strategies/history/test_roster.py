"""The server's view of its nodes."""

import pytest

from strategies.history.roster import Flight, NodeView, Roster


def flight(node: int, deadline: float = 10.0) -> Flight:
    return Flight(node, 1, "train", 0, 0, 0.0, deadline, 0)


def roster(nodes: list[int]) -> Roster:
    made = Roster(set(nodes))
    for node in nodes:
        made.nodes[node] = NodeView(node)
    return made


def test_nodes_join_leave_and_keep_what_is_known_of_them() -> None:
    present: set[int] = set()
    r = Roster(present)
    assert r.changes([2, 1]) == ([1, 2], []) and not present  # the ledger says who is connected
    present |= {1, 2}
    r.nodes[1].held = 7
    assert r.changes([2]) == ([], [1])
    present.remove(1)
    assert r.changes([1, 2]) == ([1], [])
    assert r.nodes[1].held == 7


def test_idle_nodes_come_least_trained_first_without_the_busy_and_the_pausing() -> None:
    r = roster([1, 2, 3, 4])
    r.nodes[1].trained = 5
    r.launch("m", flight(2))
    r.back_off(r.nodes[3], 0.0, 4.0)
    assert [v.node for v in r.idle(1.0)] == [4, 1]
    assert [v.node for v in r.idle(4.0)] == [3, 4, 1]
    assert r.land("m") == flight(2)
    assert r.land("m") is None
    assert [v.node for v in r.idle(4.0)] == [2, 3, 4, 1]


def test_pauses_double_up_to_64_times() -> None:
    r = roster([1])
    pauses = []
    for _ in range(9):
        r.back_off(r.nodes[1], 0.0, 5.0)
        pauses.append(r.nodes[1].not_before)
    assert pauses == [5, 10, 20, 40, 80, 160, 320, 320, 320]


def test_deadlines_and_the_next_moment() -> None:
    r = roster([1, 2])
    assert r.next_moment(0.0) == float("inf")
    r.launch("m", flight(1, 10.0))
    r.back_off(r.nodes[2], 0.0, 4.0)
    assert [r.next_moment(t) for t in (0.0, 4.0, 10.0)] == [4.0, 10.0, float("inf")]
    assert r.overdue(9.9) == [] and r.overdue(10.0) == ["m"]


def test_a_node_is_called_by_its_identity_once_it_is_known() -> None:
    r = roster([1])
    assert r.nodes[1].hospital == "node-1"
    r.nodes[1].public_key = bytes(range(32))
    assert r.nodes[1].hospital == "0001020304050607"


@pytest.mark.parametrize("time", [0.0, 5.0])
def test_an_absent_node_is_not_idle(time: float) -> None:
    r = Roster(set())
    r.nodes[1] = NodeView(1)
    assert r.idle(time) == []
