"""The live view: exact states at every moment of made-up ledgers, and the server's own word in a virtual run."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console, RenderableType

from crossward.cli.app import main

pytest.importorskip("flwr.app")  # quietly, the first time: its dependencies use what others deprecate
pytest.importorskip("flwr.serverapp")

from flwr.app import Error, Message

from crossward.config.schedule import Schedule
from crossward.config.strategy_settings import StrategySettings
from crossward.encryption.plan import FieldPlan
from crossward.ledger.file import FILE_NAME, Ledger
from crossward.ledger.lines import parse, read_events
from crossward.protocol.messages import OUTCOMES
from crossward.report.names import fitted
from crossward.report.watch import follow
from crossward.report.watch.command import Follower
from crossward.report.watch.row import (
    ABSENT,
    EVALUATING,
    EXCLUDED,
    IDLE,
    LEFT,
    PAUSING,
    TRAINING,
    TRAINING_ALONE,
    WAITING,
    Row,
    Updates,
)
from crossward.report.watch.state import WatchState
from crossward.report.watch.view import brief, note
from crossward.simulation.toy import toy_app, toy_context
from crossward.simulation.virtual_grid import Speed, VirtualClock, VirtualGrid, VirtualNode
from strategies.async_hybrid import AsyncHybrid
from strategies.fedavg import FedAvg
from strategies.history.journal import MemoryJournal
from tests.ledger_lines import made


def folded(story: Any) -> WatchState:
    state = WatchState()
    for event in read_events(story.path / FILE_NAME):
        state(event)
    return state


def rows(story: Any, after: float = 0.0) -> dict[str, Row]:
    return {row.name: row for row in folded(story).rows(story.now + after)}


def states(story: Any) -> dict[str, str]:
    return {name: row.state for name, row in rows(story).items()}


def plain(what: RenderableType, width: int = 160) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None, force_terminal=False, record=True)
    console.print(what, highlight=False)
    return console.export_text()


def view(story: Any, after: float = 0.0) -> str:
    follower = Follower(story.path, lambda: story.now + after)
    follower.refresh()
    return plain(follower.draw())


# ---------------------------------------------------------------------- a node's states


def test_before_the_first_line_and_before_the_first_task(story: Callable[..., Any]) -> None:
    one = story(["North", "South"])
    assert folded(one).rows(one.now) == [] and "the run has not begun" in view(one)
    one.start()
    assert {(row.state, row.version, row.updates.accepted) for row in rows(one).values()} == {(IDLE, None, 0)}
    assert list(rows(one)) == [f"node-{node}" for node in one.nodes]


def test_a_node_that_was_just_asked_trains_under_its_number_until_it_has_answered(story: Callable[..., Any]) -> None:
    one = story(["North", "South"])
    one.start()
    who = {"node": one.nodes[0], "hospital": f"node-{one.nodes[0]}"}
    one.record("dispatched", 0.5, task=1, kind="train", version=0, bytes=0, **who)
    found = rows(one, after=3.0)
    assert found[who["hospital"]] == Row(who["hospital"], TRAINING, 3.0, 0, Updates())
    assert found[f"node-{one.nodes[1]}"].state == IDLE
    one.accept(0, 1, 0)
    assert list(rows(one)) == ["North", f"node-{one.nodes[1]}"]


def test_an_accepted_update_waits_for_its_version_and_tells_what_training_was(story: Callable[..., Any]) -> None:
    one = story()
    one.start()
    task = one.ask(0, 0)
    one.accept(0, task, 0)
    row = rows(one, after=4.0)["North"]
    assert (row.state, row.seconds, row.version) == (WAITING, 4.0, 0)
    assert row.updates == Updates("North", 1, 500, 1000, None, 12.5, 2.0, 2.0)
    one.version(1, [(0, task, 10, 0)])
    assert (rows(one, after=1.0)["North"].state, rows(one, after=1.0)["North"].seconds) == (IDLE, 1.0)
    one.accept(0, one.ask(0, 1), 1, steps=7, train_seconds=0.0, num_tokens=40, bytes=700)
    assert rows(one)["North"].updates == Updates("North", 2, 1200, 2000, 7, None, 0.5, 2.0)


def test_a_version_frees_its_members_and_leaves_the_others_behind(story: Callable[..., Any]) -> None:
    one = story()
    one.start()
    first, second, _ = one.ask(0, 0), one.ask(1, 0), one.ask(2, 0)
    one.accept(0, first, 0)
    one.accept(1, second, 0)
    one.version(1, [(0, first, 10, 0)])
    one.ask(0, 1)
    one.accept(2, 3, 0)
    found = rows(one)
    assert {name: (row.state, row.version) for name, row in found.items() if row.version is not None} == {
        "North": (TRAINING, 1),
        "South": (WAITING, 0),
        "East": (WAITING, 0),
    }
    drawn = {line.split()[0]: line for line in view(one).splitlines() if line.strip()}
    assert " 1       0 " in drawn["North"] and " 0       1 " in drawn["South"]  # version, versions behind


@pytest.mark.parametrize("outcome", [name for name in OUTCOMES if name not in ("accepted", "late", "behind", "budget")])
def test_a_failed_node_pauses_with_its_reason_until_it_is_asked_again(story: Callable[..., Any], outcome: str) -> None:
    one = story()
    one.start()
    one.accept(0, one.ask(0, 0), 0)
    one.version(1, [(0, 1, 10, 0)])
    one.refuse(0, one.ask(0, 1), outcome, "out of memory\nand more")
    row = rows(one, after=2.0)["North"]
    assert (row.state, row.seconds, row.detail) == (PAUSING, 2.0, "out of memory and more")
    assert "pausing: out of memory and more" in view(one)
    assert f"North: {outcome}: out of memory and more" in view(one)
    one.ask(0, 1)
    assert states(one)["North"] == TRAINING


def test_late_and_behind_bring_no_pause_but_behind_after_a_failure_does(story: Callable[..., Any]) -> None:
    one = story(["North"])
    one.start()
    one.refuse(0, one.ask(0, 0), "late", "too stale")
    assert set(states(one).values()) == {IDLE}
    one.refuse(0, one.ask(0, 0), "behind", "holds version 0")
    assert set(states(one).values()) == {IDLE}
    one.refuse(0, one.ask(0, 0), "behind", "")
    assert [(row.state, row.detail) for row in rows(one).values()] == [(PAUSING, "no reason given")]
    one.accept(0, one.ask(0, 0), 0)
    one.version(1, [(0, 4, 10, 0)])
    one.refuse(0, one.ask(0, 1), "behind", "again")
    assert states(one) == {"North": IDLE}  # an accepted update had closed the row of failures


def test_a_discarded_version_ends_every_pause(story: Callable[..., Any]) -> None:
    one = story(["North"])
    one.start()
    one.refuse(0, one.ask(0, 0), "failed", "cannot open version 1")
    one.record("version", version=1)
    one.record("void", version=1, tasks=[], hospitals=[], reason="cannot open version 1")
    assert set(states(one).values()) == {IDLE}
    assert "version 1 opens at no node and is discarded: cannot open version 1" in view(one)


def test_a_task_that_could_not_be_sent_is_a_failure(story: Callable[..., Any]) -> None:
    one = story(["North"])
    one.start()
    one.refuse(0, 1, "failed", "the message could not be handed to Flower")
    assert states(one) == {"00" * 8: PAUSING}
    one.record("duplicate", task=-1, node="77", reason="a reply to no task under way")
    assert states(one) == {"00" * 8: PAUSING} and "77: duplicate: a reply to no task" in view(one)


def test_an_update_that_is_refused_after_all_waits_no_longer(story: Callable[..., Any]) -> None:
    one = story()
    one.start()
    one.accept(0, one.ask(0, 0), 0)
    one.refuse(0, 1, "wrong-layout", "version 1 fixed another")
    row = rows(one, after=1.0)["North"]
    assert (row.state, row.seconds) == (IDLE, 1.0)


def test_a_node_that_left_says_so_and_may_come_back(story: Callable[..., Any]) -> None:
    one = story()
    one.start()
    one.accept(0, one.ask(0, 0), 0)
    one.record("left", 1.0, node=one.nodes[0], hospital="00" * 8)
    row = rows(one, after=5.0)["North"]
    assert (row.state, row.seconds, row.detail) == (LEFT, 5.0, WAITING)
    one.version(1, [(0, 1, 10, 0)])
    assert (rows(one)["North"].state, rows(one)["North"].detail) == (LEFT, "")
    one.record("joined", 2.0, node=one.nodes[0])
    assert (rows(one, after=1.0)["North"].state, rows(one, after=1.0)["North"].seconds) == (IDLE, 1.0)
    assert "North: left" in view(one) and "North: joined" in view(one)
    task = one.ask(0, 1)
    one.record("left", 1.0, node=one.nodes[0], hospital="00" * 8)
    one.refuse(0, task, "failed", "Flower error 5", after=30.0)
    assert (rows(one)["North"].state, rows(one)["North"].seconds) == (LEFT, 30.0)


def test_a_hospital_whose_node_comes_with_a_new_number_has_one_row(story: Callable[..., Any]) -> None:
    one = story()
    one.start()
    one.accept(0, one.ask(0, 0), 0)
    one.record("left", node=one.nodes[0], hospital="00" * 8)
    one.nodes[0] = "42"
    one.record("joined", node="42")
    assert len(rows(one)) == 5
    one.ask(0, 0)
    assert len(rows(one)) == 4 and states(one)["North"] == TRAINING


def test_evaluation_comes_before_waiting_and_training_alone_is_told_apart(story: Callable[..., Any]) -> None:
    one = story()
    one.start()
    one.accept(0, one.ask(0, 0), 0)
    task = one.ask(0, 0, "evaluate")
    assert states(one)["North"] == EVALUATING
    one.measure(0, task, 0, {"global": 2.0})
    row = rows(one)["North"]
    assert (row.state, row.seconds) == (WAITING, pytest.approx(2.1))  # since the update was accepted
    one.record("evaluated", version=0, loss=2.0, complete=False, sites=["North"], reverts=[])
    assert "held-out loss 2.000 at version 0 (not all answered)" in view(one)
    one.record("evaluated", version=1, loss=None, complete=False, sites=[], reverts=[])
    assert folded(one).run.heldout == made("evaluated", version=0, loss=2.0, sites=["North"])
    one.ask(1, 0, "train.alone")
    assert states(one)["01" * 8] == TRAINING_ALONE


def test_an_excluded_hospital(story: Callable[..., Any]) -> None:
    one = story()
    one.start()
    one.accept(0, one.ask(0, 0), 0)
    one.version(1, [(0, 1, 10, 0)])
    one.record("excluded", 1.0, hospital="00" * 8, versions=2)
    assert (rows(one, after=1.0)["North"].state, rows(one, after=1.0)["North"].seconds) == (EXCLUDED, 1.0)
    assert "North: excluded, as it contributed" in view(one)
    one.ask(0, 1, "evaluate")
    assert (rows(one)["North"].state, rows(one)["North"].detail) == (EVALUATING, EXCLUDED)


def test_two_hospitals_of_one_name_can_be_told_apart(story: Callable[..., Any]) -> None:
    one = story(["Ward", "Ward"])
    one.start()
    for i in (0, 1):
        one.accept(i, one.ask(i, 0), 0)
    assert list(rows(one)) == ["Ward (000000)", "Ward (010101)"]


# ---------------------------------------------------------------------- the run


def test_pace_and_end_are_told_from_the_last_versions(story: Callable[..., Any]) -> None:
    one = story(planned=10)
    one.start()
    one.record("dispatched", 50.0, task=1, kind="train", version=0, bytes=0, node=one.nodes[0], hospital="node-1")
    for number, seconds in enumerate((10.0, 30.0, 20.0), start=1):
        one.now += seconds
        one.record("version", version=number, tasks=[])
    one.record("version", version=4, tasks=[], reverts=3)  # made at once: no pace
    state, at = folded(one), one.now + 5.0
    assert (state.pace(), state.to_go(at), state.elapsed(at)) == (20.0, 5 * 20.0 + 15.0, 115.0)
    text = view(one, after=5.0).splitlines()[0]
    assert text.startswith("version 4 of 10, 20 s a version, elapsed 1 min 55 s, about 1 min 55 s to the last version")
    assert "version 4 subtracts version 3" in view(one)
    one.now += 7200
    one.record("version", version=5, tasks=[])
    one.now += 7200
    one.record("version", version=6, tasks=[])
    assert ", 120 versions an hour" not in view(one) and folded(one).pace() == 30.0


def test_a_finished_run_stays_at_its_end(story: Callable[..., Any]) -> None:
    one = story()
    one.full_run(4, 3)
    one.ledger.close()
    state = folded(one)
    assert {(row.state, row.updates.accepted) for row in state.rows(one.now + 1e6)} == {(IDLE, 3)}
    assert max(row.seconds for row in state.rows(one.now + 1e6)) < 60 and state.to_go(one.now) is None
    text = view(one, after=1e6)
    assert "version 4 of 4" in text and "finished: all 4 versions are made" in text and "died" not in text


def test_a_resumed_run_begins_anew_and_leaves_the_interruption_out(story: Callable[..., Any]) -> None:
    one = story()
    one.start()
    first, second = one.ask(0, 0), one.ask(1, 0)
    one.accept(0, first, 0)
    one.now += 1000.0
    one.task = 1 << 32
    one.start("resumed", version=0)
    found = rows(one)
    assert (found["North"].state, found["01" * 8].state) == (WAITING, IDLE)  # nodes may keep their numbers
    one.refuse(1, second, "failed", "under way when the run was interrupted", after=0.0)
    assert states(one)["01" * 8] == IDLE and "under way when the run was interrupted" in view(one)
    assert folded(one).elapsed(one.now + 1.0) == pytest.approx(3.2)
    one.ask(1, 0)
    one.version(1, [(0, first, 10, 0)])
    assert (states(one)["North"], states(one)["01" * 8]) == (IDLE, TRAINING)
    assert "resumed at version 0" in view(one)


def test_a_hospital_that_is_not_back_says_so_until_its_node_of_a_new_number_answers(story: Callable[..., Any]) -> None:
    one = story(["North", "South"])
    one.start()
    for i in (0, 1):
        one.accept(i, one.ask(i, 0), 0)
    one.version(1, [(0, 1, 10, 0), (1, 2, 10, 0)])
    one.nodes, one.task = ["7", "8"], 1 << 32
    one.start("resumed", version=1)
    assert states(one) == {"North": ABSENT, "South": ABSENT, "node-7": IDLE, "node-8": IDLE}
    who = {"node": "7", "hospital": "node-7"}
    one.record("dispatched", 1.0, task=one.task + 1, kind="evaluate", version=1, bytes=0, **who)
    assert states(one)["node-7"] == EVALUATING
    one.measure(0, one.task + 1, 1, {"global": 2.0}, **who)  # no key is known, but the site's name is
    assert states(one) == {"North": IDLE, "South": ABSENT, "node-8": IDLE}
    one.task += 1
    one.accept(1, one.ask(1, 1), 1)
    assert states(one) == {"North": IDLE, "South": WAITING}
    assert rows(one)["South"].updates.accepted == 2


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ({"event": "disagreement", "hospitals": ["ab", "cd"], "version": 3}, "ab, cd holds another state of version 3"),
        ({"event": "snapshot-dropped", "reason": "x" * 999}, "the snapshot was dropped: " + "x" * 199 + "…"),
        ({"event": "repaired", "torn_bytes": 12}, "12 bytes of a torn last line were set aside"),
        ({"event": "evaluated", "version": 3, "loss": None}, "held-out loss - at version 3"),
    ],
)
def test_notable_lines_in_words(line: dict[str, Any], text: str) -> None:
    assert note("", made(line.pop("event"), time=3661.0, **line)).plain.startswith(f"01:01:01  {text}")


# ---------------------------------------------------------------------- against the server's own word


class Watched(MemoryJournal):
    """Tells a live state every line, at the virtual clock's time."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self.clock, self.state = clock, WatchState()

    def record(self, event: str, **facts: Any) -> None:
        super().record(event, **facts)
        self.state(parse(event, facts, self.clock.now()))


