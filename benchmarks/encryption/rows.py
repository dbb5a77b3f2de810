"""The same numbers through every way of :mod:`benchmarks.encryption.ways`: bytes, speed, error.

Every client's values are sealed, added with weights that sum to W and opened; the ways take turns, so that a machine
that slows down slows them all, and figures are medians. One core means that the process is held on one. The error is
the largest ``|opened - exact weighted sum of what was put in|``, over the weights' sum and in the delta's unit: ours
puts in integers, so rounding to them is no part of it, and ``max_error_steps`` is in those integers before any scaling.

Not for: memory and whole adapters (``benchmarks.encryption.llama``).
"""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from typing import Any

import numpy as np

from benchmarks.encryption.ways import Ckks, Float32, Ours, Vector, Way, ckks_contexts
from benchmarks.harness.command import say
from benchmarks.harness.figures import Row
from benchmarks.harness.processes import one_core
from crossward.encryption.plan import PRESETS
from crossward.machine.cores import cores

SPREAD, RANGE = 0.01, 0.05  # standard deviation of the deltas, and the largest that a field holds
_WORKER: dict[str, Any] = {}


def weights_of(total: int, clients: int) -> list[int]:
    """Unequal integer weights of ``clients`` clients that sum to ``total``."""
    shares = [total * number // (clients * (clients + 1) // 2) for number in range(1, clients + 1)]
    return [*shares[:-1], total - sum(shares[:-1])]


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Keep SEAL's and TenSEAL's own printing off the table; only for stretches that print nothing themselves."""
    sys.stdout.flush()
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        yield
    finally:
        ctypes.CDLL(None).fflush(None)  # what is printed below Python waits in a buffer of its own
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


def _ways(contexts: tuple[bytes, bytes], seed: bytes) -> list[Way]:
    ours = [Ours(name, plan, seed, RANGE) for name, plan in PRESETS.items()]
    return [Float32(), *ours, Ckks(*contexts)]


def _begin(contexts: tuple[bytes, bytes], seed: bytes) -> None:
    _WORKER.update({way.name: way for way in _ways(contexts, seed)})
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _work(name: str, call: str, *arguments: Any) -> Any:
    return getattr(_WORKER[name], call)(*arguments)


def _ready(_: int) -> None:
    time.sleep(0.2)  # long enough for every process to take one


class Contest:
    """One way's inputs, messages and samples."""

    def __init__(self, way: Way, deltas: Sequence[Vector]) -> None:
        self.way, self.weights = way, weights_of(way.total_weight, len(deltas))
        self.put = [way.put_in(delta) for delta in deltas]
        self.pieces = [way.cut(values) for values in self.put]
        self.counts = [piece.size for piece in self.pieces[0]]
        self.messages: list[list[bytes]] = []
        self.sums: list[bytes] = []
        self.samples: dict[str, list[float]] = defaultdict(list)
        self.figures: Row = {}

    def time(self, name: str, work: Callable[[], Any]) -> Any:
        """Time ``work`` under ``name``."""
        began = time.perf_counter()
        result = work()
        self.samples[name].append(time.perf_counter() - began)
        return result

    def columns(self) -> list[list[bytes]]:
        """The messages piece by piece."""
        return [list(column) for column in zip(*self.messages, strict=True)]

    def seal(self, client: int) -> None:
        """One client's message, on one core."""
        self.messages.append(self.time("seal", lambda: [self.way.seal(piece) for piece in self.pieces[client]]))

    def add(self) -> None:
        """The sum, on one core; for CKKS also as NVFlare adds when clients weigh their values themselves."""
        jobs = list(zip(self.columns(), self.counts, strict=True))
        self.sums = self.time("add", lambda: [self.way.add(parts, self.weights, n) for parts, n in jobs])
        if isinstance(way := self.way, Ckks):
            self.time("add_client_weights", lambda: [way.add(parts, self.weights, n, False) for parts, n in jobs])

    def open(self) -> None:
        """The sum's numbers, on one core, and how far they are from the truth."""
        jobs, total = list(zip(self.sums, self.counts, strict=True)), sum(self.weights)
        opened = np.concatenate(self.time("open", lambda: [self.way.open(part, n, total) for part, n in jobs]))
        exact = sum(w * x.astype(np.int64 if x.dtype.kind == "i" else np.float64) for w, x in self.terms())
        steps = float(np.abs(opened - exact).max())
        if isinstance(self.way, Ours):
            self.figures["max_error_steps"] = int(steps)
        self.figures["max_error"] = steps * self.way.unit / total

    def terms(self) -> list[tuple[int, Vector]]:
        """Weights and what they multiply."""
        return list(zip(self.weights, self.put, strict=True))

    def start(self) -> None:
        """Start the processes that ours seals and opens in."""
        if isinstance(self.way, Ours):
            self.way.pool.workers = cores()
            for _ in self.way.seal_all(self.pieces[0][:1] * 2 * cores(), sum(map(len, self.put))):
                pass

    def all_cores(self, pool: Executor) -> None:
        """Seal updates, open as many values, add all messages; ours seals and opens in its own pool."""
        way, weight_sum = self.way, sum(self.weights)
        updates = self.updates_at_once()
        flat = [piece for pieces in self.pieces[:updates] for piece in pieces]
        total = sum(piece.size for piece in flat)
        sums = [(part, n, weight_sum) for part, n in zip(self.sums, self.counts, strict=True)] * updates
        columns = [(parts, self.weights, n) for parts, n in zip(self.columns(), self.counts, strict=True)]

        def spread(call: str, jobs: list[tuple[Any, ...]]) -> None:
            for future in [pool.submit(_work, way.name, call, *job) for job in jobs]:
                future.result()

        if isinstance(way, Ours):
            self.time("seal_all", lambda: [None for _ in way.seal_all(flat, total)])
            self.time("open_all", lambda: [None for _ in way.open_all(sums, total)])
        else:
            self.time("seal_all", lambda: spread("seal", [(piece,) for piece in flat]))
            self.time("open_all", lambda: spread("open", sums))
        self.time("add_all", lambda: spread("add", columns))

    def updates_at_once(self) -> int:
        """Updates sealed in a sample on all cores: ours needs many for its pool to be used, CKKS is slow."""
        return len(self.put) if isinstance(self.way, Ours) else min(2, len(self.put))

    def stop(self) -> None:
        """End the processes."""
        if isinstance(self.way, Ours):
            self.way.pool.__exit__()

    def row(self) -> Row:
        """The figures."""
        middle = {name: statistics.median(found) for name, found in self.samples.items()}
        values, updates = self.put[0].size, self.updates_at_once()
        row = {
            "name": self.way.name,
            "up_bytes_per_value": sum(map(len, self.messages[0])) / values,
            "down_bytes_per_value": sum(map(len, self.sums)) / values,
            "seal_values_per_s": values / middle["seal"],
            "add_s": middle["add"],
            "open_values_per_s": values / middle["open"],
            **self.figures,
        }
        if "add_client_weights" in middle:
            row["add_client_weights_s"] = middle["add_client_weights"]
        if "seal_all" in middle:
            row["seal_values_per_s_all_cores"] = values * updates / middle["seal_all"]
            row["add_s_all_cores"] = middle["add_all"]
            row["open_values_per_s_all_cores"] = values * updates / middle["open_all"]
        return row


def measure(values: int, clients: int, repeats: int) -> list[Row]:
    """Every way's row."""
    rng, contexts = np.random.default_rng(0), ckks_contexts()
    deltas = [rng.normal(0.0, SPREAD, values).astype(np.float32) for _ in range(clients)]
    seed = rng.bytes(64)
    contests = [Contest(way, deltas) for way in _ways(contexts, seed)]
    with one_core():
        for client in range(clients):
            say(f"one core: sealing, client {client + 1} of {clients}")
            with silence():
                for contest in contests:
                    contest.seal(client)
        for repeat in range(repeats):
            say(f"one core: adding and opening, {repeat + 1} of {repeats}")
            for contest in contests:
                contest.add()
            for contest in contests:
                contest.open()
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(cores(), mp_context=spawn, initializer=_begin, initargs=(contexts, seed)) as pool:
        list(pool.map(_ready, range(2 * cores())))
        for contest in contests[1:]:
            contest.start()
        for repeat in range(repeats):
            say(f"{cores()} cores: sealing, opening and adding, {repeat + 1} of {repeats}")
            for contest in contests[1:]:
                contest.all_cores(pool)
        for contest in contests:
            contest.stop()
    return [contest.row() for contest in contests]


def ratios(rows: list[Row]) -> dict[str, dict[str, float]]:
    """How many times better than CKKS each of ours is."""
    by_name = {row["name"]: row for row in rows}
    ckks, out = by_name["ckks-nvflare"], {}
    for name in PRESETS:
        row = by_name[name]
        out[name] = {
            "seal": row["seal_values_per_s"] / ckks["seal_values_per_s"],
            "add": ckks["add_s"] / row["add_s"],
            "add_client_weights": ckks["add_client_weights_s"] / row["add_s"],
            "open": row["open_values_per_s"] / ckks["open_values_per_s"],
            "bytes_up": ckks["up_bytes_per_value"] / row["up_bytes_per_value"],
            "bytes_down": ckks["down_bytes_per_value"] / row["down_bytes_per_value"],
            "seal_all_cores": row["seal_values_per_s_all_cores"] / ckks["seal_values_per_s_all_cores"],
            "add_all_cores": ckks["add_s_all_cores"] / row["add_s_all_cores"],
            "open_all_cores": row["open_values_per_s_all_cores"] / ckks["open_values_per_s_all_cores"],
        }
    return out
