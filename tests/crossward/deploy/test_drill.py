"""A drill finds the member that is opening, and an update that two lists opened; the kills are in test_deployment."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from crossward.deploy.certificates import make_authority
from crossward.deploy.drill import Drill
from crossward.deploy.errors import DeployError
from crossward.deploy.hospital import init_hospital
from crossward.encryption.committee.stretch import Stretch
from crossward.ledger.events import Assisted, Dispatched, Event, Failed, Opening, Started, Version
from crossward.protocol.messages import ANSWER, CONSENT


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def drill(tmp_path: Path, said: list[str]) -> Drill:
    """Of a deployment of two hospitals, each of which has opened an update of its own in one list."""
    make_authority(tmp_path / "ca")
    files = {}
    for number in (1, 2):
        folder = tmp_path / f"hospital-{number}"
        authority, key = tmp_path / "ca" / "ca.crt", tmp_path / "consortium.key"
        files[number] = init_hospital(folder, "a.example:1", "A", tmp_path, authority, key, 9100)
        (folder / "state" / "line").mkdir()
        stretch(tmp_path, number).claim("list-1", [f"h{number}/1"])
    local: Any = SimpleNamespace(hospitals=2, hospital=files.__getitem__)
    return Drill(local, tmp_path, ["member"], said.append)


def stretch(folder: Path, number: int) -> Stretch:
    stretches = folder / f"hospital-{number}" / "state" / "line" / "stretches"
    make = Stretch.load if stretches.exists() else Stretch.create
    return make(stretches, "line", 1)


def asked(task: int, kind: str = ANSWER) -> Dispatched:
    return Dispatched(task=task, node="7", hospital="B", kind=kind, version=1, bytes=9)


def answered(task: int) -> Assisted:
    return Assisted(task=task, node="7", hospital="B", member="B", kind=ANSWER, version=1, seconds=1.0, bytes=9)


BEGUN: list[Event] = [
    Started(version=0, lineage="line", last=1),
    Opening(version=1, roster="r", digest="list-1", tasks=(1, 2), weights=(1, 1)),
]


def test_the_member_is_one_that_owes_a_share(drill: Drill, monkeypatch: pytest.MonkeyPatch) -> None:
    for events, owes in (
        ([], None),
        ([asked(3, CONSENT)], None),
        ([asked(3), asked(4, CONSENT)], 3),
        ([asked(3), asked(4)], 4),
        ([asked(3), asked(4), answered(4)], None),
        ([asked(3), Failed(task=3, node="7", reason="")], None),
    ):
        monkeypatch.setattr(drill, "events", lambda found=tuple(events): [*BEGUN, *found])
        question = drill._unanswered()
        assert (question and question.task) == owes


def test_an_update_in_two_lists_is_found_in_members_records(drill: Drill, said: list[str], tmp_path: Path) -> None:
    drill._account_openings(BEGUN)
    assert said == ["drill: members opened 2 updates in 1 lists, none of them twice"]
    stretch(tmp_path, 2).claim("list-2", ["h1/1", "h3/1"])  # each record for itself has it once
    with pytest.raises(DeployError, match=r"^opened in more than one list: h1/1$"):
        drill._account_openings(BEGUN)


def test_a_version_that_never_opened_after_the_kill_is_an_error(drill: Drill, said: list[str]) -> None:
    drill.question = asked(3)
    failed = Failed(task=3, node="7", reason="")
    with pytest.raises(DeployError, match="version 1 was not opened after B was killed"):
        drill._account_openings([*BEGUN, failed])
    made: Any = object.__new__(Version)
    made.__dict__.update(version=1, openers=("C", "D"), opening_seconds=2.0)
    with pytest.raises(DeployError, match="version 1 was not opened after B was killed"):
        drill._account_openings([*BEGUN, made])  # its question has no outcome
    drill._account_openings([*BEGUN, failed, made])
    assert "question 3 ended as failed; version 1 was opened by C, D in 2.0 s" in said[-1]
