"""Real runs through Flower's own simulation, launched from a folder that has nothing to do with the app.

From options to the adapter: exit code, run folder, ledger checked against what the nodes kept, evaluation with the
consortium's key. Nothing that the run wrote, said or was started with tells that key. A run
that a committee opens ends in the bytes of one under BFV that has the same dither. (All schemes, and more hospitals,
on a virtual clock: ``tests/strategies/test_same_adapters.py``. A run that goes on after a kill:
``tests/crossward/deploy/test_deployment.py``.)
"""

from __future__ import annotations

import base64
import contextlib
import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from crossward.cli.app import main as command
from crossward.encryption.key_file import load_key
from crossward.encryption.key_format import ConsortiumKey
from crossward.evaluation.replay import open_run
from tests.finished_runs import Finished
from tests.flower_runs import UPDATES, GiveDither, KeepUpdates, carried
from tests.processes import behind_a_dead_proxy

ROOT = Path(__file__).resolve().parents[1]
SETTINGS = (
    "data.synthetic-patients=24 data.min-patients=2 data.max-tokens=64 lora.rank=2 model.device='cpu' "
    "strategy.name='fedavg' strategy.weighting='examples' strategy.num-versions=2 strategy.evaluate-every=0 "
    "node.threads=1 train.local-steps=2 train.batch-size=4 simulation.links-mbit='1000,50,5'"
)


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder short enough for Ray's sockets."""
    with tempfile.TemporaryDirectory(prefix="t", dir="/tmp") as folder:
        yield Path(folder)


def python(cwd: Path, env: dict[str, str], *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *args], cwd=cwd, env=env, capture_output=True, text=True, timeout=600, check=False
    )


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def environment(home: Path, short: Path) -> dict[str, str]:
    env = behind_a_dead_proxy() | {"PYTHONPATH": str(ROOT), "TMPDIR": str(short)}
    env |= {"HOME": str(home), "CROSSWARD_HOME": "~/home"}  # as a file of environment variables leaves it
    env["RAY_worker_niceness"] = "0"  # else Ray's workers give way to everything else, such as other tests
    return env


def launch(runs: Path) -> list[str]:
    options = ["--num-supernodes", "3", "--cpus", "1", "--runs-dir", str(runs), "--offline", "--quiet"]
    return ["crossward", "run", *options]


# whether a kind of process must hold the key: the hospitals, who end first; the ServerApp with Flower's engine
HOLDS = {"ClientAppActor": True, "flwr-simulation": False}


class Onlooker(threading.Thread):
    """Watches a run from outside: what its processes are started with, and what of the key is in their memory.

    ``seen`` are command lines and environments of every process; ``holding`` says which kinds of the run's own
    processes had a secret in their memory after version 1 was made. Who must hold one is looked at until one of them
    does: a look may come before that. At the others one look after version 1 is enough.
    """

    def __init__(self, home: Path, runs: Path) -> None:
        super().__init__(daemon=True)
        self.home, self.runs = home, runs
        self.seen: set[bytes] = set()
        self.holding: dict[str, bool] = {}
        self.stopped = threading.Event()

    def run(self) -> None:
        while not self.stopped.wait(0.2):
            for process in Path("/proc").glob("[0-9]*"):
                for name in ("cmdline", "environ"):
                    with contextlib.suppress(OSError):
                        self.seen.add((process / name).read_bytes())
            open_ = [kind for kind, must in HOLDS.items() if self.holding.get(kind) is not must]
            if open_ and list(self.runs.glob("*/versions/000001.payload")):
                key = load_key(self.home / "keys" / "simulation.key")
                for kind in open_:
                    for process in psutil.Process().children(recursive=True):
                        with contextlib.suppress(OSError, psutil.Error):
                            if any(kind in word for word in process.cmdline()):
                                found = holds(process, secrets_of(key))
                                self.holding[kind] = self.holding.get(kind, False) or found


def holds(process: psutil.Process, secrets: list[bytes]) -> bool:
    """Whether a process has one of the secrets in its memory; it rests meanwhile, lest it end before all is read."""
    process.suspend()
    try:
        found = any(word in part for part in memory(Path(f"/proc/{process.pid}")) for word in secrets)
        if not process.memory_maps():
            raise psutil.NoSuchProcess(process.pid)
        return found
    finally:
        process.resume()


