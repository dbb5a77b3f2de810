"""Whoever runs a simulation sees its hospitals' exact training losses; the ServerApp's side never does."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from client_app.training.log import FILE_NAME
from crossward.cli.app import main
from crossward.launcher.exact_losses import ExactLosses
from crossward.launcher.views import draw_report, exact_losses
from crossward.report.page import write_report
from server_app.run_folder import RunFolder
from tests.ledger_lines import facts as whole

ROOT = Path(__file__).resolve().parents[3]
PLAN_BITS = (8, 7, 0)
UPDATE = "[   5.4 s]   update 2 from South: based on version 0 (fresh), 5 steps, {}, 215 kB in 3.1 s"
TOLD = "reported training loss 2.25 (rounded to powers of 1.5)"
VERSION = "[   9.0 s] version 1/4: weights North 30 (staleness 0), South 10 (staleness 0)"


class Run:
    """A simulated run of two hospitals: what the server keeps, and what the nodes do."""

    def __init__(self, root: Path, state: str = "") -> None:
        from crossward.encryption.plan import FieldPlan

        self.state = Path(state) if state else root / "home" / "state"
        config = {"train.loss-grid": 1.5, "run.state-dir": state, "strategy.num-versions": 4}
        self.folder = RunFolder.create(root / "run", config, FieldPlan(*PLAN_BITS), durable=False)
        self.path, self.lineage = self.folder.path, self.folder.lineage
        self.folder.record("started", version=0, lineage=self.lineage, last=4)
        (self.path / "launcher.log").touch()  # as a launcher on this machine leaves it
        for node in ("1", "2"):
            self.folder.record("joined", node=node)

    def update(self, site: int, task: int, loss: float | None) -> None:
        """The hospital has trained and its node has kept its loss; then the update was accepted."""
        who: dict[str, Any] = {"task": task, "node": str(site + 1), "hospital": f"{site:016x}", "version": 0}
        self.folder.record("dispatched", kind="train", bytes=0, deadline_seconds=60.0, **who)
        if loss is not None:
            path = self.state / self.lineage / f"site-{site}" / FILE_NAME
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a") as file:
                facts = {"task": task, "version": 0, "loss": loss, "tokens": 100, "steps": 5}
                file.write(json.dumps(facts) + "\n")
        facts = {"site": ("North", "South")[site], "bytes": 500, "seconds": 2.0, "compute_seconds": 1.0}
        facts |= {"train_seconds": 0.8, "staleness": 0, "steps": 5, "loss_sum": 225.0, "num_tokens": 100}
        self.folder.record("accepted", **whole("accepted", **who, **facts))

    def version(self, tasks: list[int], weights: list[int]) -> None:
        facts = {"sites": ["North", "South"], "staleness": [0] * len(tasks), "train_loss": 2.25, "key": ""}
        self.folder.record("version", **whole("version", tasks=tasks, weights=weights, **facts))


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    monkeypatch.setenv("CROSSWARD_HOME", str(tmp_path / "home"))
    made = Run(tmp_path)
    yield made
    made.folder.close()


def test_lines_of_a_run_get_its_exact_losses_as_it_goes(run: Run) -> None:
    exact = ExactLosses(run.path)
    assert exact.shown(UPDATE.format(TOLD)) == UPDATE.format(TOLD)  # nothing is there yet
    run.update(0, 1, 3.1)
    run.update(1, 2, 2.6123)
    assert exact.shown(UPDATE.format(TOLD)) == UPDATE.format("training loss 2.612")
    assert exact.shown(VERSION) == VERSION
    run.version([1, 2], [30, 10])
    mean = (3.1 * 30 + 2.6123 * 10) / 40
    assert exact.shown(VERSION) == VERSION.replace("weights", f"training loss {mean:.3f}; weights", 1)


@pytest.mark.parametrize(
    "line",
    [
        "[   9.0 s] version 1/4: training loss 2.250; weights North 30 (staleness 0)",  # it is told exactly
        "[   9.0 s]   failed: North: version 1/4: update 2 from South",
        "[   9.0 s]   update 77 from South: based on version 0 (fresh), 5 steps, " + TOLD,
        "[   9.0 s] version 2/4: weights North 30 (staleness 0)",
        "Run folder: /runs/version 1/4: x",
        UPDATE.format("patient-level epsilon 1.2"),
    ],
)
def test_other_lines_stay_as_they_are(run: Run, line: str) -> None:
    run.update(0, 1, 3.1)
    run.update(1, 2, 2.6)
    run.version([1, 2], [30, 10])
    assert ExactLosses(run.path).shown(line) == line


def test_a_version_of_which_one_loss_is_missing_has_none(run: Run) -> None:
    run.update(0, 1, 3.1)
    run.update(1, 2, None)
    run.version([1, 2], [30, 10])
    exact = ExactLosses(run.path)
    assert (exact(1), exact(2), exact.of_version(1)) == (3.1, None, None)
    assert exact.shown(VERSION) == VERSION


def test_nodes_are_looked_for_where_the_run_has_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSWARD_HOME", str(tmp_path / "elsewhere"))
    made = Run(tmp_path, str(tmp_path / "states"))
    made.update(0, 1, 3.1)
    assert ExactLosses(made.path)(1) == 3.1
    made.folder.close()


def test_another_apps_run_has_none(tmp_path: Path) -> None:
    for text in ("", "{", '{"lineage": 3}', '{"lineage": "x", "config": {"run.state-dir": "relative"}}'):
        (tmp_path / "config.json").write_text(text)
        assert ExactLosses(tmp_path)(1) is None
        assert ExactLosses(tmp_path).shown(UPDATE.format(TOLD)) == UPDATE.format(TOLD)


def test_a_line_that_is_being_written_is_read_when_it_is_whole(run: Run) -> None:
    run.update(0, 1, 3.1)
    path = run.state / run.lineage / "site-0" / FILE_NAME
    exact = ExactLosses(run.path)
    whole = path.read_text()
    path.write_text(whole + '{"task": 5, "version": 0, "loss": 1.')
    assert (exact(1), exact(5)) == (3.1, None)
    path.write_text(whole + '{"task": 5, "version": 0, "loss": 1.5, "tokens": 1, "steps": 1}\n')
    assert exact(5) == 1.5


# ---------------------------------------------------------------------- watch and report


def test_the_views_of_a_simulation_show_exact_losses(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    run.update(0, 1, 3.1415)
    run.update(1, 2, 2.6)
    run.version([1, 2], [30, 10])
    assert main(["watch", str(run.path), "--once"]) == 0
    seen = capsys.readouterr()
    assert "3.142" in seen.out and "reported" not in seen.out and seen.err == ""
    assert main(["report", str(run.path)]) == 0
    page = (run.path / "report.html").read_text()
    assert "North, version 0: 3.14" in page and "rounded to powers of 1.5; an aggregator sees nothing finer" in page


def test_where_they_are_not_found_what_was_reported_is_shown_and_said(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run.update(0, 1, 3.1415)
    run.update(1, 2, 2.6)
    monkeypatch.setenv("CROSSWARD_HOME", str(tmp_path / "other"))
    assert exact_losses(run.path) is None
    assert main(["watch", str(run.path), "--once"]) == 0
    seen = capsys.readouterr()
    assert "3.142" not in seen.out and "reported loss: " in seen.out and "CROSSWARD_HOME as it was set" in seen.err
    assert main(["report", str(run.path)]) == 0
    assert "Reported training loss" in (run.path / "report.html").read_text()


def test_the_report_of_the_serverapp_is_drawn_again_with_exact_losses(run: Run) -> None:
    run.update(0, 1, 3.1)
    run.update(1, 2, 2.6)
    assert draw_report(run.path) == "" and not (run.path / "report.html").exists()  # another app draws none
    write_report(run.path)
    before = (run.path / "report.html").read_text()
    assert "Reported training loss" in before and "North, version 0: 3.1<" not in before
    assert draw_report(run.path) == ""
    assert "North, version 0: 3.1<" in (run.path / "report.html").read_text()
    (run.path / "ledger.jsonl").write_text("{}\n")
    assert "LedgerError" in draw_report(run.path)


def test_a_view_that_knows_no_loss_yet_waits_for_the_first(run: Run) -> None:
    exact = exact_losses(run.path)
    assert exact is not None and exact(1) is None
    run.update(0, 1, 3.1)
    assert exact(1) == 3.1


# ---------------------------------------------------------------------- the trust boundary


def test_nothing_of_the_servers_names_a_nodes_training_log() -> None:
    """That nothing of it is imported there: ``tests/test_imports.py``. Nor may it be opened by its name."""
    found = []
    for room in ("server_app", "strategies", "crossward/protocol", "crossward/encryption", "crossward/report"):
        for path in (ROOT / room).rglob("*.py"):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            words = [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
            found += [path.name for word in words if FILE_NAME in word]
    assert found == []
