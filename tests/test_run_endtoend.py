"""One real run through Flower's own simulation, launched from a folder that has nothing to do with the app.

From options to the adapter: exit code, run folder, ledger checked against what the nodes kept, evaluation, and a
resumed run that has nothing left to do.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
SETTINGS = (
    "data.synthetic-patients=24 data.min-patients=2 data.max-tokens=64 lora.rank=2 model.device='cpu' "
    "strategy.num-versions=2 strategy.buffer-size=2 strategy.min-contributors=2 strategy.evaluate-every=0 "
    "train.local-steps=2 train.batch-size=4 run.alone-steps=2 simulation.links-mbit='1000,50,5'"
)


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder short enough for Ray's sockets."""
    with tempfile.TemporaryDirectory(prefix="t", dir="/tmp") as folder:
        yield Path(folder)


def python(cwd: Path, env: dict[str, str], *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *args], cwd=cwd, env=env, capture_output=True, text=True, timeout=150, check=False
    )


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.endtoend
def test_a_run_from_its_options_to_its_adapter_and_its_resumption(tmp_path: Path, short: Path) -> None:
    elsewhere, home, runs = tmp_path / "else where", tmp_path / "home", tmp_path / "the runs"
    elsewhere.mkdir()
    env = os.environ | {"PYTHONPATH": str(ROOT), "TMPDIR": str(short), "CROSSWARD_HOME": str(home)}
    launch = ["launcher", "--num-supernodes", "3", "--cpus", "1", "--runs-dir", str(runs), "--offline", "--quiet"]

    ran = python(elsewhere, env, *launch, "--run-config", SETTINGS, "--evaluation-args", "--generations 0")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    (run,) = (path for path in runs.iterdir() if path.is_dir())
    assert str(run) in ran.stdout and "global adapter" in ran.stdout
    assert json.loads((run / "result.json").read_text())["version"] == 2
    found = json.loads((run / "evaluation.json").read_text())
    models, sites = {row["model"] for row in found["rows"]}, {row["site"] for row in found["rows"]}
    assert len(sites) == 4 and models == {"base", "global", *(f"local:{site}" for site in sites - {"all"})}
    assert (run / "adapter" / "adapter_model.safetensors").exists()

    config = json.loads((run / "config.json").read_text())
    assert config["config"]["strategy.num-versions"] == 2 and config["config"]["run.folder"] == str(run)
    events = lines(run / "ledger.jsonl")
    versions = [e for e in events if e["event"] == "version"]
    assert [v["version"] for v in versions] == [1, 2]
    for version in versions:
        assert len(set(version["hospitals"])) == 2 and len(version["staleness"]) == len(version["weights"]) == 2
        assert sum(version["weights"]) <= 128 and min(version["weights"]) >= 1
    accepted = [e for e in events if e["event"] == "accepted"]
    assert {(e["site"], e["bandwidth"]) for e in accepted} <= {
        (site, mbit) for site in sites for mbit in (1000.0, 50.0, 5.0)
    }
    measured = [e for e in events if e["event"] == "measured"]
    assert {e["site"] for e in measured} == sites - {"all"} and events[-1]["event"] == "finished"
    assert len({e["state_hash"] for e in measured if "state_hash" in e}) <= 1
    assert (run / "launcher.log").exists() and not list(elsewhere.iterdir())

    heads = sorted((home / "state" / config["lineage"]).glob("site-*/heads.jsonl"))
    assert len(heads) == 3
    checked = python(elsewhere, env, "server_app.ledger", "verify", str(run), "--heads", *map(str, heads))
    assert checked.returncode == 0 and checked.stdout.startswith("OK: "), checked.stdout + checked.stderr

    before = {p.name: p.read_bytes() for p in (run / "versions").iterdir()}
    resume = f"{SETTINGS} run.resume='{run}'"
    again = python(elsewhere, env, *launch, "--run-config", resume, "--no-evaluation")
    assert again.returncode == 0, again.stdout + again.stderr
    assert {p.name: p.read_bytes() for p in (run / "versions").iterdir()} == before
    events = lines(run / "ledger.jsonl")
    assert [e["event"] for e in events].count("version") == 2 and [e["event"] for e in events].count("resumed") == 1
    assert events[-1]["event"] == "finished"
    assert [path for path in runs.iterdir() if path.is_dir()] == [run]
    assert not list(short.glob("cw-*"))
