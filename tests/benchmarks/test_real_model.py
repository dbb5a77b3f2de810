"""What the benchmark of a real model reads out of a run; the run itself is ``tests/test_real_model.py``."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from benchmarks.harness.processes import ProcessError
from benchmarks.real_model import __main__ as command
from benchmarks.real_model import run as running
from benchmarks.real_model.run import Ran, Setting, run
from benchmarks.real_model.summary import costs
from crossward.ledger.events import Accepted, Version
from crossward.ledger.lines import read_events
from crossward.report.joining.figures import Gap, Joining, Level, Place
from tests.finished_runs import finished, home, own_home

__all__ = ["finished", "home", "own_home"]
HOME = Place(3, {"base": Level(12.0, 10.0, 14.0), "personal": Level(6.0)}, {"personal-global": Gap(-0.25, -0.5, 0.0)})


def test_costs_follow_from_the_ledger(finished: Any) -> None:
    found = costs(Ran(finished.folder, 100.0, 500.0, 900.0))
    events = list(read_events(finished.folder / "ledger.jsonl"))
    updates = [event for event in events if isinstance(event, Accepted)]
    assert found["versions"] == len([event for event in events if isinstance(event, Version)]) == 2
    assert found["tokens_trained_in_versions"] == len(updates) * 2 * 4 * 64
    assert found["mb_up_in_all"] == pytest.approx(sum(update.bytes for update in updates) / 1e6)
    in_loop = sum(update.train_seconds for update in updates)
    assert found["tokens_per_second_per_process"] == pytest.approx(len(updates) * 512 / in_loop)
    assert found["encryption_by_training_seconds"] == pytest.approx(found["encryption_seconds_of_work"] / in_loop)
    assert (found["wall_seconds"], found["peak_mib_largest_process"]) == (100.0, 500.0)


def test_the_run_is_kept_and_read_again(
    finished: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (work / "run").symlink_to(finished.folder)
    watched = {"seconds": 9.0, "process_mib": 1.0, "together_mib": 2.0}
    (work / "watched.json").write_text(json.dumps(watched))
    monkeypatch.setattr(command, "EVALUATION", "made.json")
    other = Place(1, {"base": Level(3.0), "personal": Level(6.0)}, {"personal-global": Gap(0.05, -0.15, 0.25)})
    made = {"Ward 9": Joining("", HOME).to_json(), "Ward 2": Joining("", other).to_json()}
    tokens = [{"model": "base", "site": site, "tokens": count} for site, count in (("Ward 9", 10), ("Ward 2", 30))]
    (finished.folder / "made.json").write_text(json.dumps({"joining": made, "rows": tokens}))
    out = tmp_path / "found.json"
    command.main(["--model", "m", "--notes", "n.csv", "--work", str(work), "--json", str(out)])
    row, _, whole = json.loads(out.read_text())["quality"]
    assert whole["patients"] == 4 and whole["perplexity"]["personal"] == pytest.approx(6.0)
    pooled = (10 * 0.25**2 * 10 + 30 * 0.2**2 * 30) ** 0.5 / 40
    assert whole["nats"]["personal-global"] == pytest.approx([-0.025, -0.025 - pooled, -0.025 + pooled])
    assert whole["perplexity"]["base"] == pytest.approx(12 ** (1 / 4) * 3 ** (3 / 4))
    assert (row["site"], row["patients"], row["perplexity"]) == ("Ward 9", 3, {"base": 12.0, "personal": 6.0})
    assert row["nats"] == {"personal-global": [-0.25, -0.5, 0.0]}
    said = capsys.readouterr().out
    assert "-0.250 [-0.500, +0.000]" in said and "wall seconds" in said


@pytest.mark.parametrize("code", [0, 3])
def test_the_command_is_watched_to_its_end(code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "python"
    script.write_text(f"#!/bin/sh\nprintf '%s ' \"$@\" > {tmp_path}/words\nsleep 0.2 & wait\nexit {code}\n")
    script.chmod(0o755)
    monkeypatch.setattr(running, "EVERY", 0.02)
    monkeypatch.setattr(sys, "executable", str(script))
    setting = Setting("org/model", Path("/n.csv"), ("a.b=1", "c.d=2"), tmp_path / "work")
    if code:
        with pytest.raises(ProcessError, match="ended with code 3"):
            run(setting)
        assert not (tmp_path / "work" / "watched.json").exists()
        return
    ran = run(setting)
    words = (tmp_path / "words").read_text()
    assert words.startswith("-m crossward run --model org/model --notes /n.csv --run-config a.b=1 c.d=2 run.folder=")
    assert ran.process_mib > 0 and run(setting) == ran and asdict(ran)["seconds"] >= 0.2