@pytest.mark.parametrize("kind", [AsyncHybrid, FedAvg])
def test_the_view_says_what_the_server_knows_at_every_moment_of_a_run(  # noqa: C901 - a run and its checks
    tmp_path: Path, kind: type[AsyncHybrid]
) -> None:
    clock, schedule = VirtualClock(), Schedule(versions=12, local_steps=5, peak=0.05)
    journal, seen = Watched(clock), set()
    app, count = toy_app(tmp_path, schedule), 0

    def fault(node: int, message: Message, reply: Message) -> list[tuple[float, Message]]:
        nonlocal count
        count += 1
        broken = count % 9 == 4
        return [(0.0, Message(Error(code=3, reason="out of memory"), reply_to=message) if broken else reply)]

    nodes = {
        i + 1: VirtualNode(app, toy_context(i), Speed(1e15, 0.0, seconds), leaves=95.0 if i == 4 else float("inf"))
        for i, seconds in enumerate((10.0, 10.0, 15.0, 40.0, 12.0))
    }
    grid = VirtualGrid(nodes, clock, fault)
    settings = StrategySettings(buffer_size=3, min_contributors=3, evaluate_every=4, retry_seconds=7.0)
    strategy = kind(settings, FieldPlan(8, 7, 2), schedule, journal, clock=clock)
    pause = clock.pause
    doing = {"train": TRAINING, "evaluate": EVALUATING}

    def compare(seconds: float, until: float) -> None:
        server, now = strategy.state, clock.now()
        busy = {flight.node: flight for flight in server.roster.flights.values()}
        sites = {line["node"]: line["site"] for line in journal.log if "site" in line}
        expected = {}
        for node, known in server.roster.nodes.items():
            state, version, since = IDLE, -1, 0.0
            if node not in server.roster.present:
                state = LEFT
            elif node in busy:
                state, version, since = doing[busy[node].kind], busy[node].version, now - busy[node].sent
            elif server.waiting(node):
                state = WAITING
            elif known.not_before > now:
                state = PAUSING
            expected[sites.get(str(node), known.hospital)] = (state, version, since, known.reason)
            seen.add(state)
        found = {row.name: row for row in journal.state.rows(now)}
        assert found.keys() == expected.keys()
        for name, (state, version, since, reason) in expected.items():
            row = found[name]
            # who is left in peace no longer, but not asked yet either, is still shown as pausing
            assert row.state == state or (state, row.state, kind) == (IDLE, PAUSING, FedAvg), (now, name)
            if state in doing.values():
                assert (row.version, row.seconds) == (version, since)
            if state == PAUSING:
                assert row.detail == reason
        assert journal.state.run.version == server.version
        pause(seconds, until)

    clock.pause = compare  # type: ignore[method-assign]
    strategy.start(grid)
    assert seen >= {TRAINING, EVALUATING, WAITING, PAUSING, LEFT}
    accepted = sum(row.updates.accepted for row in journal.state.rows(0.0))
    assert accepted == sum(line["event"] == "accepted" for line in journal.log) and journal.state.finished