def memory(process: Path) -> Iterator[bytes]:
    """What a process keeps in memory of its own, in stretches that overlap."""
    with (process / "mem").open("rb", buffering=0) as file:
        for line in (process / "maps").read_text().splitlines():
            span, rights = line.split()[:2]
            start, stop = (int(end, 16) for end in span.split("-"))
            with contextlib.suppress(OSError, OverflowError, ValueError):  # what is reserved and not used
                for here in range(start, stop if rights == "rw-p" else start, 1 << 24):
                    file.seek(here)
                    yield file.read(min((1 << 24) + 64, stop - here))


def secrets_of(key: ConsortiumKey) -> list[bytes]:
    """The master secret and all that is derived from it."""
    now = key.current
    return [now.master, now.bfv_seed(), now.committee_key(), now.snapshot_key(), now.hash_key()]


def spellings(secret: bytes) -> list[bytes]:
    """A secret as it might be written down: raw, hexadecimal, base64, a list of numbers; also the middle of it."""
    middle = secret[8:24]
    text = [base64.b64encode(secret)[:-4], base64.urlsafe_b64encode(secret)[:-4], secret.hex().encode()]
    return [
        secret,
        middle,
        middle.hex().encode(),
        middle.hex().upper().encode(),
        repr(list(middle))[1:-1].encode(),
        *text,
    ]


def leaks(key: ConsortiumKey, texts: Iterable[tuple[str, bytes]]) -> list[str]:
    """Where a spelling of the key's master secret or of anything derived from it stands."""
    found = []
    words = [word for secret in secrets_of(key) for word in spellings(secret)]
    for name, text in texts:
        found += [name for word in words if word in text]
    return found


@pytest.mark.endtoend
@pytest.mark.timeout(900)  # its processes have limits of their own
def test_a_run_from_its_options_to_its_adapter(tmp_path: Path, short: Path, capsys: pytest.CaptureFixture[str]) -> None:
    elsewhere, home, runs = tmp_path / "else where", tmp_path / "home", tmp_path / "the runs"
    elsewhere.mkdir()
    env = environment(tmp_path, short)

    onlooker = Onlooker(home, runs)
    onlooker.start()
    ran = python(elsewhere, env, *launch(runs), "--run-config", SETTINGS, "--evaluation-args", "--generations 0")
    onlooker.stopped.set()
    onlooker.join()
    assert ran.returncode == 0, ran.stdout + ran.stderr
    (run,) = (path for path in runs.iterdir() if path.is_dir())
    assert str(run) in ran.stdout and "global adapter" in ran.stdout
    assert "3 simulated hospitals, 2 versions, fedavg, model embedded, updates encrypted (committee, all)" in ran.stdout
    for name in ("watch", "report", "export", "evaluate"):
        assert f"crossward {name} '{run}'" in ran.stdout  # what one may do next, as a shell takes it
    assert json.loads((run / "result.json").read_text())["version"] == 2
    found = json.loads((run / "evaluation.json").read_text())
    models, sites = {row["model"] for row in found["rows"]}, {row["site"] for row in found["rows"]}
    assert len(sites) == 4 and models == {
        "base",
        "global",
        *(f"{kind}:{site}" for kind in ("local", "personal") for site in sites - {"all"}),
    }
    assert (run / "adapter" / "adapter_model.safetensors").exists()

    config = json.loads((run / "config.json").read_text())
    assert config["config"]["strategy.num-versions"] == 2 and config["config"]["run.folder"] == str(run)
    events = lines(run / "ledger.jsonl")
    versions = [e for e in events if e["event"] == "version"]
    assert [v["version"] for v in versions] == [1, 2]
    for version in versions:
        assert len(set(version["hospitals"])) == 3 and len(version["staleness"]) == len(version["weights"]) == 3
        assert sum(version["weights"]) <= 256 and min(version["weights"]) >= 1
    accepted = [e for e in events if e["event"] == "accepted"]
    assert {(e["site"], e["bandwidth"]) for e in accepted} <= {
        (site, mbit) for site in sites for mbit in (1000.0, 50.0, 5.0)
    }
    measured = [e for e in events if e["event"] == "measured"]
    assert {e["site"] for e in measured} == sites - {"all"} and events[-1]["event"] == "finished"
    assert len({e["state_hash"] for e in measured if "state_hash" in e}) <= 1
    assert (run / "launcher.log").exists() and not list(elsewhere.iterdir())

    # the simulation's report has the exact training losses that the nodes kept; the run's own records have none
    trainings = [line for path in (home / "state").rglob("trainings.jsonl") for line in lines(path)]
    assert {t["task"] for t in trainings} >= {e["task"] for e in accepted}
    assert "an aggregator sees nothing finer" in (run / "report.html").read_text()
    reported = {e["task"]: e["loss_sum"] / e["num_tokens"] for e in accepted}
    assert all(abs(t["loss"] - reported[t["task"]]) > 1e-6 for t in trainings if t["task"] in reported)
    recorded = (run / "ledger.jsonl").read_text() + (run / "metrics.jsonl").read_text()
    assert trainings and not [t for t in trainings if str(t["loss"])[:9] in recorded]

    heads = sorted((home / "state" / config["lineage"]).glob("site-*/heads.jsonl"))
    assert len(heads) == 3
    assert command(["ledger", "verify", str(run), *(f"--heads={path}" for path in heads)]) == 0
    assert capsys.readouterr().out.startswith("OK: ")

    # sealed, under a key that nothing but its own file holds
    path = home / "keys" / "simulation.key"
    assert path.stat().st_mode & 0o777 == 0o600
    key = load_key(path)
    assert {v["key"] for v in versions} == {key.fingerprint} == {e["key"] for e in accepted}
    assert {kind for v in versions for kind, _ in v["shape"]} == {"committee"}
    assert all(len(v["openers"]) == 2 and v["opening_seconds"] > 0 for v in versions)
    log = (run / "launcher.log").read_text()
    assert "Opened by a committee of 3 hospitals, 2 at a time, which took " in log
    assert f"Sealed under key {key.fingerprint}" in log and "created the simulation's consortium key" in log
    assert all(v["add_seconds"] > 0 and min(v["seal_seconds"]) > 0 for v in versions)
    written = [(str(p), p.read_bytes()) for p in (*home.rglob("*"), *runs.rglob("*")) if p.is_file() and p != path]
    message = [("stdout", ran.stdout.encode()), ("stderr", ran.stderr.encode())]
    started = [(f"process {i}", text) for i, text in enumerate(onlooker.seen)]
    assert len(written) > 20 and len(started) > 20
    assert leaks(key, [("control", b"x" + key.current.master.hex().encode())])
    assert not leaks(key, written + message + started)
    assert onlooker.holding == HOLDS
    assert [path for path in runs.iterdir() if path.is_dir()] == [run]
    assert not list(short.glob("cw-*"))


