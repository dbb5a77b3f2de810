"""A run interrupted at any event goes on from its folder as if nothing had been, and counts nothing twice."""

from __future__ import annotations

import contextlib
import json
import logging
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flwr.app import Message

from client_app.update.payloads import Vault
from crossward.config.schedule import Schedule
from crossward.encryption.plan import FieldPlan
from crossward.ledger.lines import read_line
from crossward.ledger.state import fold
from crossward.protocol.messages import Failure
from crossward.protocol.wire import read_task, write_reply
from server_app.run_folder import RunFolder, RunFolderError, read_config
from strategies.aggregation.snapshots import snapshot_name
from strategies.async_hybrid import AsyncHybrid
from strategies.fedavg import FedAvg
from strategies.history.integrity import drop_damaged
from strategies.history.journal import MemoryJournal

CONFIG = {"strategy.num-versions": 4, "run.seed": 0}
PLAN = FieldPlan(4, 7, 2)
SCHEDULE = Schedule(versions=4, local_steps=5, peak=0.05)


class Gone(Exception):
    """The process is gone."""


def interrupt(folder: RunFolder, event: int, before: bool) -> None:
    """Raise at the ``event``-th line, before or after it is written."""
    record, count = folder.record, 0

    def counted(name: str, **facts: Any) -> None:
        nonlocal count
        count += 1
        if count == event and before:
            raise Gone
        record(name, **facts)
        if count == event:
            raise Gone

    folder.record = counted  # type: ignore[method-assign]


def run(federation: Any, journal: RunFolder, earlier: Any = None, **keywords: Any) -> Any:
    """All four hospitals in every version: what arrives does not depend on when."""
    given: dict[str, Any] = {
        "compute": (1, 2, 3, 4),
        "schedule": SCHEDULE,
        "plan": PLAN,
        "buffer_size": 4,
        "weighting": "examples",
        "evaluate_every": 2,
        "snapshot_every": 2,
        "retry_seconds": 1.0,
        "max_staleness": 0,
    }
    f = federation(journal=journal, **(given | keywords))
    if earlier is not None:
        f.sent, f.starts, f.deltas = earlier.sent, earlier.starts, earlier.deltas
    return f


def essence(f: Any) -> list[Any]:
    """Versions as far as a run can influence them: record, weights by hospital."""
    return [
        (
            line["version"],
            line["digest"],
            sorted(zip(line["hospitals"], line["weights"], strict=True)),
            bytes(f.journal.open(f"versions/{line['version']:06d}")[1].data),
        )
        for line in f.made()
    ]


