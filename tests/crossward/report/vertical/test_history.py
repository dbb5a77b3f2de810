"""The fold of a vertical run's events: exact times, who waited for whom, who sent what, through kills and restarts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crossward.ledger.events import Joined, Resumed
from crossward.report.vertical.history import DONE, LOST, UNDER_WAY, VerticalHistory
from crossward.report.vertical.waiting import waited_for, waits
from strategies.history.journal import MemoryJournal
from tests.vertical_runs import PASSING, Consortium
from tests.vertical_story import NAMES

HEART, LAB, MILLBROOK = NAMES
Story = Callable[..., Any]


def test_a_whole_run_has_every_step_of_every_party(vertical_story: Story) -> None:
    one = vertical_story()
    one.run()
    history = one.history()
    assert history.parties == NAMES and history.holder == HEART and history.finished == "all steps are done"
    assert history.done == history.planned == len(one.steps) and history.steps == one.steps
    wanted = sorted((step.number, party) for step in one.steps for party in step.parties(NAMES, HEART))
    assert sorted((span.step, span.party) for span in history.spans) == wanted
    assert {span.outcome for span in history.spans} == {DONE} and not history.doing()
    assert list(history.ended) == list(range(len(one.steps)))
    assert history.running == pytest.approx(one.now - 1000.0)


def test_steps_are_known_from_the_settings_where_there_are_as_many(vertical_story: Story) -> None:
    one = vertical_story(("A", "B"), ("notes", "labs"), **{"vertical.exchanges": 0, "vertical.distil": False})
    one.start()
    assert one.history().steps == one.steps and len(one.steps) == 7
    found = one.history()
    found(Resumed(version=0, lineage="ab" * 8, last=8))  # as another version of the program may have it
    assert found.steps == () and found.planned == 8 and found.missing(3) == []


def test_who_is_done_waits_for_whom_is_at_work(vertical_story: Story) -> None:
    one = vertical_story()
    one.start()
    one.meet()
    step = one.steps[1]
    tasks = {name: one.ask(step, name) for name in NAMES}
    one.do(step, LAB, tasks[LAB], 2.0)
    one.do(step, HEART, tasks[HEART], 3.0)
    one.now += 4.0
    one.record(Joined(node="9"))  # time passes
    history = one.history()
    assert history.missing(1) == [MILLBROOK] and history.current == 1 and 1 not in history.ended
    found = waits(history)
    assert waited_for(found, LAB) == pytest.approx({MILLBROOK: 7.0, HEART: 3.0}, rel=0.05)
    assert list(waited_for(found, LAB)) == [MILLBROOK, HEART]
    assert (
        waited_for(found, HEART) == pytest.approx({MILLBROOK: 4.0}) and sum(waited_for(found, MILLBROOK).values()) < 0.5
    )
    assert [(span.party, span.outcome) for span in history.doing()] == [(MILLBROOK, UNDER_WAY)]
    worked = [span.worked for span in history.spans if span.outcome == DONE and span.step]
    assert worked == pytest.approx([2.4, 1.6])


def test_bytes_are_of_sender_receiver_and_kind(vertical_story: Story) -> None:
    one = vertical_story()
    one.start()
    one.meet()
    for party, sends in ((LAB, [(HEART, "set", 700), (HEART, "set", 300), (MILLBROOK, "declared", 50)]), (HEART, [])):
        one.do(one.steps[1], party, one.ask(one.steps[1], party, 20), sends=sends)
    history = one.history()
    found = {pair: (traffic.count, traffic.bytes) for pair, traffic in history.sent.items()}
    assert found == {(LAB, HEART): (2, 1000), (LAB, MILLBROOK): (1, 50)}
    assert {kind: traffic.bytes for kind, traffic in history.kinds.items()} == {"set": 1000, "declared": 50}
    assert {span.received for span in history.spans if span.step} == {20}


def test_a_restart_of_the_server_loses_what_was_under_way_and_takes_no_time(vertical_story: Story) -> None:
    one = vertical_story()
    one.run(until=2)
    one.ask(one.steps[2], LAB)
    before = one.now
    one.now += 5000.0
    one.start(Resumed, 2)
    assert one.history().running == pytest.approx(before - 1000.0)
    one.do(one.steps[2], LAB, one.ask(one.steps[2], LAB), 2.0)
    history = one.history()
    assert [span.outcome for span in history.spans if span.step == 2] == [LOST, DONE]
    assert history.sessions == pytest.approx([0.0, before - 1000.0]) and history.done == 2


def test_a_party_that_disconnects_is_a_trouble_and_waits_for_nobody(vertical_story: Story) -> None:
    one = vertical_story()
    one.run(until=8)
    step = one.steps[8]
    assert not step.waits
    one.ask(step, MILLBROOK)
    one.left(MILLBROOK)
    one.step(step, but=[MILLBROOK])
    one.absent(step, MILLBROOK, 60.0)
    history = one.history()
    assert [(t.party, t.what, t.step) for t in history.troubles] == [
        (MILLBROOK, "left", 8),
        (MILLBROOK, "party-absent", 8),
    ]
    assert 8 in history.ended and history.spans[-2].outcome == LOST
    last = [wait for wait in waits(history) if wait.party == MILLBROOK][-1]
    assert last.away and last.end == pytest.approx(history.running)


def test_a_node_that_gave_way_to_a_newer_one_of_the_same_party_is_no_trouble(vertical_story: Story) -> None:
    one = vertical_story()
    one.run(until=2)
    old, one.nodes[LAB] = one.nodes[LAB], "77"
    one.record(Joined(node="77"))
    one.ask(one.steps[2], LAB)
    new, one.nodes[LAB] = one.nodes[LAB], old
    one.left(LAB)
    assert one.history().troubles == []
    one.nodes[LAB] = new  # control: the newer one's departure is
    one.left(LAB)
    assert [t.party for t in one.history().troubles] == [LAB]


def test_a_failure_before_the_parties_have_met_is_of_a_node(vertical_story: Story) -> None:
    one = vertical_story()
    one.start()
    one.meet()
    history = one.history()
    assert {span.outcome for span in history.spans} == {DONE} and history.ended == {0: pytest.approx(1.0)}
    two = vertical_story()
    two.start()
    two.names = ("",)
    two.nodes[""] = two.nodes[HEART]
    two.fail(two.steps[0], "", two.ask(two.steps[0], ""), "failed", "no roster")
    assert [(t.party, t.what) for t in two.history().troubles] == [("node …0000", "failed")]


def test_it_is_the_relays_own_run(tmp_path: Path) -> None:
    consortium = Consortium(tmp_path, actions=PASSING)
    history, journal = VerticalHistory(consortium.config.vertical), MemoryJournal("lineage")
    state = consortium.run(journal, observers=[lambda event, _: history(event)])
    assert history.state == state and history.finished == "all steps are done" and not history.troubles
    assert history.done == history.planned == len(history.steps) == len(history.ended)
    assert (
        sum(traffic.bytes for traffic in history.sent.values()) == sum(done.bytes for done in state.done.values()) > 0
    )
    spans = {(span.step, span.party) for span in history.spans if span.step}
    assert spans == state.done.keys() and {span.outcome for span in history.spans} == {DONE}
