"""Three parties with other features of the same patients, deployed behind TLS; one is killed under way."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from crossward.encryption.key_file import load_key
from crossward.ledger.file import FILE_NAME
from tests.crossward.deploy.test_deployment import ROOT, ours
from tests.processes import behind_a_dead_proxy

COMMAND = [sys.executable, "-m", "crossward", "deploy", "local", "--parties"]
pytestmark = [pytest.mark.deployment, pytest.mark.timeout(960)]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder short enough for the workers' sockets."""
    with tempfile.TemporaryDirectory(prefix="d", dir="/tmp") as found:
        yield Path(found)


def test_parties_align_and_train_though_one_is_killed(folder: Path) -> None:
    place = folder / "deployment"
    done = subprocess.run(
        [*COMMAND, "--folder", str(place), "--patients", "200", "--drill", "supernode"],
        cwd=ROOT,
        env=behind_a_dead_proxy() | {"CROSSWARD_HOME": str(folder / "home")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=900,
        check=False,
    )
    logs = {path: path.read_text(errors="replace")[-3000:] for path in place.glob("*/*.log")}
    assert done.returncode == 0, (done.stdout[-6000:], logs)
    assert "kill -9 of the SuperNode of hospital-2" in done.stdout and "counted twice 0" in done.stdout
    assert re.search(r"AUROC 0\.\d+ jointly, 0\.\d+ alone", done.stdout)
    assert "all processes have exited" in done.stdout and ours(folder) == []
    assert "SuperNode was killed by signal 9" in (place / "hospital-2" / "hospital.log").read_text()

    (run,) = (place / "aggregator" / "runs").glob("*/")
    lines = [json.loads(line) for line in (run / FILE_NAME).read_text().splitlines()]
    steps = Counter((line["step"], line["party"]) for line in lines if line["event"] == "step-done")
    assert set(steps.values()) == {1} and [line["event"] for line in lines][-1] == "finished"

    for number, party in enumerate(("harbour-heart", "millbrook", "laboratory"), 1):
        with (place / f"hospital-{number}" / "predictions.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == 160 and all(0 <= float(row["probability"]) <= 1 for row in rows), party

    # Nothing of the aggregator's opens an envelope, and no patient's identifier is in it.
    key = load_key(place / "consortium.key")
    secrets = (key.current.master, key.current.master.hex().encode(), rows[0]["patient"].encode())
    for path in (place / "aggregator").rglob("*"):
        data = path.read_bytes() if path.is_file() else b""
        assert not any(secret in data for secret in secrets), path
