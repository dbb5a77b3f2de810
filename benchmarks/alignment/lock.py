"""Whether threads share the work of raising points, or the interpreter's lock keeps them from it; beside processes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from crossward.alignment.points import raised, random_points
from crossward.internals.python import PoolContext

SECRET = (7**80 % 2**250).to_bytes(32, "little")
LENGTH = 32


def _alone(points: bytes) -> bytes:
    return raised(points, SECRET, 1)


def speeds(points: int, workers: int, rounds: int) -> list[dict[str, Any]]:
    """Points a second of wall time with one thread, ``workers`` threads and as many processes, in turns.

    Medians, and the best turn: on a busy machine, the one in which most cores were free. ``cores`` is the most that
    this process used in a turn; threads that wait for the interpreter's lock never use more than one. Processes are
    started, and their libraries loaded, before the clock; points and results travel through pipes.
    """
    data = random_points(bytes(32), points)
    share = -(-points // workers) * LENGTH
    parts = [data[at : at + share] for at in range(0, len(data), share)]
    samples: dict[str, list[tuple[float, float]]] = {}
    with ProcessPoolExecutor(workers, mp_context=PoolContext()) as pool:
        list(pool.map(_alone, [data[:LENGTH]] * 4 * workers))
        ways: dict[str, Callable[[], bytes]] = {
            "1 thread": lambda: raised(data, SECRET, 1),
            f"{workers} threads": lambda: raised(data, SECRET, workers),
            f"{workers} processes": lambda: b"".join(pool.map(_alone, parts)),
        }
        for _ in range(rounds):
            for name, way in ways.items():
                began, cpu = time.perf_counter(), time.process_time()
                way()
                seconds = time.perf_counter() - began
                samples.setdefault(name, []).append((points / seconds, (time.process_time() - cpu) / seconds))
    rows = []
    for name, found in samples.items():
        speed, used = zip(*found, strict=True)
        rows.append({"name": name, "points_a_second": statistics.median(speed), "best": max(speed), "cores": max(used)})
    return rows
