"""The adapter of an 8-billion-parameter Llama through every role, each in a fresh process: seconds, bytes, peak memory.

A client seals one update from small integers, the server adds eight messages that lie on its disk part by part, a
client opens the sum; what opens must be the exact sum. The sizes are those of LoRA factors (rank 16) on all linear
layers of Llama-3.1-8B; no weights are needed. The server adds in one process; "all cores" hands the parts to several.
Seconds are CPU time where one process does it.

``python -m benchmarks.encryption.llama --role seal|add|open`` is one role, which :func:`measure` starts.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import shutil
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.encryption.sizes import llama_blocks
from benchmarks.harness.command import Progress, say
from benchmarks.harness.peak import children_peaks, own_peak
from benchmarks.harness.processes import fresh, one_core
from crossward.config.encryption_schemes import BFV
from crossward.encryption.aggregator.bfv import BfvArithmetic
from crossward.encryption.bfv import CIPHERTEXTS, SEALED
from crossward.encryption.parallel import SealingPool
from crossward.encryption.plan import FRESH_BYTES, PRESETS, RING, SUM_BYTES, FieldPlan
from crossward.encryption.policy import Piece, pieces
from crossward.machine.paths import path_argument
from crossward.protocol.parts import Part, PartHead, join

SEED = bytes(range(64))
CLIENTS = 8
MOST_SECONDS = 3600.0  # of a role
_ARITHMETIC: BfvArithmetic | None = None
Figures = dict[str, Any]


def update(number: int, plan: FieldPlan, values: int) -> NDArray[Any]:
    """Made-up quantised update ``number``: int8 or int16 [values]."""
    kind = np.int8 if plan.value_bits <= 8 else np.int16
    return np.random.default_rng(number).integers(-plan.q_max, plan.q_max, values, dtype=kind, endpoint=True)


def weights_of(plan: FieldPlan) -> list[int]:
    """W in unequal integer weights."""
    rest = plan.total_weight // CLIENTS
    return [rest + (1 if number % 2 else -1) * (number // 2 % 2) for number in range(CLIENTS)]


def cut(values: int, chunk: int, share: float) -> tuple[Piece, ...]:
    """The adapter's parts; ``share`` of its layers."""
    sizes = llama_blocks(share)
    assert sum(sizes) == values
    return pieces(sizes, [True] * len(sizes), chunk)


def clock_of(workers: int) -> Callable[[], float]:
    """CPU time of one process, which a busy machine disturbs less; several are measured by the time of day."""
    return time.process_time if workers == 1 else time.perf_counter


def _updates(folder: Path) -> list[Path]:
    """Updates that were sealed; the messages are copies of these by turns."""
    return sorted(folder.glob("update-*"))


def seal(plan: FieldPlan, folder: Path, workers: int, share: float) -> Figures:
    """A client's update into ``folder``."""
    clock = clock_of(workers)
    values = sum(llama_blocks(share))
    number = len(_updates(folder))
    vector, before = update(number, plan, values), own_peak()
    with SealingPool(BFV, plan, SEED, workers) as pool:
        found = cut(values, pool.local.chunk, share)
        progress, began, parts = Progress("sealing", len(found)), clock(), []
        for piece, data in zip(found, pool.seal((p.gather(vector) for p in found), values), strict=True):
            parts.append(Part(PartHead(SEALED, piece.length, plan.update_bits, len(data)), data))
            progress.one()
        payload = join(parts)
        seconds, peaks = clock() - began, (own_peak(), children_peaks())
    (folder / f"update-{number}").write_bytes(payload.data)
    return figures(values, len(payload.data), seconds, before, peaks, vector.nbytes)


def _combine(plan: tuple[int, int, int], names: list[str], offset: int, size: int, weights: list[int], n: int) -> bytes:
    """One part of the sum, read from the messages' files."""
    global _ARITHMETIC
    if _ARITHMETIC is None:
        _ARITHMETIC = BfvArithmetic(FieldPlan(*plan))
    parts = []
    for name in names:
        with Path(name).open("rb") as file:
            file.seek(offset)
            parts.append(file.read(size))
    bits = FieldPlan(*plan).sum_bits(1)
    return _ARITHMETIC.combine(parts, weights, [FieldPlan(*plan).update_bits] * len(parts), bits, n)


