"""A whole deployment on the loopback through four kills: TLS, node keys, four SuperNodes, a buffer of three.

The command is the one that `make deploy-local` runs. A SuperNode, a committee member that opens a version, the
SuperLink and the ServerApp are killed with ``kill -9`` under way; the run must end in an evaluated adapter with every
task accounted for once, no update opened twice, and no process left.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from crossward.encryption.key_file import load_key
from crossward.ledger.file import FILE_NAME, read_heads, verify
from tests.processes import behind_a_dead_proxy

ROOT = Path(__file__).resolve().parents[3]
COMMAND = [sys.executable, "-m", "crossward", "deploy", "local"]
VERSIONS = 6
SETTINGS = (
    f"strategy.num-versions={VERSIONS} strategy.evaluate-every=0 train.local-steps=2 train.batch-size=4 lora.rank=2 "
    "data.max-tokens=64 data.min-patients=2"
)

pytestmark = [pytest.mark.deployment, pytest.mark.timeout(960)]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder short enough for the workers' sockets."""
    with tempfile.TemporaryDirectory(prefix="d", dir="/tmp") as found:
        yield Path(found)


def ours(folder: Path) -> list[str]:
    """Command lines of processes that have to do with a deployment's folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if str(folder) in " ".join(process.cmdline()) and process.pid != os.getpid():
                found.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return found


def test_a_deployment_survives_its_kills_and_ends_in_an_evaluated_adapter(folder: Path) -> None:
    place = folder / "deployment"
    drills = [word for what in ("supernode", "member", "superlink", "serverapp") for word in ("--drill", what)]
    done = subprocess.run(
        [*COMMAND, "--folder", str(place), "--patients", "48", *drills, "--run-config", SETTINGS],
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
    assert "without an outcome 0, counted twice 0" in done.stdout
    assert "all processes have exited" in done.stdout and ours(folder) == []

    (run,) = (place / "aggregator" / "runs").glob("*/")
    lines: list[dict[str, Any]] = [json.loads(line) for line in (run / FILE_NAME).read_text().splitlines()]
    events = Counter(line["event"] for line in lines)
    assert (events["started"], events["resumed"], events["finished"]) == (1, 1, 1)
    assert [line["version"] for line in lines if line["event"] == "version"] == list(range(1, VERSIONS + 1))
    assert all(len(set(line["hospitals"])) >= 3 for line in lines if line["event"] == "version")

    # The SuperNode that was killed is the same node when it comes back, and its next update counts.
    log = (place / "hospital-2" / "hospital.log").read_text()
    assert len(set(re.findall(r"SuperNode ID: (\d+)", log))) == 1 < len(re.findall(r"SuperNode ID: (\d+)", log))
    assert "SuperNode was killed by signal 9" in log
    assert re.search(r"the SuperNode of hospital-2 was killed; the next update .*, its own [\d.]+ s later", done.stdout)

    # A member was killed while it was asked for its share. The version was opened all the same, in the list that the
    # ledger has: members' records have no other list of its updates.
    assert re.search(r"kill -9 of the committee member hospital-\d", done.stdout)
    assert re.search(r"its question \d+ ended as \S+; version \d was opened by \S", done.stdout)
    lists: dict[str, set[str]] = {}
    for record in place.glob("hospital-*/state/*/stretches/*.opened"):
        for entry in map(json.loads, record.read_text().splitlines()[1:]):
            for update in entry["updates"]:
                lists.setdefault(update, set()).add(entry["list"])
    assert {len(found) for found in lists.values()} == {1}
    opened = {line["digest"] for line in lines if line["event"] == "opening"}
    assert set.union(*lists.values()) <= opened and len(lists) >= 3 * VERSIONS

    # What every hospital kept of the ledger's heads is in its chain; all ended at the last version with one state.
    states = sorted(place.glob("hospital-*/state/*/state.json"))
    assert len(states) == 4 and {json.loads(path.read_text())["version"] for path in states} == {VERSIONS}
    assert not events["disagreement"]
    for path in states:
        verify(run / FILE_NAME, read_heads(path.with_name("heads.jsonl")))

    # The adapter was opened with the consortium's key, which nothing of the aggregator's holds.
    evaluated = json.loads((run / "evaluation.json").read_text())
    rows = {(row["model"], row["site"]): row for row in evaluated["rows"]}
    assert evaluated["version"] == VERSIONS and len({site for _, site in rows}) == 5
    assert rows["global", "all"]["loss"] < rows["base", "all"]["loss"]
    assert (run / "adapter" / "adapter_model.safetensors").is_file() and (run / "report.html").is_file()
    key = load_key(place / "consortium.key")
    secrets = (key.current.master, key.current.bfv_seed(), key.current.master.hex().encode())
    for path in (place / "aggregator").rglob("*"):
        data = path.read_bytes() if path.is_file() else b""
        assert not any(secret in data for secret in secrets), path
