"""One way of :mod:`benchmarks.encryption.ways` under measurement: the calls that are timed, and the row they make.

Not for: which ways take part and in what order (``benchmarks.encryption.rows``).
"""

from __future__ import annotations

import statistics
import time
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Any, Generic, TypeVar

import numpy as np

from benchmarks.encryption.ways import Ckks, Inputs, Ours, Vector, Way
from benchmarks.harness.figures import Row
from crossward.machine.cores import cores

WAYS: dict[str, Any] = {}
W = TypeVar("W", bound=Inputs)


def weights_of(total: int, clients: int) -> list[int]:
    """Unequal integer weights of ``clients`` clients that sum to ``total``."""
    shares = [total * number // (clients * (clients + 1) // 2) for number in range(1, clients + 1)]
    return [*shares[:-1], total - sum(shares[:-1])]


def work(name: str, call: str, *arguments: Any) -> Any:
    """Call ``call`` of the way ``name`` in a process of the benchmark's pool, which holds one of each."""
    return getattr(WAYS[name], call)(*arguments)


class AnyContest(ABC, Generic[W]):
    """One way's inputs, messages and samples. ``clock`` is what one core's seconds are read from."""

    def __init__(self, way: W, deltas: Sequence[Vector], clock: Callable[[], float] = time.perf_counter) -> None:
        self.way, self.weights, self.clock = way, weights_of(way.total_weight, len(deltas)), clock
        self.put = [way.put_in(delta) for delta in deltas]
        self.pieces = [way.cut(values) for values in self.put]
        self.counts = [piece.size for piece in self.pieces[0]]
        self.messages: list[list[bytes]] = []
        self.sums: list[bytes] = []
        self.samples: dict[str, list[float]] = defaultdict(list)
        self.figures: Row = {}

    def time(self, name: str, work: Callable[[], Any]) -> Any:
        """Time ``work`` under ``name``."""
        clock = time.perf_counter if name.endswith("_all") else self.clock
        began = clock()
        result = work()
        self.samples[name].append(clock() - began)
        return result

    def columns(self) -> list[list[bytes]]:
        """The messages piece by piece."""
        return [list(column) for column in zip(*self.messages, strict=True)]

    def terms(self) -> list[tuple[int, Vector]]:
        """Weights and what they multiply."""
        return list(zip(self.weights, self.put, strict=True))

    @abstractmethod
    def seal(self, client: int) -> None:
        """One client's message, on one core."""

    @abstractmethod
    def add(self) -> None:
        """The sum, on one core."""

    @abstractmethod
    def open(self) -> None:
        """The sum's numbers, on one core, and how far they are from the truth."""

    @abstractmethod
    def all_cores(self, pool: Executor) -> None:
        """Seal updates, open as many values, add all messages."""

    def start(self) -> None:
        """Start processes of its own."""

    def stop(self) -> None:
        """End them."""

    def updates_at_once(self) -> int:
        """Updates sealed in a sample on all cores."""
        return len(self.put)

    def medians(self) -> dict[str, float]:
        """Of the samples: name -> seconds."""
        return {name: statistics.median(found) for name, found in self.samples.items()}

    def row(self) -> Row:
        """The figures."""
        middle = self.medians()
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


class Contest(AnyContest[Way]):
    """Of a way that seals, adds and opens piece by piece."""

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
            for future in [pool.submit(work, way.name, call, *job) for job in jobs]:
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