# ---------------------------------------------------------------------- the file


def test_only_what_is_new_is_read_and_a_torn_last_line_waits(
    story: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = story()
    one.start()
    parsed: list[bytes] = []
    original = follow.checked
    monkeypatch.setattr(follow, "checked", lambda raw, *rest: parsed.append(raw) or original(raw, *rest))
    follower = Follower(one.path, lambda: one.now)
    follower.refresh()
    follower.refresh()
    assert len(parsed) == 5
    one.ask(0, 0)
    path = one.path / FILE_NAME
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])  # as a reader may find it while it is being written
    follower.refresh()
    assert len(parsed) == 5 and " training " not in plain(follower.draw(100))
    path.write_bytes(whole)
    follower.refresh()
    assert len(parsed) == 6 and " training " in plain(follower.draw(100))


def test_a_torn_line_that_a_resumed_run_set_aside_is_nothing_to_the_view(story: Callable[..., Any]) -> None:
    one = story()
    one.start()
    one.ledger.close()
    with (one.path / FILE_NAME).open("ab") as file:
        file.write(b'{"seq": 6, "time": 10')
    follower = Follower(one.path, lambda: one.now)
    follower.refresh()
    one.ledger = Ledger(one.path / FILE_NAME, clock=lambda: one.now, durable=False)
    one.start("resumed")
    follower.refresh()
    assert "bytes of a torn last line were set aside" in plain(follower.draw()) and len(follower.state.rows(0.0)) == 4


