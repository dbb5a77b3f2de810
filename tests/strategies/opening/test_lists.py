"""Several lists are opened at once: they become versions in order, and hospitals that are many train on meanwhile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from crossward.config.schedule import Schedule
from crossward.protocol.messages import ANSWER, CONSENT
from server_app.run_folder import RunFolder
from strategies.async_hybrid import AsyncHybrid
from strategies.fedavg import FedAvg
from tests.strategies.opening.consortium import CommitteeFederation, Make, both, late, on
from tests.strategies.opening.test_resuming import CONFIG, cut, federation

MANY = tuple(10.0 + number % 5 for number in range(12))
SLOW = both(*(on(node, kind, late(25.0)) for node in (1, 2, 3, 4) for kind in (CONSENT, ANSWER)))


def pending(f: CommitteeFederation) -> list[int]:
    """How many lists are being opened after each one that is begun."""
    out, open_now = [], 0
    for line in f.journal.events():
        if line["event"] == "opening":
            open_now += 1
            out.append(open_now)
        open_now -= line["event"] in ("version", "opening-dropped")
    return out


def went_on(f: CommitteeFederation) -> int:
    """Trainings of hospitals whose update was in a list that was not a version yet."""
    listed: dict[int, set[int]] = {}
    nodes = {line["task"]: line["node"] for line in f.lines("accepted")}
    count = 0
    for line in f.journal.events():
        if line["event"] == "opening":
            listed[line["version"]] = {nodes[task] for task in line["tasks"]}
        elif line["event"] == "version":
            listed.pop(line["version"], None)
        elif line["event"] == "dispatched" and line["kind"] == "train":
            count += any(line["node"] in waiting for waiting in listed.values())
    return count


@pytest.mark.parametrize(("kind", "most"), [(AsyncHybrid, 4), (FedAvg, 1)])
def test_lists_become_versions_in_order_and_no_more_than_so_many_are_open(
    consortium: Make, kind: Any, most: int
) -> None:
    f = consortium(compute=MANY, versions=12, kind=kind, fault=SLOW, max_staleness=40 if kind is AsyncHybrid else 0)
    f.start()
    assert [line["version"] for line in f.made()] == list(range(1, 13))
    assert [line["version"] for line in f.lines("opening")] == list(range(1, 13))  # and none beyond the last
    assert max(pending(f)) == most and pending(f)[0] == pending(f)[1] == 1  # version 1 fixes the layout first
    assert not f.lines("opening-dropped", "void", "liar", "malformed")
    f.check_all()


@pytest.mark.parametrize(("compute", "trains_on"), [(MANY, True), (MANY[:6], False)])
def test_many_hospitals_train_on_while_their_list_is_opened_and_few_wait(
    consortium: Make, compute: tuple[float, ...], trains_on: bool
) -> None:
    f = consortium(compute=compute, versions=8, fault=SLOW, max_staleness=40)
    f.start()
    assert len(f.made()) == 8 and (went_on(f) > 5) == bool(went_on(f)) == trains_on
    f.check_all()


def test_a_run_that_was_killed_with_several_lists_goes_on_with_all_of_them(consortium: Make, tmp_path: Path) -> None:
    """Instead of the line of its fourth version, three lists being opened behind it."""
    given: dict[str, Any] = {"compute": MANY, "buffer_size": 3, "versions": 10, "fault": SLOW, "max_staleness": 40}
    given |= {"schedule": Schedule(versions=10, local_steps=5, peak=0.05), "max_share": 0.45}
    first = cut(consortium, tmp_path / "run", 4, "version", **given)
    asked = {line["version"]: line["digest"] for line in first.lines("opening")}
    assert len(asked) > 5  # three made, and more begun
    again = RunFolder.resume(tmp_path / "run", CONFIG, durable=False)
    f = federation(consortium, again, first, **given)
    f.start()
    assert [line["version"] for line in f.made()] == list(range(1, 11)) and not f.lines("opening-dropped", "declined")
    lists = [(line["version"], line["digest"]) for line in f.lines("opening")]
    assert [version for version, _ in lists] == list(range(1, 11)) and asked.items() <= dict(lists).items()
    f.check_opened_once()
    f.check_agreement()
    f.check_sums()
    again.close()