@pytest.fixture(autouse=True)
def closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Close every run folder that a test opens, also those that were refused."""
    opened: list[RunFolder] = []
    make = RunFolder.__init__

    def remembered(self: RunFolder, *args: Any, **keywords: Any) -> None:
        make(self, *args, **keywords)
        opened.append(self)

    monkeypatch.setattr(RunFolder, "__init__", remembered)
    yield
    for folder in opened:
        folder.close()


@pytest.fixture
def whole(federation: Any, tmp_path: Path) -> Any:
    f = run(federation, RunFolder.create(tmp_path / "whole", CONFIG, PLAN, durable=False))
    f.start()
    f.check_accounts()
    f.check_residuals()
    return f


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("kind", [AsyncHybrid, FedAvg])
def test_an_interrupted_run_ends_like_an_uninterrupted_one(
    federation: Any, whole: Any, tmp_path: Path, kind: type, before: bool
) -> None:
    expected = essence(whole)
    total = sum(1 for _ in whole.journal.events())
    for event in range(1 + before, total, 6):
        path = tmp_path / f"{event}"
        folder = RunFolder.create(path, CONFIG, PLAN, durable=False)
        interrupt(folder, event, before)
        first = run(federation, folder, kind=kind)
        with pytest.raises(Gone):
            first.start()
        folder.close()
        again = RunFolder.resume(path, CONFIG, durable=False)
        second = run(federation, again, earlier=first, kind=kind)
        second.start()
        assert essence(second) == expected, f"interrupted at event {event}"
        used = [task for line in second.made() for task in line["tasks"]]
        assert len(used) == len(set(used)) == 16
        second.check_agreement()
        second.check_residuals()
        assert all(len(o) <= 1 for o in second.outcomes().values())
        again.close()


def test_a_run_may_be_interrupted_again_and_again(federation: Any, whole: Any, tmp_path: Path) -> None:
    path, earlier = tmp_path / "often", None
    RunFolder.create(path, CONFIG, PLAN, durable=False).close()
    for event in (9, 7, 8, 30, 11, 1, 2, 13):
        folder = RunFolder.resume(path, CONFIG, durable=False)
        interrupt(folder, event, False)
        f = run(federation, folder, earlier)
        with contextlib.suppress(Gone):
            f.start()
        folder.close()
        earlier = f
    folder = RunFolder.resume(path, CONFIG, durable=False)
    f = run(federation, folder, earlier)
    f.start()
    assert essence(f) == essence(whole)
    f.check_residuals()
    f.check_agreement()
    tasks = [line["task"] for line in f.lines("dispatched")]
    assert len(tasks) == len(set(tasks))


def test_tasks_under_way_at_an_interruption_get_their_outcome(federation: Any, tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", CONFIG, PLAN, durable=False)
    interrupt(folder, 12, False)
    first = run(federation, folder)
    with pytest.raises(Gone):
        first.start()
    folder.close()
    second = run(federation, RunFolder.resume(tmp_path / "run", CONFIG, durable=False), first)
    second.start()
    second.check_accounts()


def test_an_update_accepted_before_the_interruption_is_not_trained_into_the_version_twice(
    federation: Any, tmp_path: Path
) -> None:
    """Two of four had been accepted: they enter version 1 with those updates, the others are asked anew."""
    folder = RunFolder.create(tmp_path / "run", CONFIG, PLAN, durable=False)
    interrupt(folder, 1 + 4 + 4 + 2, False)  # started, joined, dispatched, two accepted
    first = run(federation, folder)
    with pytest.raises(Gone):
        first.start()
    accepted = [line["task"] for line in first.lines("accepted")]
    assert len(accepted) == 2
    folder.close()
    second = run(federation, RunFolder.resume(tmp_path / "run", CONFIG, durable=False), first)
    assert [u.task for u in second.strategy.state.buffer] == accepted
    second.start()
    assert set(accepted) < set(second.made()[0]["tasks"])
    assert all(line["version"] == 0 for line in second.lines("duplicate"))


def test_task_numbers_of_a_resumed_run_never_meet_the_earlier_ones(federation: Any, whole: Any) -> None:
    again = run(federation, whole.journal, whole)
    assert again.strategy.state.next_task >= 1 << 32 > max(whole.sent)


@pytest.mark.parametrize("kind", [AsyncHybrid, FedAvg])
def test_resuming_a_finished_run_trains_nobody(federation: Any, whole: Any, kind: type) -> None:
    whole.journal.close()
    folder = RunFolder.resume(whole.journal.path, CONFIG, durable=False)
    before = essence(whole)
    again = run(federation, folder, whole, kind=kind)
    again.start()
    assert essence(again) == before
    events = [line["event"] for line in folder.events()]
    later = events[events.index("finished") + 1 :]
    assert later[0] == "resumed" and later[-1] == "finished"
    assert "accepted" not in later and "version" not in later
    assert Counter(later)["dispatched"] <= 4  # at most the last evaluation once more
    again.check_residuals()


def test_resuming_a_run_that_reached_its_target_trains_nobody(federation: Any, tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", CONFIG, PLAN, durable=False)
    first = run(federation, folder, target_loss=100.0)
    first.start()
    assert first.strategy.state.version == 2
    folder.close()
    again = run(federation, RunFolder.resume(tmp_path / "run", CONFIG, durable=False), first, target_loss=100.0)
    again.start()
    assert again.strategy.state.version == 2


def test_patience_without_evaluation_survives_an_interruption(federation: Any, tmp_path: Path) -> None:
    journal = MemoryJournal()
    first = run(federation, journal, evaluate_every=0, patience=3, min_delta=10.0, schedule=Schedule(versions=30))
    first.strategy.start(first.grid, num_rounds=2)
    assert first.strategy.state.convergence.misses == 1
    second = run(federation, journal, evaluate_every=0, patience=3, min_delta=10.0, schedule=Schedule(versions=30))
    assert second.strategy.state.convergence.misses == 1


def test_a_hospital_whose_update_waits_is_not_asked_again_after_a_resume(federation: Any, tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", CONFIG, PLAN, durable=False)
    interrupt(folder, 1 + 4 + 4 + 2, False)  # started, joined, dispatched, two accepted
    first = run(federation, folder)
    with pytest.raises(Gone):
        first.start()
    folder.close()
    second = run(federation, RunFolder.resume(tmp_path / "run", CONFIG, durable=False), first)
    second.start()
    trained = Counter((node, version) for task, (node, version) in bases(second).items() if task >= 1 << 32)
    assert (trained[1, 0], trained[2, 0]) == (0, 0)


def bases(f: Any) -> dict[int, tuple[int, int]]:
    """Task -> (node, base version) of every training task."""
    return {
        line["task"]: (int(line["node"]), line["version"]) for line in f.lines("dispatched") if line["kind"] == "train"
    }


def test_other_settings_are_refused_by_name(federation: Any, whole: Any) -> None:
    whole.journal.close()
    with pytest.raises(RunFolderError, match=r"strategy.num-versions \(4, now 5\).*Resume with the same ones"):
        RunFolder.resume(whole.journal.path, CONFIG | {"strategy.num-versions": 5}, durable=False)
    with pytest.raises(RunFolderError, match=r"train.clip \(1.0, now 2.0\)"):
        RunFolder.resume(whole.journal.path, CONFIG | {"train.clip": 2.0}, durable=False)
    RunFolder.resume(whole.journal.path, CONFIG | {"run.resume": "x", "run.seed": 1}, durable=False).close()


@pytest.mark.parametrize("version", ["000002", "000004"])
@pytest.mark.parametrize("damage", ["cut", "flip", "gone", "swapped"])
def test_a_damaged_version_is_refused_clearly(whole: Any, damage: str, version: str) -> None:
    whole.journal.close()
    hurt(whole.journal.path / "versions" / f"{version}.payload", damage)
    with pytest.raises(RunFolderError) as caught:
        RunFolder.resume(whole.journal.path, CONFIG, durable=False)
    assert version in str(caught.value) and "restore it from a backup" in str(caught.value)


def test_a_refused_folder_can_be_resumed_once_it_is_put_right(whole: Any) -> None:
    whole.journal.close()
    path = whole.journal.path / "versions" / "000002.payload"
    data = path.read_bytes()
    path.write_bytes(data[:-5])
    with pytest.raises(RunFolderError):
        RunFolder.resume(whole.journal.path, CONFIG, durable=False)
    path.write_bytes(data)
    RunFolder.resume(whole.journal.path, CONFIG, durable=False)


def test_a_run_goes_on_after_its_sums_were_lost(federation: Any, tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", CONFIG, PLAN, durable=False)
    first = run(federation, folder, snapshot_every=0, joins={4: 7.5}, buffer_size=3)
    first.strategy.start(first.grid, num_rounds=3)
    assert list((tmp_path / "run" / "sums").glob("*"))
    folder.close()
    again = RunFolder.resume(tmp_path / "run", CONFIG, durable=False)
    assert not (tmp_path / "run" / "sums").exists()
    second = run(federation, again, first, snapshot_every=0, buffer_size=3)
    second.start()
    second.check_agreement()


def test_the_history_alone_says_where_a_lineage_stands(whole: Any) -> None:
    past = fold(map(read_line, whole.journal.events()))
    assert (past.sessions, past.version, bool(past.finished), past.buffer) == (1, 4, True, {})
    assert past.layout == Vault().layout("toy-layout-16", 2) and past.shape == (("clear", 8), ("clear", 8))
    assert [version for version, _ in past.losses] == [2, 4]
    assert len(past.accepted) == 4
    assert read_config(whole.journal.path)["plan"] == PLAN
    assert json.loads((whole.journal.path / "config.json").read_text())["config"] == CONFIG


# ---------------------------------------------------------------------- what an interruption leaves beside the ledger


def test_what_nothing_needs_any_more_is_cleared_away_on_resuming(whole: Any) -> None:
    whole.journal.close()
    path = whole.journal.path
    before = {p.relative_to(path) for p in path.rglob("*") if p.is_file()}
    (path / "buffer").mkdir(exist_ok=True)
    for name in (
        "buffer/77.payload",
        "buffer/.78.payload.0badbeef",
        "versions/.000005.payload.00",
        "snapshots/9-0.payload",
    ):
        (path / name).write_bytes(b"left over")
    RunFolder.resume(path, CONFIG, durable=False).close()
    assert {p.relative_to(path) for p in path.rglob("*") if p.is_file()} == {p for p in before if p.parts[0] != "sums"}


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("event", ["snapshot", "snapshot-dropped"])
def test_the_snapshot_that_the_ledger_names_is_there_after_any_interruption(
    federation: Any, tmp_path: Path, event: str, before: bool
) -> None:
    """Interrupted when the second snapshot replaces the first, or one is dropped: a newcomer may still be sent it."""
    folder = RunFolder.create(tmp_path / "run", CONFIG, PLAN, durable=False)
    record, seen = folder.record, 0

    def gone(name: str, **facts: Any) -> None:
        nonlocal seen
        seen += name == event
        last = name == event and seen == (2 if event == "snapshot" else 1)
        if last and before:
            raise Gone
        record(name, **facts)
        if last:
            raise Gone

    folder.record = gone  # type: ignore[method-assign]
    given: dict[str, Any] = {"schedule": Schedule(versions=20, local_steps=5, peak=0.05), "evaluate_every": 0}
    first = run(federation, folder, **given)
    if event == "snapshot-dropped":

        def behind(who: int, message: Any, reply: Any) -> Any:
            task = read_task(message.content)
            if who != 4 or not first.lines("snapshot"):
                return [(0.0, reply)]
            failure = Failure(task.lineage, task.task, "behind", "again", 0)
            return [(0.0, Message(content=write_reply(failure), reply_to=message))]

        first.fault = behind
    with pytest.raises(Gone):
        first.start()
    folder.close()
    again = RunFolder.resume(tmp_path / "run", CONFIG, durable=False)
    snapshots = run(federation, again, first, **given).strategy.state.snapshots
    if snapshots.confirmed is not None:
        assert all(payload.data for payload in snapshots.load()[1])
    assert (snapshots.confirmed is None) == (event == "snapshot-dropped" and not before)


# ---------------------------------------------------------------------- what a disk lost meanwhile


def hurt(path: Path, damage: str) -> None:
    """Damage a payload file."""
    data = path.read_bytes()
    match damage:
        case "flip":
            path.write_bytes(bytes([data[0] ^ 0xFF]) + data[1:])
        case "cut":
            path.write_bytes(data[: len(data) // 2])
        case "empty":
            path.write_bytes(b"")
        case "gone":
            path.unlink()
        case "swapped":  # whole in itself, but another one's
            other = next(p for p in sorted(path.parent.glob("*.payload"), reverse=True) if p != path)
            path.write_bytes(other.read_bytes())


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "gone", "swapped"])
def test_an_update_whose_file_is_damaged_is_left_out_and_its_hospital_is_asked_again(
    federation: Any, tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two updates wait for version 2 when the server goes down, one of them is not as it was when it comes back."""
    monkeypatch.setattr(logging.getLogger("flwr"), "propagate", True)
    folder = RunFolder.create(tmp_path / "run", CONFIG, PLAN, durable=False)
    first, record = run(federation, folder), folder.record

    def gone(name: str, **facts: Any) -> None:
        record(name, **facts)
        if len(first.strategy.state.run.accepted) == 4 and sum(1 for _ in first.lines("accepted")) == 6:
            raise Gone

    folder.record = gone  # type: ignore[method-assign]
    with pytest.raises(Gone):
        first.start()
    folder.close()
    kept = sorted((tmp_path / "run" / "buffer").glob("*.payload"))
    lost, line = int(kept[0].stem), next(x for x in first.lines("accepted") if x["task"] == int(kept[0].stem))
    assert len(kept) == 2
    hurt(kept[0], damage)
    second = run(federation, RunFolder.resume(tmp_path / "run", CONFIG, durable=False), first)
    second.start()
    (failed,) = [x for x in second.lines("failed") if x["task"] == lost]
    assert failed["hospital"] == line["hospital"] and failed["kind"] == "train"
    assert failed["reason"].startswith(f"the server lost this update: buffer/{lost}: ")
    assert line["digest"] in failed["reason"]
    assert f"buffer/{lost}.payload" in caplog.text and "toy-0 is asked again" in caplog.text
    assert all(lost not in x["tasks"] for x in second.made()) and second.strategy.state.version == 4
    assert all(len(set(x["hospitals"])) == 4 for x in second.made())
    second.check_accounts()
    second.check_agreement()
    second.check_residuals()
    second.journal.close()
    RunFolder.resume(tmp_path / "run", CONFIG, durable=False).close()