def test_a_line_that_was_taken_back_is_forgotten(story: Callable[..., Any]) -> None:
    one = story()
    one.start()
    size = (one.path / FILE_NAME).stat().st_size
    follower = Follower(one.path, lambda: one.now)
    one.record("excluded", hospital="no longer")
    follower.refresh()
    for then in ("left", "joined"):  # shorter than before, then as long as before but another
        one.ledger.close()
        with (one.path / FILE_NAME).open("rb+") as file:
            file.truncate(size)
        one.ledger = Ledger(one.path / FILE_NAME, clock=lambda: one.now, durable=False)
        one.record(then, node=one.nodes[0])
        follower.refresh()
        assert [row.state for row in follower.state.rows(0.0)].count(LEFT) == (then == "left")
        assert "no longer" not in plain(follower.draw())


def test_a_dead_run_says_since_when_nothing_was_written_and_a_living_one_that_it_is_quiet(
    story: Callable[..., Any],
) -> None:
    one = story()
    one.start()
    one.ask(0, 0)
    now = one.now + 90.0
    follower = Follower(one.path, lambda: now)
    follower.refresh()  # the ledger is open for writing: the run lives
    text = plain(follower.draw())
    assert "nothing new for 1 min 30 s" in text and "90 s" in text.split("00" * 8)[1]
    one.ledger.close()
    follower.refresh()
    text = plain(follower.draw())
    assert "died: nothing was written since 1970-01-01 00:16:40 UTC, 1 min 30 s ago" in text
    assert text.split("00" * 8)[1].split()[:3] == ["training", "0.0", "s"]  # as of the last line
    one.ledger = Ledger(one.path / FILE_NAME, clock=lambda: now, durable=False)
    one.start("resumed")
    follower.refresh()
    assert not follower.dead and "died" not in plain(follower.draw())


