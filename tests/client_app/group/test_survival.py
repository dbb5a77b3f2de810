"""Whatever is killed, hangs or runs out of memory: who asked hears why, nothing is left, and the next message works.

In this order each test's next message starts the group that the one after it destroys, which saves time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest

ONE = {"node__num_processes": 1}
SOON = 20.0  # seconds in which all of a group is gone


class Hung:
    """A node whose rank stops in the middle of a training: beside the other tests, as it takes a while to notice."""

    def __init__(self, node: Any) -> None:
        self.node, self.said = node, ""
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        while not self.said:
            message = self.node.endless(**ONE, node__stall_timeout=20.0)
            self.node.messages.clear()  # it outlives the test that it began in
            if message.until("log", "failed").startswith("failed"):  # this machine is busy: no rank came in time
                continue
            self.group = self.node.group()
            self.group.ranks[0].suspend()
            self.said = message.failure(120.0)

    def outcome(self) -> str:
        self.thread.join(180.0)
        return self.said


@pytest.fixture(scope="module", autouse=True)
def hung(hospitals: Callable[[], Any]) -> Iterator[Hung]:
    made = Hung(hospitals())
    yield made
    made.thread.join(180.0)


def test_a_client_that_is_killed_leaves_the_group_and_its_training_is_given_up(shared: Any) -> None:
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
    said = message.failure(SOON)
    assert said.startswith("GroupError the worker group ended while it worked: rank 1")
    assert f"process {group.ranks[1].pid}" in said and "killed, crashed, or out of memory" in said
    group.await_end(SOON)


def test_clients_that_come_at_once_start_one_group_and_all_are_served(shared: Any) -> None:
    messages = [shared.send(seed=seed) for seed in (1, 2, 1)]
    first, second, third = (message.trained() for message in messages)
    assert first == third and first[0] != second[0]
    supervisors = [p for p in psutil.process_iter() if str(shared.folder) in shared.cmdline(p) and shared.runs(p)]
    assert supervisors == [shared.group().supervisor]
    assert [shared.send(seed=seed).trained() for seed in (1, 2)] == [first, second]


def test_another_model_sends_the_old_group_away_when_it_is_done(shared: Any) -> None:
    busy = shared.endless().trains()
    old = shared.group()
    waits = shared.endless(**ONE, lora__rank=3)
    assert old.left() == old.processes  # it works for another message
    busy.kill()
    old.await_end(SOON)

    # the launcher is killed while the new group starts
    group = shared.until(lambda: launched(shared, waits), "the new group's launcher")
    assert "another model" in (shared.folder / "group.log.1").read_text()
    group.torchrun[0].kill()
    said = waits.failure(SOON)
    assert said.startswith("GroupError the worker group ended while it worked: its launcher ended with code -9")
    assert str(shared.folder / "group.log") in said
    group.await_end(SOON)


def launched(node: Any, message: Any) -> Any:
    """The group with its launcher once it has one."""
    assert message.process.poll() is None, message.seen
    if not node.read(node.folder / "group.json"):
        return None
    group = node.group()
    return group if group.torchrun else None


def test_memory_that_runs_out_ends_the_group_and_is_named(shared: Any) -> None:
    """The rank may take no more than it has: a larger step does not fit."""
    shared.send(**ONE).trained()
    group = shared.group()
    (rank,) = group.ranks
    most = rank.memory_info().vms + 2**26
    rank.rlimit(psutil.RLIMIT_AS, (most, most))
    said = shared.send(**ONE, train__batch_size=4096).failure(SOON)
    assert "memory" in said
    group.await_end(SOON)


def test_a_supervisor_or_a_node_that_is_killed_takes_the_group_with_it(shared: Any) -> None:
    message = shared.endless(**ONE).trains()
    group = shared.group()
    group.supervisor.kill()
    said = message.failure(SOON)
    assert said.startswith("GroupError the worker group was lost while it was to train")
    group.await_end(SOON, room=False)

    # the next message, from a node of its own, clears up; that node is killed then
    message = shared.endless(**ONE, own_node=True).trains()
    assert not group.room.exists()
    group = shared.group()
    message.process.kill()
    said = message.failure(SOON)
    assert said.startswith("GroupError the worker group ended while it worked: its SuperNode is gone")
    group.await_end(SOON)


def test_a_rank_that_hangs_is_noticed(hung: Hung) -> None:
    said, pid = hung.outcome(), hung.group.ranks[0].pid
    assert said.startswith("GroupError the worker group ended while it worked: rank 0")
    assert f"process {pid}) gives no sign of life for 20 s" in said
    hung.group.await_end(SOON)
