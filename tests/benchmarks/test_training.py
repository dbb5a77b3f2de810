"""The training benchmark runs, and what it writes has the figures that are read from it. No figure is a timing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest

from benchmarks.training import ranks
from benchmarks.training.node import write_notes
from benchmarks.training.tables import check_losses, requirements
from client_app.training.spec import LearnerSpec
from client_app.training.trained import Trained

ROOT = Path(__file__).resolve().parents[2]
Found = dict[str, Any]

pytestmark = pytest.mark.timeout(660)  # the benchmark has a limit of its own


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Found, str]:
    file = tmp_path_factory.mktemp("figures") / "figures.json"
    command = [sys.executable, "-m", "benchmarks.training", "--quick", "--json", str(file)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(file.read_text()), done.stdout


def of(found: Found, section: str) -> list[Found]:
    return [row for row in found["rows"] if row["section"] == section]


def test_every_loop_has_a_speed_and_ends_at_the_same_loss(ran: tuple[Found, str]) -> None:
    rows = of(ran[0], "loop")
    assert [row["name"] for row in rows][:3] == ["ours", "bare loop", "Trainer per round"] and len(rows) == 5
    assert all(row["tokens_per_second"] > 0 and 1 < row["loss_after"] < row["loss"] for row in rows)
    assert ran[0]["losses_apart"] < 1e-4


def test_a_resident_group_saves_the_next_message_most_of_what_the_first_one_cost(ran: tuple[Found, str]) -> None:
    rows = {(row["engine"], row["message"]): row for row in of(ran[0], "message")}
    group = {("worker-group", "first"), ("worker-group", "next")}
    assert set(rows) == {("flwr alone", "-"), ("in-process", "first")} | group
    assert all(row["whole_s"] > row["process_s"] + row["flower_s"] > 0 for row in rows.values())
    assert 0 < ran[0]["ratios"]["next_to_first_message"] < 1
    first, after = (row for row in ran[0]["messages"] if row["engine"] == "worker-group")
    assert first["open_s"] == 0 < after["open_s"] < after["overhead_s"] < first["overhead_s"]
    assert after["loss"] < first["loss"]  # the sealed sum was opened, and training went on from there


def test_only_the_process_that_trains_imports_torch(ran: tuple[Found, str]) -> None:
    reported = {(row["engine"], row["message"]): row["torch_imported"] for row in of(ran[0], "torch imported")}
    assert reported["worker-group", "first"] == reported["worker-group", "next"] == reported["flwr alone", "-"] == 0
    assert reported["in-process", "first"] == 1


def test_no_process_is_left_behind(ran: tuple[Found, str]) -> None:
    assert ran[0]["processes_left"] == 0 and of(ran[0], "ranks") == []


class Ranks:
    """A worker group that trains by a tenth of its processes' number; what it was asked is in ``asked``."""

    asked: ClassVar[list[tuple[str, int, Any]]] = []

    def __init__(self, spec: LearnerSpec, folder: Path) -> None:
        self.count = spec.config.node.processes
        assert folder.name == f"workers-{self.count}" and spec.config.train.batch_size == ranks.BATCH

    def initial(self) -> Any:
        return np.zeros(4, np.float32)

    def train(self, start: Any, version: int, seed: int) -> Trained:
        self.asked.append(("train", self.count, seed))
        return Trained(start + np.float32(1 + self.count / 10), 8, 400, 800.0 + self.count, 2)

    def close(self, last: bool) -> None:
        self.asked.append(("close", self.count, last))


def test_one_process_and_two_take_turns_and_their_adapters_are_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That two train what one does: ``tests/client_app/group/test_ranks.py``."""
    monkeypatch.setattr(Ranks, "asked", [])
    monkeypatch.setattr(ranks, "GroupLearner", Ranks)
    monkeypatch.setattr(ranks, "members", lambda folder: [folder.name])
    monkeypatch.setattr(ranks, "still_there", lambda group: {"workers-2": 3}[group[0]])

    def here(module: str, wanted: Found, file: Path) -> tuple[float, float, Found]:
        assert module == ranks.__name__ and not file.exists()
        workers = [str(tmp_path / f"workers-{count}") for count in ranks.COUNTS]
        assert wanted["workers"] == [str(tmp_path), str(tmp_path / "ranks" / "workers")]
        return 0.0, 1.0, ranks.train(wanted | {"workers": workers})

    monkeypatch.setattr(ranks, "run_process", here)
    hospital: Any = SimpleNamespace(
        home=str(tmp_path),
        workers=tmp_path,
        node_config={"data-path": str(tmp_path / "notes.csv")},
        run_config={"model.device": "cpu"},
    )
    found = ranks.measure(tmp_path / "ranks", hospital, 2, 2)
    assert [what[:2] for what in Ranks.asked] == [
        *(("train", count) for count in (2, 1, 1, 2, 2, 1)), ("close", 1), ("close", 2),
    ]  # fmt: skip
    assert [last for what, _, last in Ranks.asked if what == "close"] == [False, True]
    assert [(row["processes"], row["loss"]) for row in found["rows"]] == [(1, 801 / 400), (2, 802 / 400)]
    assert all(row["tokens_per_second"] > 0 for row in found["rows"])
    assert len(found["pairs"]["two_processes_to_one"]) == 2  # the first turn is not counted
    assert found["adapters_apart"] == pytest.approx(0.1 / 1.1) and found["processes_left"] == 3


def test_the_tables_name_what_was_compared(ran: tuple[Found, str]) -> None:
    assert set(ran[0]["ratios"]) >= {"loop_to_bare", "loop_to_trainer", "next_to_first_message"}
    assert all(value > 0 for value in ran[0]["ratios"].values())
    for text in ("Trainer per round", "worker-group", "torch imported", "next to first message", "small sizes"):
        assert text in ran[1]
    assert ran[0]["requirements"] == []


def test_loops_that_train_something_else_are_not_compared() -> None:
    rows = [{"name": name, "loss": 3.0, "loss_after": after} for name, after in (("ours", 2.0), ("other", 2.1))]
    with pytest.raises(RuntimeError, match=r"ours 3\.00000 / 2\.00000, other"):
        check_losses(rows)
    assert check_losses([row | {"loss_after": 2.0} for row in rows]) == 0


def test_a_requirement_that_is_not_met_says_so() -> None:
    found = requirements({"ratios": {"loop_to_bare": 0.97, "loop_to_trainer": 1.2, "next_to_first_message": 0.2}})
    assert [row["met"] for row in found] == [False, True, False] and found[0]["limit"] == ">= 0.98"


def test_the_notes_are_a_csv_file_of_patients(tmp_path: Path) -> None:
    lines = write_notes(tmp_path / "notes.csv", 4).read_text().splitlines()
    assert lines[0] == "patient,text" and len(lines) > 4