def test_a_lock_that_the_view_asks_for_is_not_kept(story: Callable[..., Any]) -> None:
    one = story()
    one.start()
    one.ledger.close()
    follower = Follower(one.path, lambda: one.now + 90.0)
    follower.refresh()
    assert follower.dead
    Ledger(one.path / FILE_NAME, durable=False).close()


def test_folders_that_hold_no_run_are_refused(
    story: Callable[..., Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["watch", str(tmp_path / "nowhere")]) == 1
    assert "nowhere is no run folder: it holds no ledger.jsonl" in capsys.readouterr().err
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / FILE_NAME).write_text('{"not": "\\u001b[2J"}\n')
    assert main(["watch", str(foreign)]) == 1
    assert "line 1" in (output := capsys.readouterr().err) and "\x1b" not in output
    one = story()
    one.start()
    one.ledger.append("dispatched", node=one.nodes[0])
    assert main(["watch", str(one.path), "--once"]) == 1
    assert "line 6: event 'dispatched' lacks 'task'" in capsys.readouterr().err


# ---------------------------------------------------------------------- drawing


HOSTILE = "\x1b[2J\x1b]0;owned\x07[bold red]Ward[/] :smile: \u202eevil" + "y" * 500


def test_a_nodes_words_steer_neither_terminal_nor_table(story: Callable[..., Any]) -> None:
    one = story([HOSTILE])
    one.start()
    one.accept(0, one.ask(0, 0), 0)
    one.version(1, [(0, 1, 10, 0)])
    one.refuse(0, one.ask(0, 1), "failed", HOSTILE + "\nsecond line")
    (row,) = rows(one).values()
    assert len(row.name) <= 64 and len(row.detail) <= 200 and row.name.isprintable() and row.detail.isprintable()
    follower = Follower(one.path, lambda: one.now)
    follower.refresh()
    out = io.StringIO()
    Console(file=out, width=160, force_terminal=True, color_system="truecolor").print(follower.draw())
    output = out.getvalue()
    assert "\x1b[2J" not in output and "\x1b]" not in output and "\x07" not in output and "\u202e" not in output
    assert "[bold red]Ward[/]" in output and ":smile:" in output and "second line" not in output