@pytest.mark.parametrize("damage", ["flip", "cut", "gone", "swapped", "unsaid"])
def test_a_snapshot_whose_file_is_damaged_is_dropped(federation: Any, whole: Any, damage: str) -> None:
    """``unsaid``: changed, and named by a ledger that has no digests yet."""
    past = fold(map(read_line, whole.journal.events()))
    assert past.snapshot is not None and past.snapshot_digests
    whole.journal.close()
    path = whole.journal.path / f"{snapshot_name(past.snapshot, past.snapshot.epochs[0])}.payload"
    again = RunFolder.resume(whole.journal.path, CONFIG, durable=False)
    (path.parent / "other.payload").write_bytes((path.parents[1] / "versions" / "000001.payload").read_bytes())
    hurt(path, "flip" if damage == "unsaid" else damage)
    f = run(federation, again, whole, joins={5: 0.0}, compute=(1, 2, 3, 4, 5))
    if damage == "unsaid":
        f.strategy.state.run.snapshot_digests = ()
    f.start()  # the newcomer is sent the records instead
    (dropped,) = f.lines("snapshot-dropped")
    assert dropped["reason"].startswith(f"snapshots/{path.stem}: ")
    assert f.strategy.state.snapshots.confirmed is None and not path.exists()
    f.check_agreement()


def test_whole_files_are_taken_up_as_they_are(federation: Any, whole: Any) -> None:
    again = run(federation, whole.journal, whole)
    drop_damaged(again.strategy.state)
    assert not again.lines("failed", "snapshot-dropped") and again.strategy.state.snapshots.confirmed is not None