@pytest.mark.deployment
@pytest.mark.timeout(900)
def test_a_committees_run_ends_in_the_bytes_of_bfvs_with_its_dither(
    tmp_path: Path, short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Training, sealing, opening and adding in processes of their own; hospitals have one identity in both runs."""
    home, updates = tmp_path / "home", tmp_path / "updates"
    updates.mkdir()
    monkeypatch.setenv("CROSSWARD_HOME", str(home))
    env = environment(tmp_path, short) | {UPDATES: str(updates)}
    ended = []
    for scheme, callback, runs in (("committee", KeepUpdates, "runs"), ("bfv", GiveDither, "others")):
        options = ["--no-evaluation", "--callback", f"{callback.__module__}:{callback.__name__}"]
        settings = f"{SETTINGS} encryption.scheme='{scheme}' encryption.plan='8,7,1' run.alone=false"
        ran = python(tmp_path, env, *launch(tmp_path / runs), "--run-config", settings, *options)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        (run,) = (path for path in (tmp_path / runs).iterdir() if path.is_dir())
        found = open_run(run)
        ended.append((found, Finished(run, found.config.by_key(), found.lineage, 3)))
        if scheme == "committee":
            assert carried(run, home / "state", updates).parts == 3
    (one, ours), (other, theirs) = ended
    for version, same in zip(one.versions, other.versions, strict=True):
        assert {kind for kind, _ in version.shape} == {"committee"} and {kind for kind, _ in same.shape} == {"bfv"}
        assert sorted(zip(version.sites, version.weights, strict=True)) == sorted(
            zip(same.sites, same.weights, strict=True)
        )
        assert (version.dithered, same.dithered) == (1, 3)
    copies = [finished.state(number).copy for finished in (ours, theirs) for number in range(3)]
    assert len({copy.hash("any", b"key") for copy in copies}) == 1
    vectors = {finished.vector(number).tobytes() for finished in (ours, theirs) for number in range(3)}
    assert len(vectors) == 1 and vectors != {ours.adapted.initial.tobytes()}