def test_a_narrow_terminal_gets_fewer_columns_and_a_low_one_fewer_rows(story: Callable[..., Any]) -> None:
    one = story([f"Hospital {i:02}" for i in range(12)])
    one.start()
    for i in range(12):
        one.ask(i, 0)
    one.accept(5, 6, 0)
    follower = Follower(one.path, lambda: one.now)
    follower.refresh()
    wide, narrow = plain(follower.draw(140)), plain(follower.draw(80, room=1), 80)
    assert all(name in wide for name in ("hospital", "state", "since", "tokens/s", "steps", "bytes", "round"))
    assert "\nbytes" not in narrow and "round" not in narrow and "loss" in narrow and WAITING in narrow
    assert "and 11 more: 11 training" in narrow and max(map(len, narrow.splitlines())) <= 80


def test_thirty_hospitals_are_thirty_lines_of_a_hundred_characters(story: Callable[..., Any]) -> None:
    one = story([f"University Hospital no. {i:02d} of the region" for i in range(30)], planned=60)
    one.full_run(9, 12)
    one.record("resumed", version=9, lineage="ab" * 8, last=60)
    for node in one.nodes:
        one.record("joined", node=node)
    one.accept(3, one.ask(3, 9), 9)
    one.refuse(4, one.ask(4, 9), "failed", "CUDA out of memory. Tried to allocate 20.00 MiB on a GPU of 140 GiB")
    one.record("left", node=one.nodes[7])
    follower = Follower(one.path, lambda: one.now)
    follower.refresh()
    lines = plain(follower.draw(100), 100).splitlines()
    found = [line for line in lines if line.startswith("…")]
    assert max(map(len, lines)) <= 100 and len(found) == 30
    assert all(line.startswith(f"…{i:02d} of the region") for i, line in enumerate(found))
    title = " ".join(lines)
    for column in ("state", "since", "version", "behind", "updates", "loss", "round", "trip", "bytes", "up", "down"):
        assert column in title
    assert WAITING in found[3] and "pausing: CUDA out" in found[4] and " left " in found[7]


def test_the_headline_tells_bytes_and_failures_by_kind(story: Callable[..., Any]) -> None:
    one = story()
    one.start()
    assert "0 accepted updates, 0 B up and 0 B down in all\nno failures" in view(one)
    one.accept(0, one.ask(0, 0, size=2500), 0)
    for outcome in ("failed", "late", "failed"):
        one.refuse(1, one.ask(1, 0), outcome, "why not")
    assert "1 accepted update, 500 B up and 5.5 kB down in all\nfailures: 2 failed, 1 late\n" in view(one)
    assert (rows(one)["North"].updates.bytes_down, rows(one)["01" * 8].updates.bytes_down) == (2500, 3000)


def test_clamped_claims_are_counted_and_noted_once_a_hospital(story: Callable[..., Any]) -> None:
    one = story()
    one.start()
    for number in range(1, 10):
        clamped = [f"compute_seconds {number}99.0 -> 12.3", "num_tokens \x1b[2J -> 7"]
        one.accept(0, one.ask(0, number - 1), number - 1, clamped=clamped)
        one.version(number, [(0, number, 10, 0)])
    one.refuse(1, one.ask(1, 9), "failed", "no GPU")
    text = view(one)
    assert (
        text.count("North: reported facts out of bounds were clamped") == 1 and "compute_seconds 999.0 -> 12.3" in text
    )
    assert "failures: 9 clamped, 1 failed" in text and "failed: no GPU" in text and "\x1b" not in text


