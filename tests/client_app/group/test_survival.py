"""Whatever is killed, hangs or is idle: who asked hears why, nothing is left, and the next message works.

Memory that runs out is in ``test_rank``, a run's end in ``test_message``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

ONE = {"node__num_processes": 1}
SOON = 240.0  # seconds in which all of a group is gone: a stall would only be noticed after 900


def killed_node(node: Any) -> None:
    """A SuperNode is killed while its ClientApp waits for a training."""
    message = node.endless(**ONE, own_node=True).trains()
    group = node.group()
    message.process.kill()
    text = message.failure(SOON)
    assert text.startswith("GroupError the worker group exited during its work: its SuperNode has exited")
    group.await_end(SOON)


@pytest.fixture(scope="module")
def beside(hospitals: Callable[[], Any]) -> Iterator[Future[None]]:
    """It begins before the other tests, which leave it half of two cores."""
    node = hospitals()
    node.keeps = True
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(killed_node, node)


def test_a_client_that_is_killed_leaves_the_group_and_its_training_is_given_up(
    shared: Any, beside: Future[None]
) -> None:
    killed = shared.endless().trains()
    group = shared.group()
    assert len(group.torchrun) == 1 and len(group.ranks) == 2
    killed.kill()
    tokens, steps = shared.send().trained()[1::2]  # the steps before it would take an hour
    assert tokens > 0 and steps == 6
    assert set(shared.group().processes) == set(group.processes) == set(group.left())


def test_a_client_that_is_killed_while_it_waits_for_its_turn_is_forgotten(shared: Any) -> None:
    first = shared.endless().trains()
    second = shared.endless(data__max_tokens=32)
    group = shared.group()
    shared.until(lambda: len(connections(group)) == 2, "the second client")
    second.kill()
    first.kill()
    shared.send().trained()
    assert group.left() == group.processes


def connections(group: Any) -> list[Any]:
    """The supervisor's connections to clients."""
    path = group.info["socket"]
    held = [c for c in group.supervisor.net_connections("unix") if c.laddr == path]
    return held[1 + len(group.ranks) :]  # the socket that listens, and one a rank


def test_a_rank_that_is_killed_ends_the_group(shared: Any) -> None:
    message = shared.endless().trains()
    group = shared.group()
    group.ranks[1].kill()
    text = message.failure(SOON)
    assert text.startswith("GroupError the worker group exited during its work: rank 1")
    assert f"process {group.ranks[1].pid}" in text and "killed, crashed, or out of memory" in text
    group.await_end(SOON)


def test_a_launcher_that_is_killed_while_the_ranks_come_ends_the_group(shared: Any) -> None:
    shared.end_groups()
    message = shared.endless()
    group = shared.until(lambda: launched(shared, message), "the group's launcher")
    group.torchrun[0].kill()
    text = message.failure(SOON)
    assert text.startswith("GroupError the worker group exited during its work: its launcher exited with code -9")
    assert str(shared.folder / "group.log") in text
    group.await_end(SOON)


def launched(node: Any, message: Any) -> Any:
    """The group with its launcher once it has one."""
    assert message.process.poll() is None, message.seen
    if (
        not (supervisors := node.supervisors())
        or node.read(node.folder / "group.json").get("pid") != supervisors[0].pid
    ):
        return None
    group = node.group()
    return group if group.torchrun else None


def test_clients_that_come_at_once_start_one_group_and_all_are_served(shared: Any) -> None:
    messages = [shared.send(seed=seed, **ONE) for seed in (1, 2, 1)]
    first, second, third = (message.trained() for message in messages)
    assert first == third and first[0] != second[0]
    assert shared.supervisors() == [shared.group().supervisor]
    assert [shared.send(seed=seed, **ONE).trained() for seed in (1, 2)] == [first, second]


def test_a_supervisor_that_is_killed_takes_its_group_with_it_and_the_next_clears_up(shared: Any) -> None:
    message = shared.endless(**ONE).trains()
    group = shared.group()
    group.supervisor.kill()
    text = message.failure(SOON)
    assert text.startswith("GroupError the worker group was lost before it could train")
    group.await_end(SOON, room=False)
    message = shared.endless(**ONE)
    shared.until(lambda: launched(shared, message), "the next group")
    assert not group.room.exists()
    shared.end_groups()  # its ranks would only now begin to import torch


def test_a_node_that_is_killed_takes_the_group_with_it(beside: Future[None]) -> None:
    beside.result(400)


def test_a_rank_that_hangs_is_noticed(hung: Any) -> None:
    text, pid = hung.outcome(), hung.group.ranks[0].pid
    assert text.startswith("GroupError the worker group exited during its work: rank 0")
    assert re.search(rf"process {pid}\) (has not responded|has made no progress) for \d+ s", text)
    hung.group.await_end(SOON)


def test_a_group_goes_when_it_is_idle(halves: Any) -> None:
    """The one that ``test_ranks`` left, or else one of its own."""
    if not hasattr(halves, "last"):
        halves.learner(**ONE, node__idle_timeout=2.0)
        halves.last = halves.group()
    halves.last.await_end()
    assert re.search("it was idle for (2|60) s", (halves.folder / "group.log").read_text())
