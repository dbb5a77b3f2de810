"""The same numbers through every way of :mod:`benchmarks.encryption.ways`: bytes, speed, error.

Every client's values are sealed, added with weights that sum to W and opened; the ways take turns, so that a machine
that slows down slows them all, and figures are medians. One core means that the process is held on one and that its CPU
time counts; all cores are measured by the clock. The error is the largest ``|opened - exact weighted sum of what was
put in|``, over the weights' sum and in the delta's unit: ours puts in integers, so rounding to them is no part of it,
and ``max_error_steps`` is in those integers before any scaling. The committee's dither is no error.

Not for: memory and whole adapters (``benchmarks.encryption.llama``).
"""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.encryption.committee import SHAPES, Committee, CommitteeContest, in_turns
from benchmarks.encryption.contest import WAYS, AnyContest, Contest
from benchmarks.encryption.ways import Ckks, Float32, Ours, Way, ckks_contexts
from benchmarks.harness.command import say
from benchmarks.harness.figures import Row
from benchmarks.harness.processes import one_core
from crossward.encryption.plan import PRESETS
from crossward.machine.cores import cores

SPREAD, RANGE = 0.01, 0.05  # standard deviation of the deltas, and the largest that a field holds
CLOCK = time.process_time  # of one core: a busy machine disturbs it less than the time of day


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
    WAYS.update({way.name: way for way in _ways(contexts, seed)})
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _ready(_: int) -> None:
    time.sleep(0.2)  # long enough for every process to take one


def measure(values: int, clients: int, repeats: int) -> tuple[list[Row], dict[str, dict[str, float]]]:
    """Every way's row, and what :func:`benchmarks.encryption.committee.in_turns` finds."""
    rng, contexts = np.random.default_rng(0), ckks_contexts()
    deltas = [rng.normal(0.0, SPREAD, values).astype(np.float32) for _ in range(clients)]
    seed = rng.bytes(64)
    with tempfile.TemporaryDirectory(prefix="crossward-committee-") as folder:
        committees = [
            CommitteeContest(Committee(name, Path(folder) / name, PRESETS["compact"], clients, RANGE), deltas, CLOCK)
            for name in SHAPES
        ]
        clear, *others = [Contest(way, deltas, CLOCK) for way in _ways(contexts, seed)]
        contests: list[AnyContest[Any]] = [clear, *committees, *others]
        _on_one_core(contests, clients, repeats)
        _on_all_cores(contests[1:], repeats, contexts, seed)
    return [contest.row() for contest in contests], in_turns(contests)


def _on_one_core(contests: Sequence[AnyContest[Any]], clients: int, repeats: int) -> None:
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


def _on_all_cores(
    contests: Sequence[AnyContest[Any]], repeats: int, contexts: tuple[bytes, bytes], seed: bytes
) -> None:
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(cores(), mp_context=spawn, initializer=_begin, initargs=(contexts, seed)) as pool:
        list(pool.map(_ready, range(2 * cores())))
        for contest in contests:
            contest.start()
        for repeat in range(repeats):
            say(f"{cores()} cores: sealing, opening and adding, {repeat + 1} of {repeats}")
            for contest in contests:
                contest.all_cores(pool)
        for contest in contests:
            contest.stop()


def ratios(rows: list[Row]) -> dict[str, dict[str, float]]:
    """How many times better than CKKS each of ours is."""
    by_name = {row["name"]: row for row in rows}
    ckks, out = by_name["ckks-nvflare"], {}
    for name in (*SHAPES, *PRESETS):
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