def _in_order(pool: ProcessPoolExecutor, jobs: Iterator[tuple[Any, ...]], ahead: int) -> Iterator[bytes]:
    waiting: deque[Future[bytes]] = deque()
    for job in jobs:
        waiting.append(pool.submit(_combine, *job))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def add(plan: FieldPlan, folder: Path, workers: int, share: float) -> Figures:
    """The server's sum of the messages in ``folder``."""
    clock = clock_of(workers)
    values, before = sum(llama_blocks(share)), own_peak()
    fields = plan.fields_per_slot
    found = cut(values, CIPHERTEXTS * RING * fields, share)
    names = [str(folder / f"message-{number}") for number in range(CLIENTS)]

    def jobs() -> Iterator[tuple[Any, ...]]:
        offset = 0
        for piece in found:
            size = -(-piece.length // (RING * fields)) * FRESH_BYTES
            yield astuple(plan), names, offset, size, weights_of(plan), piece.length
            offset += size

    progress, began = Progress("adding", len(found)), clock()
    pool = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) if workers > 1 else None
    made = (_combine(*job) for job in jobs()) if pool is None else _in_order(pool, jobs(), 2 * workers)
    with (folder / "sum").open("wb") as file:
        for data in made:
            file.write(data)
            progress.one()
    seconds, peaks = clock() - began, (own_peak(), children_peaks())
    if pool is not None:
        pool.shutdown()
    message = Path(names[0]).stat().st_size
    return figures(values, (folder / "sum").stat().st_size, seconds, before, peaks, 0) | {"message_bytes": message}


def open_sum(plan: FieldPlan, folder: Path, workers: int, share: float) -> Figures:
    """A client's opening of the sum in ``folder``, and whether it is the exact one."""
    clock = clock_of(workers)
    values, weights = sum(llama_blocks(share)), weights_of(plan)
    out = np.zeros(values, dtype=np.int64)
    data, before = memoryview((folder / "sum").read_bytes()), own_peak()
    with SealingPool(BFV, plan, SEED, workers) as pool:
        found, bits = cut(values, pool.local.chunk, share), plan.sum_bits(1)

        def parts() -> Iterator[tuple[memoryview, int, int, int]]:
            offset = 0
            for piece in found:
                size = -(-piece.length // (RING * plan.fields_per_slot)) * SUM_BYTES
                yield data[offset : offset + size], bits, piece.length, sum(weights)
                offset += size

        progress, began = Progress("opening", len(found)), clock()
        for piece, opened in zip(found, pool.open(parts(), values), strict=True):
            for place, part in piece.spread(opened):
                out[place] += part
            progress.one()
        seconds, peaks = clock() - began, (own_peak(), children_peaks())
    opening = figures(values, len(data), seconds, before, peaks, out.nbytes)
    distinct = len(_updates(folder))
    for number in range(distinct):
        out -= update(number, plan, values) * np.int64(sum(weights[number::distinct]))
    return opening | {"max_error_steps": int(np.abs(out).max())}


def figures(
    values: int, size: int, seconds: float, before: float, peaks: tuple[float, list[float]], vector: int
) -> Figures:
    """The figures of a role: ``vector`` bytes it is given or makes, peaks in MiB of its process and its children."""
    own, children = peaks
    return {
        "values": values,
        "bytes": size,
        "seconds": seconds,
        "values_per_s": values / seconds,
        "vector_mib": vector / 2**20,
        "before_mib": before,
        "peak_mib": own,
        "children_mib": sum(children),
        "largest_child_mib": max(children, default=0.0),
        "over_vector_mib": own + sum(children) - vector / 2**20,
    }


ROLES: dict[str, Callable[[FieldPlan, Path, int, float], Figures]] = {"seal": seal, "add": add, "open": open_sum}


def measure(presets: list[str], cores: int, share: float) -> dict[str, list[Figures]]:
    """Each role on one core and on ``cores``, by preset."""
    out: dict[str, list[Figures]] = {}
    for preset in presets:
        out[preset] = []
        with tempfile.TemporaryDirectory(prefix="crossward-benchmark-") as folder:
            for role in ROLES:
                for workers in sorted({1, cores}):
                    say(f"Llama-3.1-8B's adapter, {preset}: {role} on {workers} core{'s' * (workers > 1)}")
                    found = in_role(role, preset, folder, workers, share)
                    out[preset].append({"role": role, "workers": workers, **found})
                if role == "seal":
                    _copy(Path(folder))
    return out


def in_role(role: str, preset: str, folder: str, workers: int, share: float) -> Figures:
    """A role's figures, from a process of its own."""
    given = ("--role", role, "--preset", preset, "--folder", folder, "--workers", workers, "--share", share)
    found: Figures = fresh("benchmarks.encryption.llama", *given, seconds=MOST_SECONDS)
    return found


def _copy(folder: Path) -> None:
    """Eight messages of the updates that were sealed."""
    updates = _updates(folder)
    for number in range(CLIENTS):
        shutil.copyfile(updates[number % len(updates)], folder / f"message-{number}")


def main() -> None:
    """One role in this process; its figures as JSON."""
    p = argparse.ArgumentParser(prog="python -m benchmarks.encryption.llama", description=__doc__)
    p.add_argument("--role", choices=tuple(ROLES), required=True)
    p.add_argument("--preset", choices=tuple(PRESETS), default="compact")
    p.add_argument("--folder", type=path_argument, required=True)
    p.add_argument("--workers", type=int, default=1)
    p.add_argument("--share", type=float, default=1.0, help="share of the layers")
    args = p.parse_args()
    with one_core() if args.workers == 1 else contextlib.nullcontext():
        print(json.dumps(ROLES[args.role](PRESETS[args.preset], args.folder, args.workers, args.share)))


if __name__ == "__main__":
    main()
