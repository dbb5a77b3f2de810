"""A run interrupted at any event of an opening: the same list is asked for again, and no update is opened twice."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from crossward.config.schedule import Schedule
from crossward.encryption.key_format import ConsortiumKey
from crossward.encryption.plan import FieldPlan
from crossward.encryption.secret import Secret
from crossward.protocol.messages import ANSWER, CONSENT
from server_app.run_folder import RunFolder, RunFolderError
from strategies.aggregation.catchup import corrected_name, version_name
from tests.strategies.opening.consortium import (
    SECRET,
    CommitteeFederation,
    Make,
    changed_answer,
    on,
    vault,
    wrong_share,
)

PLAN = FieldPlan(8, 7, 2)
CONFIG = {"encryption.policy": "all", "encryption.key": ""}


class Gone(Exception):
    """The process is gone."""


def interrupt(folder: RunFolder, event: int, name: str = "") -> None:
    """Raise instead of the ``event``-th line, of those of a ``name`` if one is given."""
    record, count = folder.record, 0

    def counted(event_name: str, **facts: Any) -> None:
        nonlocal count
        count += not name or event_name == name
        if count == event:
            raise Gone
        record(event_name, **facts)

    folder.record = counted  # type: ignore[method-assign]


def federation(consortium: Make, folder: RunFolder, earlier: Any = None, **given: Any) -> CommitteeFederation:
    """All four hospitals in every version."""
    known: dict[str, Any] = {
        "compute": (1, 2, 3, 4),
        "plan": PLAN,
        "versions": 2,
        "buffer_size": 4,
        "retry_seconds": 1.0,
    }
    known |= {"schedule": Schedule(versions=2, local_steps=5, peak=0.05), "max_staleness": 0, "max_share": 0.5}
    f = consortium(journal=folder, **known | given)
    if earlier is not None:
        f.sent, f.starts, f.deltas, f.quantised = earlier.sent, earlier.starts, earlier.deltas, earlier.quantised
        f.nodes = f.grid.nodes  # of this session; what is on their disks is the earlier one's
    return f


def cut(consortium: Make, path: Path, event: int, name: str = "", **given: Any) -> CommitteeFederation:
    folder = RunFolder.create(path, CONFIG, PLAN, durable=False)
    interrupt(folder, event, name)
    f = federation(consortium, folder, **given)
    with pytest.raises(Gone):
        f.start()
    folder.close()
    return f


def lists(f: CommitteeFederation) -> set[str]:
    """Digests in members' records."""
    rows = [row for path in f.folder.rglob("*.opened") for row in path.read_text().splitlines()[1:]]
    return {json.loads(row)["list"] for row in rows}


def test_wherever_an_opening_is_interrupted_the_very_same_list_is_opened(consortium: Make, tmp_path: Path) -> None:
    whole = federation(consortium, RunFolder.create(tmp_path / "whole", CONFIG, PLAN, durable=False))
    whole.start()
    names = [line["event"] for line in whole.journal.events()]
    begun, made = names.index("opening"), names.index("version")
    assert {"dispatched", "assisted"} <= set(names[begun:made]) and made - begun > 12
    whole.check_all()
    shutil.rmtree(whole.folder)
    for event in range(begun + 1, made + 3):  # from instead of the opening's line to after the version's
        first = cut(consortium, tmp_path / f"run-{event}", event)
        asked = [line for line in first.lines("opening")]
        before = lists(first)
        again = RunFolder.resume(tmp_path / f"run-{event}", CONFIG, durable=False)
        assert not list((again.path / "answers").glob("*"))
        f = federation(consortium, again, first)
        f.start()
        openings = f.lines("opening")
        assert [line["version"] for line in f.made()] == [1, 2] and not f.lines("opening-dropped", "declined", "liar")
        if asked:
            assert openings[0] == asked[0] and before <= {asked[0]["digest"]}
            assert sum(line["version"] == 1 for line in openings) == 1
        assert lists(f) == {line["digest"] for line in openings}
        f.check_agreement()
        f.check_residuals()
        f.check_sums()
        f.check_opened_once()
        again.close()
        shutil.rmtree(f.folder)


def test_a_list_whose_update_was_damaged_meanwhile_is_dropped(consortium: Make, tmp_path: Path) -> None:
    first = cut(consortium, tmp_path / "run", 1, "version")
    file = next((tmp_path / "run" / "buffer").glob("*.payload"))
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    f = federation(consortium, RunFolder.resume(tmp_path / "run", CONFIG, durable=False), first)
    f.start()
    (dropped,) = f.lines("opening-dropped")
    assert "not those that its list was made of" in dropped["reason"] and len(f.made()) == 2
    assert not f.lines("excluded") and len(f.lines("opening")) == 3
    f.check_residuals()
    f.check_opened_once()
    f.check_agreement()


