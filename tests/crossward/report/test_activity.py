"""What a hospital's time went into: exact seconds of made-up ledgers."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from crossward.report.activity import IDLE, intervals, merged, shares
from crossward.report.timeline import LOOKS, timeline_figure


def lane(story: Any, name: str) -> dict[str, list[tuple[float, float]]]:
    history = story.history()
    where = [hospital.name for hospital in history.hospitals].index(name)
    found = intervals(span for span in history.spans if span.hospital == where)
    return {what: [(round(a, 6), round(b, 6)) for a, b in those] for what, those in found.items()}


def test_a_round_trip_has_its_computing_in_the_middle_and_its_update_waits_for_the_version(
    story: Callable[..., Any],
) -> None:
    one = story(["North", "South"])
    one.start()
    task = one.ask(0, 0)  # at 0.1 s
    one.accept(0, task, 0, after=4.0, compute_seconds=1.0)
    one.now += 5.0
    one.version(1, [(0, task, 10, 0)])
    one.now += 0.9
    one.record("finished", version=1, reason="enough")
    assert lane(one, "North") == {
        "training": [(1.6, 2.6)],
        "transfer": [(0.1, 1.6), (2.6, 4.1)],
        "waiting": [(4.1, 9.1)],
    }
    (north,) = shares(one.history())
    assert {what: round(part, 6) for what, part in north.items()} == {
        "training": 0.1,
        "transfer": 0.3,
        "waiting": 0.5,
        IDLE: 0.1,
    }


def test_evaluating_meanwhile_is_not_counted_as_waiting_too(story: Callable[..., Any]) -> None:
    one = story(["North"])
    one.start()
    one.accept(0, one.ask(0, 0), 0, after=3.9, compute_seconds=1.9)
    one.measure(0, one.ask(0, 0, "evaluate"), 0, {"global": 2.0}, seconds=2.0)
    history = one.history()
    (spent,) = shares(history)
    assert sum(spent.values()) == pytest.approx(1.0) and history.running == pytest.approx(6.1)
    assert spent["evaluating"] * 6.1 == pytest.approx(2.0) and spent["waiting"] * 6.1 == pytest.approx(0.1)


def test_what_came_to_nothing_waits_for_nothing(story: Callable[..., Any]) -> None:
    one = story(["North"])
    one.start()
    one.refuse(0, one.ask(0, 0), "failed", "no GPU", after=2.0)
    one.refuse(0, one.ask(0, 0), "malformed", "not a number", after=2.0)
    task = one.ask(0, 0)
    one.accept(0, task, 0)
    one.refuse(0, task, "wrong-layout", "version 1 fixed another")
    found = lane(one, "North")
    assert set(found) == {"failed", "refused"} and len(found["refused"]) == 2


def test_intervals_closer_than_a_gap_are_one() -> None:
    assert merged([(5, 6), (0, 1), (1.5, 2), (0.2, 0.4)], 0.5) == [(0, 2), (5, 6)]


def test_the_legend_names_what_is_drawn_and_nothing_else(story: Callable[..., Any]) -> None:
    one = story()
    one.full_run(4, 3)
    message = timeline_figure(one.history())
    for what in ("training", "transfer", "waiting", "evaluating"):
        assert f">{LOOKS[what][2]}</text>" in message and LOOKS[what][0] in message
    assert "failed" not in message and LOOKS["refused"][2] not in message


def test_thousands_of_tasks_stay_light(story: Callable[..., Any]) -> None:
    one = story([f"Hospital {i}" for i in range(10)], planned=1000)
    one.start()
    for number in range(1, 1001):
        tasks = [one.ask(i, number - 1) for i in range(10)]
        for i, task in enumerate(tasks):
            one.accept(i, task, number - 1, after=0.3 + i / 10)
        one.version(number, [(i, task, 10, 0) for i, task in enumerate(tasks)])
    text, _ = one.page()
    assert len(text.encode()) < 1_000_000 and len(re.findall("<path", text)) < 300
