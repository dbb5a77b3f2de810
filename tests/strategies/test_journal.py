"""Both journals keep the same history: the one on disk and the one for trying things out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from crossward.encryption.plan import FieldPlan
from crossward.protocol.parts import Part, PartHead
from server_app.run_folder import RunFolder
from strategies.journal import Journal, MemoryJournal


@pytest.fixture(params=["memory", "run folder"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Journal]:
    if request.param == "memory":
        yield MemoryJournal()
        return
    folder = RunFolder.create(tmp_path / "run", {}, FieldPlan(8, 7, 0), durable=False)
    yield folder
    folder.close()


def test_heads_count_events_from_one(journal: Journal) -> None:
    heads = [journal.head()]
    for number in range(3):
        journal.record("event", number=number)
        heads.append(journal.head())
    assert [head.seq for head in heads] == [0, 1, 2, 3] == list(range(len(list(journal.events())) + 1))
    assert len({head.hash for head in heads}) == 4


def test_events_come_back_in_order_each_with_its_name(journal: Journal) -> None:
    journal.record("first", version=1, sites=["A"])
    journal.record("second")
    first, second = journal.events()
    assert (first["event"], first["version"], first["sites"], second["event"]) == ("first", 1, ["A"], "second")


def test_what_is_kept_is_found_whole_until_it_is_dropped(journal: Journal) -> None:
    digest = journal.keep("versions/000001", {"version": 1}, [Part(PartHead("clear", 2, 8, 2), b"ab")])
    facts, payload = journal.open("versions/000001")
    assert facts["version"] == 1 and bytes(payload.data) == b"ab" and payload.digest() == digest
    assert journal.damage("versions/000001", digest) == "" == journal.damage("versions/000001", "")
    assert journal.damage("versions/000001", "0" * 64).startswith("its digest is ")
    journal.drop("versions/000001")
    journal.drop("versions/000001")
    assert journal.damage("versions/000001", digest) == "it is missing"
