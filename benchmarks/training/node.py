"""A hospital's node as a deployment runs it, for measuring: a new process for every message, and the server's part.

This process stands for the SuperNode: it starts the ClientApp processes, and a worker group stays for as long as it
lives. Between messages it aggregates as the server would, so that every message but the first opens a sealed sum, and
every one seals an update.

Not for: one process (``benchmarks.training.client``) or what is measured (``benchmarks.training.messages``).
"""

from __future__ import annotations

import csv
import json
import socket
import time
from pathlib import Path
from typing import Any

import psutil

from benchmarks.harness.processes import fresh
from client_app.group import frames
from client_app.group.place import alive, read_info
from crossward.config.encryption_schemes import BFV
from crossward.config.encryption_settings import ALL, EncryptionSettings
from crossward.config.train_settings import WORKER_GROUP
from crossward.encryption.aggregator import arithmetic
from crossward.encryption.key_file import create_key
from crossward.encryption.settings import field_plan
from crossward.protocol.parts import PartHead, Payload, join
from data.synthetic.tables import records
from strategies.aggregation.combine import combine

PLAN = field_plan(EncryptionSettings(scheme=BFV), 4, 3)
PATIENTS, MOST_SECONDS = 200, 240.0
RUN_CONFIG = {
    "data.source": "csv",
    "data.patient-column": "patient",
    "model.device": "cpu",
    "encryption.scheme": BFV,  # one hospital by itself has no committee
    "node.num-processes": 1,
    "train.learning-rate": 5e-3,
    "train.warmup": 0.0,
    "train.loss-grid": 1.0,  # losses are compared
    "train.report-held-out": False,
}
Member = tuple[int, float]


class GroupReplacedError(RuntimeError):
    """Another worker group answered than the one before: somebody changed the code meanwhile."""


def write_notes(path: Path, patients: int = PATIENTS) -> Path:
    """A made-up hospital's notes as the CSV file that a data-path names."""
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["patient", "text"])
        for record in records(patients, 1, 0):
            rows.writerows([str(record.stay.subject), note.text] for note in record.notes)
    return path


def members(folder: Path) -> list[Member]:
    """Process ids and start times of the worker group in ``folder``; none when there is no group."""
    info = read_info(folder)
    if not info or not alive(info["pid"], info["created"]):
        return []
    supervisor = psutil.Process(info["pid"])
    return [(p.pid, p.create_time()) for p in (supervisor, *supervisor.children(recursive=True))]


def still_there(processes: list[Member], seconds: float = 20.0) -> int:
    """How many of ``processes`` still run after at most ``seconds``."""
    deadline = time.monotonic() + seconds
    while (left := sum(alive(*member) for member in processes)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


def run_process(module: str, wanted: dict[str, Any], file: Path) -> tuple[float, float, dict[str, Any]]:
    """When a process of ``module`` was started and gone, and what it answered."""
    file.write_text(json.dumps(wanted))
    environment = {"CROSSWARD_HOME": wanted["home"], "FLWR_TELEMETRY_ENABLED": "0"}
    began = time.monotonic()
    answer = fresh(module, file, seconds=MOST_SECONDS, environment=environment, quiet=True)
    return began, time.monotonic(), answer


class DeployedHospital:
    """A node with its own folders, and the server's side of its run: version after version of one update each."""

    def __init__(self, folder: Path, notes: Path, engine: str, steps: int) -> None:
        self.folder, self.engine, self.home = folder, engine, str(folder / "home")
        folder.mkdir()
        self.key = create_key(folder / "consortium.key").fingerprint
        state = str(folder / "state")
        key = str(folder / "consortium.key")
        self.node_config = {"data-path": str(notes), "state-dir": state, "key-path": key, "node.engine": engine}
        self.run_config = RUN_CONFIG | {"train.local-steps": steps}
        self.workers = folder / "state" / "workers"
        self.version = 0
        self.records: list[Any] = []
        self.group: list[Member] = []

    def send(self) -> dict[str, Any]:
        """One training message through a process of its own; its figures, in seconds."""
        version, file = self.version, self.folder / f"message-{self.version}.json"
        task = {
            "lineage": "benchmark",
            "task": version,
            "version": version,
            "epoch": 0,
            "from_version": max(version - 1, 0),
            "versions": 24,
            "plan": [PLAN.value_bits, PLAN.weight_bits, PLAN.guard_bits],
            "accepted": [version - 1] if version else [],
            "key": self.key if version else "",
        }
        wanted = {
            "empty": False,
            "home": self.home,
            "task": task,
            "records": self.records,
            "node_config": self.node_config,
            "run_config": self.run_config,
            "payload": str(file.with_suffix(".update")),
        }
        began, ended, got = run_process("benchmarks.training.client", wanted, file)
        if self.engine == WORKER_GROUP:
            now = members(self.workers)
            if self.group and now[:1] != self.group[:1]:
                raise GroupReplacedError
            self.group = now
        self._aggregate(file, got)
        return {
            "engine": self.engine,
            "message": "next" if version else "first",
            "process_s": got["began"] - began,
            "flower_s": got["flower"] - got["began"],
            "app_s": got["imported"] - got["flower"],
            "overhead_s": got["left"] - got["entered"] - got["train_seconds"],
            "seal_s": got["seal_seconds"],
            "open_s": got["open_seconds"],
            "train_s": got["train_seconds"],
            "exit_s": ended - got["left"],
            "whole_s": ended - began,
            "torch": got["torch"],
            "tokens": got["num_tokens"],
            "loss": got["loss_sum"] / got["num_tokens"],
        }

    def _aggregate(self, file: Path, got: dict[str, Any]) -> None:
        """The next version's record: this update, with all of the weight."""
        update = Payload([PartHead(*part) for part in got["parts"]], file.with_suffix(".update").read_bytes())
        weight = PLAN.total_weight
        summed = join(combine([update], [weight], PLAN.sum_bits(1), arithmetic(PLAN, ALL)))
        file.with_suffix(".sum").write_bytes(summed.data)
        self.version += 1
        head = [self.version, self.version, 0, weight, 1, got["key"]]
        self.records = [[head, summed.heads, str(file.with_suffix(".sum"))]]

    def leave(self) -> int:
        """Send a worker group away, as the run's last message does; how many of its processes are still there."""
        group = members(self.workers)
        if not group:
            return 0
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(read_info(self.workers)["socket"])
            frames.send(sock, {"do": "leave"})
            frames.receive(sock)
        return still_there(group)

    def abandon(self) -> None:
        """End a group that was not sent away."""
        group = members(self.workers)
        for pid, _ in group[:1]:
            psutil.Process(pid).terminate()
        still_there(group)
