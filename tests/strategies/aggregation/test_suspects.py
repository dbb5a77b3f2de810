"""Contributors of a version that did not open are kept apart only where others can really fill a buffer."""

from __future__ import annotations

from typing import Any

import pytest

from crossward.ledger.events import Accepted
from strategies.aggregation.suspects import separate_suspects
from strategies.history.state import ServerState
from tests.ledger_lines import made

SUSPECTS = ("a", "b", "c")


def waiting(state: ServerState, *hospitals: str) -> list[Accepted]:
    """Their updates, each of the node of its place in the alphabet."""
    for hospital in hospitals:
        node = ord(hospital) - ord("a") + 1
        state.run.apply(made("accepted", task=node, node=str(node), hospital=hospital))
    return state.buffer


@pytest.fixture
def state(federation: Any) -> ServerState:
    """Five nodes that a resumed run has met, of which it knows no identity; three hospitals spoiled a version."""
    found: ServerState = federation(compute=(1, 1, 1, 1, 1)).strategy.state
    for node in found.roster.changes(range(1, 6))[0]:
        found.record(made("joined", node=str(node)))
    found.run.discarded_groups.append(frozenset(SUSPECTS))
    return found


def tasks(updates: list[Accepted]) -> list[str]:
    return [update.hospital for update in updates]


def test_one_suspect_at_most_where_others_wait(state: ServerState) -> None:
    assert tasks(separate_suspects(state, waiting(state, "a", "b", "d", "e"))) == ["a", "d", "e"]


def test_updates_of_others_that_are_still_to_come_are_waited_for(state: ServerState) -> None:
    assert tasks(separate_suspects(state, waiting(state, "a", "b", "c"))) == ["a"]


def test_where_all_that_wait_are_suspects_or_few_nobody_is_waited_for(state: ServerState) -> None:
    """Nodes whose updates wait are asked for no others: a resumed run must not take them for other hospitals'."""
    group = waiting(state, "a", "b", "c", "d")
    state.run.exhausted.add(5)
    assert separate_suspects(state, group) == group
