"""The run folder: made once, resumed with the same settings, and a journal like any other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crossward.config.run_config import DEFAULTS
from crossward.encryption.plan import FieldPlan
from crossward.ledger.file import verify
from crossward.protocol.parts import Part, PartHead, join
from server_app.files import PayloadError
from server_app.run_folder import RunFolder, RunFolderError, read_config
from strategies.history.journal import Journal, MemoryJournal
from tests.ledger_lines import facts

PLAN = FieldPlan(8, 6, 2)
CONFIG: dict[str, Any] = {"strategy.buffer-size": 3, "run.seed": 1}
PARTS = [Part(PartHead("clear", 3, 8, 3), b"abc")]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[RunFolder]:
    made = RunFolder.create(tmp_path / "run", CONFIG, PLAN, durable=False)
    yield made
    made.close()


def test_a_new_folder_holds_its_settings(folder: RunFolder) -> None:
    assert read_config(folder.path) == {"lineage": folder.lineage, "plan": PLAN, "config": CONFIG}
    assert len(folder.lineage) == 16


def test_without_a_path_it_is_made_below_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSWARD_HOME", str(tmp_path / "home"))
    made = RunFolder.create(None, CONFIG, PLAN, durable=False)
    made.close()
    assert made.path.parent == tmp_path / "home" / "runs"
    assert made.path.name.endswith(made.lineage[:6])


def test_a_folder_that_holds_a_run_is_not_written_over(folder: RunFolder) -> None:
    folder.record("started", **facts("started"))
    before = (folder.path / "config.json").read_bytes()
    with pytest.raises(RunFolderError, match=r"already holds a run: .* resume it with run.resume="):
        RunFolder.create(folder.path, {}, PLAN)
    assert (folder.path / "config.json").read_bytes() == before


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(RunFolderError, match="cannot be created"):
        RunFolder.create(tmp_path / "file" / "run", {}, PLAN)


@pytest.mark.parametrize("journal", ["folder", "memory"])
def test_it_is_a_journal_like_the_one_in_memory(folder: RunFolder, journal: str) -> None:
    j: Journal = folder if journal == "folder" else MemoryJournal()
    first = j.head()
    j.record("one", task=1, rows=[["a", 2]])
    second = j.head()
    j.record("two", loss=0.5)
    assert second.seq == first.seq + 1 and j.head().seq == first.seq + 2
    assert len({first.hash, second.hash, j.head().hash}) == 3
    events = [{k: v for k, v in e.items() if k != "time"} for e in j.events()]
    assert events == [{"event": "one", "task": 1, "rows": [["a", 2]]}, {"event": "two", "loss": 0.5}]
    digest = j.keep("versions/000001", {"version": 1}, PARTS)
    assert digest == join(PARTS).digest()
    assert j.open("versions/000001") == ({"version": 1}, join(PARTS))
    j.keep("versions/000001", {"version": 2}, PARTS * 2)
    assert j.open("versions/000001")[0] == {"version": 2}
    assert j.damage("versions/000001", join(PARTS * 2).digest()) == j.damage("versions/000001", "") == ""
    assert j.damage("versions/000001", digest) == f"its digest is {join(PARTS * 2).digest()}"
    j.drop("versions/000001")
    j.drop("versions/000001")
    assert j.damage("versions/000001", digest) == "it is missing"
    with pytest.raises((PayloadError, KeyError)):
        j.open("versions/000001")


def test_metrics_get_versions_and_evaluations(folder: RunFolder) -> None:
    for event in ("started", "version", "accepted", "evaluated", "measured"):
        folder.record(event, n=1)
    metrics = [json.loads(line) for line in (folder.path / "metrics.jsonl").read_text().splitlines()]
    assert metrics == [line for line in folder.events() if line["event"] in ("version", "evaluated", "measured")]


def test_a_run_with_an_event_of_a_newer_version_is_not_resumed(folder: RunFolder) -> None:
    folder.record("started", **facts("started"))
    folder.record("merged", version=1)
    folder.close()
    with pytest.raises(RunFolderError, match=r"an event 'merged', which this version .* does not know: resume the run"):
        RunFolder.resume(folder.path, CONFIG, durable=False)


def test_a_run_whose_ledger_lacks_a_fact_is_not_resumed(folder: RunFolder) -> None:
    folder.record("version", version=1)
    folder.close()
    with pytest.raises(RunFolderError, match=r"ledger\.jsonl, line 1: event 'version' lacks 'epoch'"):
        RunFolder.resume(folder.path, CONFIG, durable=False)


@pytest.mark.parametrize("damage", ["torn", "row missing", "gone"])
def test_metrics_that_an_interruption_tore_are_made_anew(folder: RunFolder, damage: str) -> None:
    for number in range(3):
        folder.record("evaluated", **facts("evaluated", n=number))
        folder.record("left", node=str(number))
    folder.close()
    path = folder.path / "metrics.jsonl"
    rows = path.read_text().splitlines(keepends=True)
    if damage == "gone":
        path.unlink()
    else:
        path.write_text("".join(rows[:-1]) + (rows[-1][:20] if damage == "torn" else ""))
    again = RunFolder.resume(folder.path, CONFIG, durable=False)
    again.record("evaluated", **facts("evaluated", n=3))
    again.close()
    metrics = [json.loads(line) for line in path.read_text().splitlines()]
    assert metrics[:3] == [json.loads(row) for row in rows]
    assert [row["n"] for row in metrics] == [0, 1, 2, 3]
    assert not (folder.path / ".metrics.jsonl").exists()


def test_metrics_that_cannot_be_made_anew_are_named(folder: RunFolder) -> None:
    folder.close()
    (folder.path / "metrics.jsonl").unlink(missing_ok=True)
    (folder.path / "metrics.jsonl").mkdir()
    with pytest.raises(RunFolderError, match=r"metrics.jsonl cannot be rewritten .* then resume the run"):
        RunFolder.resume(folder.path, CONFIG, durable=False)


def test_the_ledger_holds_and_goes_on_after_resuming(folder: RunFolder) -> None:
    folder.record("started", **facts("started"))
    head = folder.head()
    folder.close()
    again = RunFolder.resume(folder.path, CONFIG, durable=False)
    assert again.lineage == folder.lineage and again.head() == head
    again.record("resumed", **facts("resumed"))
    again.close()
    assert verify(folder.path / "ledger.jsonl").ok


def test_two_processes_cannot_write_one_run(folder: RunFolder) -> None:
    with pytest.raises(RunFolderError, match="stop that run first"):
        RunFolder.resume(folder.path, CONFIG, durable=False)


def test_a_changed_ledger_is_refused(folder: RunFolder) -> None:
    folder.record("started", **facts("started"))
    folder.record("finished", **facts("finished"))
    folder.close()
    path = folder.path / "ledger.jsonl"
    path.write_text(path.read_text().replace('"version":0', '"version":1', 1))
    with pytest.raises(RunFolderError, match="Nothing was changed"):
        RunFolder.resume(folder.path, CONFIG, durable=False)


def test_a_torn_last_line_is_repaired(folder: RunFolder) -> None:
    folder.record("started", **facts("started"))
    folder.close()
    with (folder.path / "ledger.jsonl").open("ab") as file:
        file.write(b'{"seq": 2, "ti')
    again = RunFolder.resume(folder.path, CONFIG, durable=False)
    assert [line["event"] for line in again.events()] == ["started", "repaired"]
    again.close()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"lineage": "x"}', '{"lineage": "x", "plan": [1], "config": {}}'])
def test_a_folder_without_a_run_is_refused(tmp_path: Path, content: str) -> None:
    if content:
        (tmp_path / "config.json").write_text(content)
    with pytest.raises(RunFolderError, match="is not a run folder"):
        RunFolder.resume(tmp_path, CONFIG)


def test_only_settings_outside_of_run_must_agree(folder: RunFolder) -> None:
    folder.close()
    RunFolder.resume(folder.path, CONFIG | {"run.seed": 7, "run.resume": "/x"}, durable=False).close()
    with pytest.raises(RunFolderError, match=r"strategy.buffer-size \(3, now 4\)"):
        RunFolder.resume(folder.path, CONFIG | {"strategy.buffer-size": 4}, durable=False)


def test_keys_that_an_earlier_version_stored_at_their_default_are_no_other_settings(tmp_path: Path) -> None:
    RunFolder.create(tmp_path / "run", CONFIG | {"strategy.poll-seconds": 0.2}, PLAN, durable=False).close()
    RunFolder.resume(tmp_path / "run", DEFAULTS | CONFIG, durable=False).close()
    RunFolder.create(tmp_path / "other", CONFIG | {"strategy.poll-seconds": 0.5}, PLAN, durable=False).close()
    with pytest.raises(RunFolderError, match=r"strategy.poll-seconds \(0.5, now None\)"):
        RunFolder.resume(tmp_path / "other", DEFAULTS | CONFIG, durable=False)


@pytest.mark.parametrize("unit", ["example", "patient"])
def test_a_private_run_keeps_the_folder_in_which_its_nodes_count_what_they_spent(tmp_path: Path, unit: str) -> None:
    config = CONFIG | {"privacy.unit": unit, "run.state-dir": "/a"}
    RunFolder.create(tmp_path / "run", config, PLAN, durable=False).close()
    RunFolder.resume(tmp_path / "run", config | {"run.seed": 7}, durable=False).close()
    with pytest.raises(RunFolderError, match=r"run.state-dir \('/a', now '/b'\)"):
        RunFolder.resume(tmp_path / "run", config | {"run.state-dir": "/b"}, durable=False)
    open_to_all = tmp_path / "plain"
    RunFolder.create(open_to_all, config | {"privacy.unit": "none"}, PLAN, durable=False).close()
    RunFolder.resume(open_to_all, config | {"privacy.unit": "none", "run.state-dir": "/b"}, durable=False).close()


def test_the_end_is_marked(folder: RunFolder) -> None:
    folder.finish({"version": 4, "reason": "done"})
    found = json.loads((folder.path / "result.json").read_text())
    assert (found["version"], found["reason"]) == (4, "done") and found["finished"] > 0
    assert not (folder.path / ".result.json").exists()


def test_a_folder_with_somebody_elses_files_becomes_no_run(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "launcher.log").touch()  # the launcher's own, made before there was a run
    (folder / "config.json").write_text("mine")
    with pytest.raises(RunFolderError, match=r"is not empty \(it holds config.json\)"):
        RunFolder.create(folder, {}, PLAN)
    assert (folder / "config.json").read_text() == "mine" and len(list(folder.iterdir())) == 2
    (folder / "config.json").unlink()
    RunFolder.create(folder, {}, PLAN).close()


def test_resuming_removes_nothing_outside_of_the_runs_own_folders(tmp_path: Path) -> None:
    RunFolder.create(tmp_path / "mine", {}, PLAN).close()
    for name in ("versions-backup/000001.payload", "buffer/7.payload", "buffer/.7.payload.ab12"):
        path = tmp_path / "mine" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    RunFolder.resume(tmp_path / "mine", {}).close()
    assert (tmp_path / "mine" / "versions-backup" / "000001.payload").exists()
    assert not list((tmp_path / "mine" / "buffer").iterdir())
