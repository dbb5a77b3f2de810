"""One rank of a worker group: holds the model, does what the supervisor asks, all ranks the same.

A thread reads from the supervisor and another reports once a second that this rank is alive and its progress; when the
supervisor exits, so does the rank. Only the leading rank receives the adapter, and passes it on to the others.

Not for: gradient steps (``client_app.training.loop``).
"""

from __future__ import annotations

import client_app.training.threads  # noqa: F401  # isort: skip - before torch, so that OpenMP waits passively

import dataclasses
import datetime
import logging
import os
import queue
import socket
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from crossward.adapters import AdapterError, ModelConfig
from crossward.adapters.lazy_imports import no_collection

with no_collection():
    import torch
    import torch.distributed as dist

    from client_app.training.learner import LoraLearner, local_learner

from client_app.group import frames
from client_app.group.health import IDLE, LOADING, WORKING
from client_app.group.lifeline import die_with_parent
from client_app.guard.refusals import redacted
from client_app.training.loop import CancelledError, TrainingError
from client_app.training.meter import Report
from client_app.training.spec import LearnerSpec
from client_app.training.team import Team, present_team
from crossward.config.privacy_settings import LOCAL_UNITS
from crossward.config.settings import AUTO, SettingsError
from crossward.machine.text import one_line
from data import DataError

BEAT_SECONDS = 1.0
# these happen on every rank alike and leave the model as it was; after anything else the group starts anew
ORDINARY = (AdapterError, CancelledError, DataError, SettingsError, TrainingError)
Answer = tuple[dict[str, Any], list[Any]]
_NO_MEMORY = ("can't allocate memory", "out of memory")  # torch raises plain RuntimeErrors for some


class Link:
    """The connection to the supervisor."""

    def __init__(self, path: Path, rank: int, size: int) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(path))
        self.lock, self.jobs = threading.Lock(), queue.Queue[frames.Frame]()
        self.stage, self.count, self.cancelled = LOADING, 0, -1
        self.say({"rank": rank, "size": size, "pid": os.getpid()})
        for work in (self._listen, self._beat):
            threading.Thread(target=work, daemon=True).start()

    def say(self, header: dict[str, Any], blobs: Any = ()) -> None:
        """Send a frame; without a supervisor there is no reason to live."""
        with self.lock:
            try:
                frames.send(self.sock, header, blobs)
            except OSError:
                os._exit(1)

    def _listen(self) -> None:
        while True:
            try:
                header, blobs = frames.receive(self.sock)
            except (OSError, EOFError, frames.FrameError):
                os._exit(0)
            if "cancel" in header:
                self.cancelled = header["cancel"]
            else:
                self.jobs.put((header, blobs))

    def _beat(self) -> None:
        pause = threading.Event()
        while not pause.wait(BEAT_SECONDS):
            self.say({"beat": self.count, "stage": self.stage})