def test_what_is_under_way_says_how_long_the_server_waits_at_most(story: Callable[..., Any]) -> None:
    one = story()
    one.start()
    who = {"node": one.nodes[0], "hospital": f"node-{one.nodes[0]}"}
    one.record("dispatched", task=1, kind="train", version=0, bytes=0, deadline_seconds=1800.0, **who)
    assert rows(one)[who["hospital"]].at_most == 1800.0 and " 30 min " in view(one)
    one.accept(0, 1, 0)
    assert rows(one)["North"].at_most is None and "30 min" not in view(one)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (99, "99 s"), (100, "1.7 min"), (7200, "2.0 h"), (1e6, "12 d")],
)
def test_durations_of_the_table_are_short(seconds: float, text: str) -> None:
    assert brief(seconds) == text


def test_names_that_do_not_fit_keep_both_ends() -> None:
    assert fitted("Ward", 4) == "Ward" and fitted("Hospital 17", 7) == "Hos… 17"
    assert fitted("北北北北北", 7) == "北 … 北"  # two columns each


def test_in_a_terminal_the_view_follows_the_run_to_its_end(
    story: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = story()
    one.start()
    steps = iter([lambda: one.ask(0, 0), lambda: one.accept(0, 1, 0), lambda: one.record("finished", reason="enough")])
    monkeypatch.setattr(follow.time, "sleep", lambda seconds: next(steps)())
    follower, out = Follower(one.path, lambda: one.now), io.StringIO()
    follower.refresh()
    follow._follow(follower, Console(file=out, width=100, height=40, force_terminal=True))
    output = out.getvalue()
    assert output.index("training") < output.index(WAITING) < output.index("finished: enough")


def test_ctrl_c_ends_quietly(
    story: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one = story()
    one.start()

    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(follow.time, "sleep", interrupted)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert main(["watch", str(one.path)]) == 0
    assert "Traceback" not in (captured := capsys.readouterr()).err and "version 0 of 4" in captured.out


def test_once_is_plain_text_whatever_the_environment_wishes(story: Callable[..., Any]) -> None:
    one = story(["Hôpital 北"])
    one.now = time.time()
    one.start()
    one.accept(0, one.ask(0, 0), 0)
    one.ledger.close()
    for encoding in ("utf-8", "ascii"):
        done = subprocess.run(
            [sys.executable, "-m", "crossward", "watch", str(one.path), "--once"],
            capture_output=True,
            check=False,
            env={"PYTHONIOENCODING": encoding, "FORCE_COLOR": "1", "PATH": ""},
        )
        text = done.stdout.decode(encoding)
        assert (done.returncode, done.stderr) == (0, b"") and "\x1b" not in text
        assert ("Hôpital 北" if encoding == "utf-8" else "H?pital ?") in text
        assert WAITING in text and "version 0 of 4" in text


def test_what_a_hospital_spent_stands_in_its_row_instead_of_a_loss(story: Callable[..., Any]) -> None:
    run = story()
    run.start()
    assert "epsilon" not in view(run)
    spent = {"local_epsilon": 2.345, "local_epsilon_step": 0.5, "privacy_unit": "patient", "loss_sum": 0.0}
    run.accept(0, run.ask(0, 0), 0, **spent)
    row = rows(run)["North"]
    assert (row.updates.epsilon, row.updates.loss, row.updates.tokens_per_second) == (2.345, None, None)
    output = view(run)
    assert ("patient" in output and "epsilon" in output and "2.35" in output) or "2.34" in output


def test_a_hospital_without_budget_says_so_and_does_not_pause(story: Callable[..., Any]) -> None:
    run = story()
    run.start()
    run.accept(0, run.ask(0, 0), 0)
    run.version(1, [(0, 1, 128, 0)])
    run.refuse(0, run.ask(0, 1), "budget", "another training would bring it beyond privacy.epsilon")
    assert states(run)["North"] == "privacy budget spent"
    assert "1 budget" in view(run) and "beyond privacy.epsilon" in view(run)
    run.record("left", node=run.nodes[0])
    run.record("joined", node=run.nodes[0])
    assert states(run)["North"] != "privacy budget spent"  # it is asked again


# ---------------------------------------------------------------------- losses


def cells(text: str, name: str) -> list[str]:
    """A hospital's line, cell by cell."""
    return next(re.split(r" {2,}", line.strip()) for line in text.splitlines() if line.startswith(name))


def rounded(story: Callable[..., Any]) -> Any:
    """A run whose hospitals round: North reported 2.25 and measured 2.4."""
    one = story(grid=1.5)
    one.start()
    one.accept(0, one.ask(0, 0), 0, loss_sum=22.5)
    one.measure(0, one.ask(0, 0, "evaluate"), 0, {"global": 2.4})
    return one


def test_an_estimate_stands_with_its_noise(story: Callable[..., Any]) -> None:
    one = story(grid=1.5)
    one.start()
    task = one.ask(0, 0)
    one.accept(0, task, 0, loss_sum=29.1, loss_noise=0.24)
    one.version(1, [(0, task, 30, 0)], 2.91, loss_noise=0.14)
    text = view(one)
    assert "2.91 ±0.24" in text and "estimated held-out loss 2.91 ± 0.14 at 1" in text
    assert "reported loss: with ±, estimated from held-out notes" in text


def test_held_out_losses_stand_first_and_rounded_ones_are_named_for_what_they_are(story: Callable[..., Any]) -> None:
    one = rounded(story)
    text = view(one)
    heads = text.splitlines()
    head = next(i for i, line in enumerate(heads) if line.startswith("hospital"))
    above, below = heads[head - 1], heads[head]
    held, reported = above.index("held-out"), above.index("reported")
    assert held < reported and below[held : held + 8].strip() == below[reported : reported + 8].strip() == "loss"
    assert cells(text, "North")[8:10] == ["2.400", "2.250"] and "training" not in above
    assert "reported loss: of a hospital's last training, rounded to powers of 1.5" in text
    follower = Follower(one.path, lambda: one.now)
    follower.refresh()
    narrow = plain(follower.draw(90), 90)
    assert "held-out" in narrow and "reported" not in narrow and "2.400" in narrow and "2.250" not in narrow


def test_exact_losses_of_who_runs_a_simulation_stand_in_for_rounded_ones(story: Callable[..., Any]) -> None:
    one = rounded(story)
    follower = Follower(one.path, lambda: one.now, {1: 2.3456}.get)
    follower.refresh()
    text = plain(follower.draw())
    assert cells(text, "North")[8:10] == ["2.400", "2.346"] and "reported" not in text and "training" in text


def test_losses_that_are_reported_exactly_are_training_losses(story: Callable[..., Any]) -> None:
    one = story(grid=1.0)
    one.start()
    one.accept(0, one.ask(0, 0), 0, loss_sum=22.5)
    text = view(one)
    assert "reported" not in text and cells(text, "North")[8:10] == ["-", "2.250"]
    (one.path / "config.json").write_text("{")  # nothing is known of the settings
    assert "reported" not in view(one)


# ---------------------------------------------------------------------- a committee


def test_a_member_trains_on_while_it_is_asked_to_open_a_version(story: Callable[..., Any]) -> None:
    one = story()
    one.start()
    one.record("committee", members=["north", "south", "east", "west"])
    for i in (0, 1, 2):
        one.accept(i, one.ask(i, 0), 0)
    training = one.ask(3, 0)
    one.record("opening", version=1, tasks=[1, 2, 3], weights=[40, 40, 47])
    one.question(3, 1, "consent")
    one.ask(0, 1, "query.consent", 200)
    assert {row.state for row in rows(one).values()} == {WAITING, TRAINING}
    assert "version 0 of 4, opening version 1: 1 of 3 members consented, elapsed" in view(one)
    one.record("declined", task=one.task, kind="query.consent", reason="not now", **one._who(0))
    assert states(one)["North"] == WAITING and "North: declined: not now" in view(one)
    one.accept(3, training, 0)
    assert states(one)["West"] == WAITING


def test_openings_count_in_bytes_and_time_and_what_went_wrong_is_noted(story: Callable[..., Any]) -> None:
    one = story()
    one.start()
    one.record("committee", members=["north", "south", "east", "west"])
    for i in (0, 1, 2):
        one.accept(i, one.ask(i, 0), 0)
    one.opened(1, [(0, 1, 40, 0), (1, 2, 40, 0), (2, 3, 47, 0)])
    found = rows(one)
    assert (found["North"].updates.bytes_up, found["North"].updates.bytes_down) == (500 + 300, 1000 + 400)
    assert (found["East"].updates.bytes_up, found["East"].updates.bytes_down) == (500, 1000 + 200)
    shown = view(one)
    assert "2.1 kB up and 4 kB down in all, opening 1 s, 5.0 % of a version" in shown
    one.record("liar", version=1, member="east", subsets=[1])
    one.record("opening-dropped", version=2, reason="it was rolled back")
    shown = view(one)
    assert "east answered wrongly for version 1 (subsets 1 of the committee)" in shown
    assert "version 2 is not opened, and its updates are lost: it was rolled back" in shown
