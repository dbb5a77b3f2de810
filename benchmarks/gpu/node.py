"""A node's messages: through the resident worker group, and sealing beside training.

Not for: the loop's own speed (``benchmarks.gpu.loops``).
"""

from __future__ import annotations

import csv
import importlib.util
import itertools
import os
import random
import statistics
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.gpu import model as gpu_model
from benchmarks.harness.command import say
from client_app.training.loop import train_steps
from crossward.config.train_settings import TrainSettings


def _found(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ImportError:
        return False


def missing(*modules: str) -> str:
    """Which of ``modules`` are not installed, as a reason; empty when all are."""
    absent = [name for name in modules if not _found(name)]
    return f"not installed: {', '.join(absent)}" if absent else ""


def write_notes(path: Path, notes: int) -> None:
    """Made-up notes as a CSV file; what they say does not matter for a model with random weights."""
    rng = random.Random(0)
    words = ("patient", "stable", "denies", "pain", "admitted", "acute", "renal", "heart", "failure", "and", "on")
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text"])
        writer.writerows([" ".join(rng.choices(words, k=400))] for _ in range(notes))


def messages(folder: Path, model: Path, load: Any, quantization: str, count: int) -> dict[str, Any]:
    """Seconds of the first and of later messages of a node outside training, and messages an hour.

    A message is what a ClientApp process does: find the group (the first one starts it and loads the model), ask for
    the initial adapter, hand over the adapter to train, take back the trained one, quantise and, where TenSEAL is
    installed, seal its delta.
    """
    from client_app.group.client import GroupLearner
    from client_app.training.spec import LearnerSpec
    from crossward.config.run_config import RunConfig

    write_notes(folder / "notes.csv", 400)
    config = {
        "model.name": str(model),
        "model.quantization": quantization,
        "lora.rank": 16,
        "data.source": "csv",
        "data.path": str(folder / "notes.csv"),
        "data.max-tokens": load.tokens,
        "train.batch-size": load.rows,
        "train.local-steps": load.steps,
    }
    spec = LearnerSpec(RunConfig.read(config))
    seal = None if missing("tenseal", "cryptography") else _seal
    rows = []
    for number in range(count + 1):
        began = time.perf_counter()
        learner = GroupLearner(spec, folder / "workers")
        start = learner.initial()
        opened = time.perf_counter()
        trained = learner.train(start, 0, number)
        asked = time.perf_counter() - opened
        delta = np.clip(np.rint((trained.vector - start) * 1e4), -127, 127).astype(np.int8)
        sealed = seal(delta) if seal is not None else 0.0
        learner.close(number == count)
        total = time.perf_counter() - began
        rows.append({"opened_s": opened - began, "trained_s": asked, "total_s": total, "tokens": trained.num_tokens})
        rows[-1]["sealed_s"] = sealed
        say(f"message {number}: {opened - began:.2f} s until training, {asked:.2f} s of it")
    later = rows[1:]
    opened_s = statistics.median(row["opened_s"] for row in later)
    total_s = statistics.median(row["total_s"] for row in later)
    return {
        "steps": load.steps,
        "values": int(start.size),
        "first_opened_s": rows[0]["opened_s"],
        "next_opened_s": opened_s,
        "next_to_first": opened_s / rows[0]["opened_s"],
        "training_s": statistics.median(row["trained_s"] for row in later),
        "sealed_s": statistics.median(row["sealed_s"] for row in later) if seal is not None else None,
        "message_s": total_s,
        "messages_per_hour": 3600.0 / total_s,
        "tokens_per_s": statistics.median(row["tokens"] / row["trained_s"] for row in later),
    }


def _seal(vector: np.ndarray[Any, np.dtype[np.int8]]) -> float:
    """Seconds of sealing one update with preset compact, its processes started for it."""
    from crossward.config.encryption_schemes import BFV
    from crossward.encryption.parallel import SealingPool
    from crossward.encryption.plan import PRESETS

    began = time.perf_counter()
    with SealingPool(BFV, PRESETS["compact"], os.urandom(64), 0) as pool:
        cut = (vector[at : at + pool.local.chunk] for at in range(0, vector.size, pool.local.chunk))
        for _ in pool.seal(cut, vector.size):
            pass
    return time.perf_counter() - began


def sealing(model: Any, setup: gpu_model.Setup, load: Any) -> dict[str, Any]:
    """Training and sealing the adapter, each alone and both at once: seconds of each."""
    from crossward.config.encryption_schemes import BFV
    from crossward.encryption.parallel import SealingPool
    from crossward.encryption.plan import PRESETS

    values = sum(p.numel() for p in model.parameters() if p.requires_grad)
    plan = PRESETS["compact"]
    vector = np.random.default_rng(0).integers(-plan.q_max, plan.q_max, values, dtype=np.int8, endpoint=True)
    data = gpu_model.batches(setup.shapes, load.rows, load.tokens, 4)
    stop, times, size = threading.Event(), list[float](), [0]

    def train() -> float:
        began = time.perf_counter()
        train_steps(model, itertools.cycle(data), load.steps, lambda step: 1e-4, TrainSettings())
        if setup.device.startswith("cuda"):
            torch.cuda.synchronize()
        return time.perf_counter() - began

    with SealingPool(BFV, plan, os.urandom(64), 0) as pool:

        def seal() -> float:
            began = time.perf_counter()
            cut = (vector[at : at + pool.local.chunk] for at in range(0, values, pool.local.chunk))
            size[0] = sum(len(part) for part in pool.seal(cut, values))
            return time.perf_counter() - began

        def seal_on() -> None:
            while not stop.is_set():
                times.append(seal())

        seal()
        train()
        alone = (statistics.median(seal() for _ in range(3)), statistics.median(train() for _ in range(3)))
        beside = threading.Thread(target=seal_on)
        beside.start()
        both = statistics.median(train() for _ in range(3))
        stop.set()
        beside.join()
        workers = pool.workers
    say("sealing beside training done")
    return {
        "values": values,
        "bytes": size[0],
        "workers": workers,
        "seal_alone_s": alone[0],
        "seal_beside_training_s": statistics.median(times),
        "train_alone_s": alone[1],
        "train_beside_sealing_s": both,
        "training_kept": alone[1] / both,
    }