class Worker:
    """What a rank does with a request."""

    def __init__(self, link: Link, team: Team, device: str) -> None:
        self.link, self.team, self.device = link, team, device
        self.job = -1
        self.held: tuple[LearnerSpec, LoraLearner] | None = None

    def _beat(self) -> None:
        self.link.count += 1

    def _on_progress(self, report: Report) -> None:
        if self.team.leads:
            self.link.say({"job": self.job, "progress": report._asdict()})

    def _learner(self, spec: LearnerSpec) -> LoraLearner:
        if self.held is None or self.held[0] != spec:
            model = replace(spec.config.model, device=self.device)
            placed = replace(spec, config=replace(spec.config, model=model))
            self.held = (spec, local_learner(placed, self.team, self._on_progress))
        learner = self.held[1]
        learner.beat = self._beat
        learner.cancelled = lambda: self.link.cancelled == self.job
        return learner

    def _vector(self, learner: LoraLearner, blob: bytearray | None) -> Any:
        """The leader's vector, on every rank."""
        vector = torch.empty(sum(learner.sizes))
        if blob is not None:
            given = np.frombuffer(blob, dtype=np.float32)
            if given.size != len(vector):
                raise AdapterError(f"an adapter of {given.size} values came for a model of {len(vector)}")
            vector = torch.from_numpy(given)
        if self.team.size > 1:
            vector = self.team.from_leader(vector.to(self.device)).cpu()
        return vector.numpy()

    def do(self, header: dict[str, Any], blobs: list[bytearray]) -> Answer:
        """The answer to a request: header and blobs; only the leader's is used."""
        self.job, self.link.stage = header["job"], LOADING
        learner = self._learner(LearnerSpec.from_json(header["spec"]))
        blob = iter(blobs)
        if header["do"] in ("train", "train-private", "alone", "personal", "evaluate"):
            self.link.stage = WORKING
        match header["do"]:
            case "open":
                return {n: getattr(learner, n) for n in ("layout", "sizes", "shapes", "site", "units")}, []
            case "initial":
                return {}, [learner.initial()]
            case "sensitive":
                return {"blocks": learner.sensitive_blocks(header["fraction"])}, []
            case "train" | "train-private" as kind:
                start = self._vector(learner, next(blob, None))
                if kind == "train":
                    got = learner.train(start, header["version"], header["seed"])
                else:
                    got = learner.train_private(start, header["version"], header["noise_multiplier"])
                facts = {f.name: getattr(got, f.name) for f in dataclasses.fields(got) if f.name != "vector"}
                return facts, [got.vector]
            case "alone":
                start = self._vector(learner, next(blob, None))
                return {}, [learner.alone(start, header["steps"], header["seed"])]
            case "personal":
                start = self._vector(learner, next(blob, None))
                alone = self._vector(learner, next(blob, None)) if header["alone"] else None
                made = learner.personal(start, alone, header["steps"], header["seed"])
                return made.facts(), [made.vector]
            case "evaluate":
                models = {name: self._vector(learner, next(blob, None)) for name in header["models"]}
                return {"measures": {k: m.as_dict() for k, m in learner.evaluate(models).items()}}, []
        raise SettingsError(f"a worker group cannot {header['do']!r}")

    def serve(self, header: dict[str, Any], blobs: list[bytearray]) -> None:
        """Do what is asked and say how it went."""
        try:
            facts, arrays = self.do(header, blobs)
        except Exception as error:
            self.held = None
            last = not isinstance(error, ORDINARY)
            if last:
                logging.getLogger("crossward.node").exception("request %s failed", header["do"])
            reason, leaves = explain(error, _private(header))
            answer = {"failed": type(error).__name__, "reason": reason, "told": leaves, "last": last}
            self.link.say({"job": header["job"], **answer})
        else:
            leads = self.team.leads
            self.link.say({"job": header["job"], "done": True, **(facts if leads else {})}, arrays if leads else ())
        self.link.stage = IDLE


def _private(header: dict[str, Any]) -> bool:
    """Whether a request is of a run in which this hospital protects its patients or notes by itself."""
    return header.get("spec", {}).get("config", {}).get("privacy.unit") in LOCAL_UNITS


def explain(error: BaseException, private: bool = False) -> tuple[str, str]:
    """What went wrong, and what to do where that is known; then as much of it as may leave the hospital.

    ``private``: only what ``crossward.config.privacy_checks`` allows is advised.
    """
    text = one_line(error, 1000)
    full = isinstance(error, torch.OutOfMemoryError | MemoryError) or any(sign in text for sign in _NO_MEMORY)
    if isinstance(error, AdapterError) or not full:  # that one says itself what to do
        return text, redacted(error)
    advice = (
        "Lower train.batch-size (with privacy.unit example or patient it changes nothing about the result), or set "
        "model.quantization='4bit'"
        if private
        else "Lower train.batch-size (and raise train.accumulation), set train.gradient-checkpointing=true, "
        "model.quantization='4bit', or node.sharding='fsdp'"
    )
    return f"out of memory ({text}). {advice}", f"{type(error).__name__}: out of memory. {advice}"


def form_team(room: Path, device: str, rank: int, size: int, stall: float) -> Team:
    """The process group, which meets through a file that this user alone can read."""
    if size > 1:
        patience = datetime.timedelta(seconds=20 * stall)  # the supervisor is the one that loses patience
        backend = "gloo" if device == "cpu" else "nccl"
        dist.init_process_group(
            backend, init_method=f"file://{room}/store", rank=rank, world_size=size, timeout=patience
        )
    return present_team()


def place(device: str, local: int) -> str:
    """The torch device of a local rank."""
    if device not in (AUTO, "cuda") or not torch.cuda.is_available():
        return ModelConfig(device="cpu" if device in (AUTO, "cuda") else device).device
    torch.cuda.set_device(local)
    return f"cuda:{local}"


def main(argv: list[str], serve: Callable[[Worker, Link], None] | None = None) -> None:
    """``rank ROOM DEVICE STALL`` under torchrun."""
    die_with_parent()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    room, asked, stall = Path(argv[1]), argv[2], float(argv[3])
    rank, size, local = (int(os.environ[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"))
    link = Link(room / "group.sock", rank, size)
    try:
        device = place(asked, local)
        team = form_team(room, device, rank, size, stall)
    except Exception as error:
        link.say({"fatal": f"{type(error).__name__}: {explain(error)[0]}"})
        raise
    worker = Worker(link, team, device)
    link.stage = IDLE
    while True:
        worker.serve(*link.jobs.get())


if __name__ == "__main__":
    main(sys.argv)