def test_members_that_lost_their_folder_open_nothing_of_that_list(consortium: Make, tmp_path: Path) -> None:
    """As documented: two restored members decline what was sealed to keys that they lost; the next list opens."""
    first = cut(consortium, tmp_path / "run", 1, "version")
    before = lists(first)
    for number in (0, 1):
        shutil.rmtree(first.stretches(number))
    f = federation(consortium, RunFolder.resume(tmp_path / "run", CONFIG, durable=False), first)
    f.start()
    (dropped,) = f.lines("opening-dropped")
    assert "h0: " in dropped["reason"] and "h1: " in dropped["reason"]
    assert len(f.made()) == 2 and {line["digest"] for line in f.lines("opening")[1:]} | before == lists(f)
    f.check_residuals()
    f.check_opened_once()
    f.check_agreement()


def test_one_member_that_lost_its_folder_is_done_without(consortium: Make, tmp_path: Path) -> None:
    first = cut(consortium, tmp_path / "run", 1, "version")
    shutil.rmtree(first.stretches(0))
    f = federation(consortium, RunFolder.resume(tmp_path / "run", CONFIG, durable=False), first)
    f.start()
    assert len(f.made()) == 2 and not f.lines("opening-dropped") and "h0" not in f.made()[0]["openers"]
    assert any(
        line["member"] == "h0" and line["kind"] == CONSENT and line["version"] == 2 for line in f.lines("assisted")
    )
    f.check_opened_once()
    f.check_agreement()


@pytest.mark.parametrize("place", ["before", "after"])
def test_an_interruption_while_a_version_is_made_again_does_not_damage_it(
    consortium: Make, tmp_path: Path, place: str
) -> None:
    """Between the new record, its line and its place: the run goes on with the one that the ledger names."""
    fault = on(1, ANSWER, changed_answer(0, wrong_share))
    path = tmp_path / "run"
    folder = RunFolder.create(path, CONFIG, PLAN, durable=False)
    keep = folder.keep
    if place == "before":
        interrupt(folder, 1, "corrected")
    else:

        def gone(name: str, *args: Any) -> str:
            if name == version_name(1) and (path / f"{corrected_name(1)}.payload").exists():
                raise Gone
            return keep(name, *args)

        folder.keep = gone  # type: ignore[method-assign]
    first = federation(consortium, folder, fault=fault)
    with pytest.raises(Gone):
        first.start()
    folder.close()
    assert (path / f"{corrected_name(1)}.payload").exists()
    again = RunFolder.resume(path, CONFIG, durable=False)
    assert not (path / f"{corrected_name(1)}.payload").exists()
    f = federation(consortium, again, first)
    f.start()
    assert f.lines("void") if place == "before" else not f.lines("void")  # its answers went with the process
    f.check_agreement()
    f.check_residuals()
    again.close()
    file = path / f"{version_name(2)}.payload"  # the control: a version that nothing stands in for
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(RunFolderError):
        RunFolder.resume(path, CONFIG, durable=False)


def test_a_key_that_is_rotated_while_a_list_is_opened(consortium: Make, tmp_path: Path) -> None:
    new = Secret(bytes(range(100, 132)))
    first = cut(consortium, tmp_path / "run", 2, "version")
    again = RunFolder.resume(tmp_path / "run", CONFIG | {"encryption.key": new.fingerprint}, durable=False)
    f = federation(consortium, again, first, vault=vault(ConsortiumKey(new, (SECRET,))), key=new.fingerprint)
    f.start()
    assert len(f.lines("opening-dropped")) == 1
    assert [line["key"] for line in f.made()] == [SECRET.fingerprint, new.fingerprint]
    assert len(f.lines("wrong-key")) == 4 and not f.lines("excluded")
    f.check_residuals()
    f.check_opened_once()
    f.check_agreement()


def test_a_key_that_is_rotated_between_versions(consortium: Make, tmp_path: Path) -> None:
    new = Secret(bytes(range(100, 132)))
    first = cut(consortium, tmp_path / "run", 2, "opening")
    again = RunFolder.resume(tmp_path / "run", CONFIG | {"encryption.key": new.fingerprint}, durable=False)
    f = federation(consortium, again, first, vault=vault(ConsortiumKey(new, (SECRET,))), key=new.fingerprint)
    f.start()
    assert [line["key"] for line in f.made()] == [SECRET.fingerprint, new.fingerprint]
    f.check_agreement()
    f.check_residuals()
    f.check_sums()
