"""Whether the server's memory stays flat: the process, open files, its state, and what versions leave behind.

In the third quarter of a soak the server lives without interruption; what Python allocates then and does not free
is traced, to the byte, from shortly before on.

Not for: the memory of large messages (``benchmarks.encryption.large_server``).
"""

from __future__ import annotations

import gc
import os
import pathlib
import tracemalloc
from collections.abc import Iterable
from pathlib import Path

from flwr.app import RecordDict

from crossward.protocol.wire import content_size
from strategies.history.state import ServerState

MARKS = ("25 %", "50 %", "75 %", "100 %")
BYTES_A_VERSION = 8000  # that the server may keep of a version: facts, and hashes of the last 256; no record (62 kB)
SLACK = 128 << 10  # bytes that caches may yet fill
PROCESS_SLACK = 24.0  # MB


def _traced() -> int:
    """Bytes traced, but for the interpreter's own table of names, which doubles at once when it is full."""
    kept = tracemalloc.take_snapshot().filter_traces(
        [tracemalloc.Filter(False, pathlib.__file__), tracemalloc.Filter(False, tracemalloc.__file__)]
    )
    return sum(trace.size for trace in kept.traces)


class Memory:
    """Looks at the server at a quarter, half, three quarters and the end of ``versions`` versions."""

    def __init__(self, versions: int) -> None:
        self.versions = versions
        self.found: dict[str, dict[str, float]] = {}
        self._at = {max(versions * (number + 1) // 4, 1): mark for number, mark in enumerate(MARKS)}
        self._traced_from = int(0.45 * versions)
        self._ours = False
        self._before: dict[int, RecordDict] = {}

    def observe(self, version: int, state: ServerState, elsewhere: Iterable[RecordDict]) -> None:
        """``version`` was made; what is ``elsewhere``, at the network or with the faults, is not the server's."""
        if version == self._traced_from and not tracemalloc.is_tracing():
            tracemalloc.start()
            self._ours, self._before = True, {id(content): content for content in elsewhere}
        if (mark := self._at.get(version)) is None:
            return
        gc.collect()
        catching_up = len(state.catch_up._last[1]) if state.catch_up._last is not None else 0  # each holds a file open
        held: dict[str, float] = {
            "process MB": int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6,
            "open files": len(list(Path("/proc/self/fd").iterdir())) - catching_up,
            "of a catch-up": catching_up,
            "flights": len(state.roster.flights),
            "buffer": len(state.buffer),
            "node ids": len(state.roster.nodes),
            "hospitals": len(state.run.accepted),
            "state hashes": len(state.hashes._reports),
            "doubts": len(state.unopened),
            "kept sums": sum(len(sums) for sums in state.catch_up._sums.values()),
        }
        if tracemalloc.is_tracing():
            theirs = {id(content): content_size(content) for content in elsewhere if id(content) not in self._before}
            sums = [head for kept in state.catch_up._sums.values() for head in kept.values()]  # bounded by number
            held["proofs kB"] = sum(len(head.proof) for head in sums) / 1e3
            held["traced kB"] = (_traced() - sum(theirs.values())) / 1e3 - held["proofs kB"]
        self.found[mark] = held
        if mark == MARKS[2]:
            self.stop()

    def stop(self) -> None:
        """Trace no more."""
        if self._ours:
            tracemalloc.stop()
            self._ours, self._before = False, {}

    def problems(self, hospitals: int) -> list[str]:
        """What grew, in words."""
        if set(self.found) != set(MARKS):
            return [f"memory was measured at {sorted(self.found)} only"]
        half, later, end = (self.found[mark] for mark in MARKS[1:])
        grown = {
            "traced kB": (later, (BYTES_A_VERSION * self.versions / 4 + SLACK) / 1e3),
            "process MB": (end, PROCESS_SLACK),
            "open files": (end, 8.0),
        }
        wrong = [
            f"{name} grew from {half[name]:.4g} to {then[name]:.4g}, at most {room:.4g} more are fine"
            for name, (then, room) in grown.items()
            if name in half and then[name] - half[name] > room
        ]
        bounds = {"flights": 2 * hospitals, "buffer": hospitals, "hospitals": hospitals, "state hashes": 256}
        bounds |= {"doubts": 8, "kept sums": 16 * 12}
        return wrong + [
            f"the server keeps {held[name]:.0f} {name}, at most {most} are fine"
            for held in self.found.values()
            for name, most in bounds.items()
            if held[name] > most
        ]
