"""``python -m benchmarks.nvflare_he --python NVFLARE/bin/python``: NVFlare's own HE classes beside ours, in one run.

The same float32 values of several clients go through NVFlare's encryptor, aggregator and decryptor
(``benchmarks.nvflare_he.worker``, in a process of the interpreter named), through our he-fl baseline
(``encryption.scheme = "ckks"``: TenSEAL, NVFlare's parameters, integers) and through our default (BFV, preset
``compact``). They take turns on one core; figures are medians. NVFlare encrypts each tensor by itself, so it is run
with the values as one tensor and as many; ours packs a vector whatever its tensors are.

NVFlare's process imports nothing of ours and needs no torch, so an environment of its own is the smallest::

    python3.11 -m venv nvflare-venv
    nvflare-venv/bin/python -m pip install nvflare==2.9.0 tenseal==0.3.18

Its pins and Flower's do not contradict one another, so this project's environment can have it as well
(``pip install -e ".[bench]"``, about 20 packages, Flask and gunicorn among them); ``--python`` is then not needed.

Not for: NVFlare's runtime, or training. Its HE recipe refuses the simulator (``FedAvgRecipeWithHE``: "does not support
SimEnv"), and a provisioned deployment would time its channels, not its encryption.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import RenderableType

from benchmarks.encryption.contest import Contest, weights_of
from benchmarks.encryption.rows import RANGE, SPREAD, silence
from benchmarks.encryption.ways import Integers, Ours, Way
from benchmarks.harness.command import parse, parser, say, write_json
from benchmarks.harness.processes import one_core
from benchmarks.harness.tables import show, table_of
from benchmarks.harness.worker import Worker, WorkerError
from crossward.encryption.aggregator.ckks import CkksArithmetic
from crossward.encryption.holder.ckks import CkksSealer, make_context
from crossward.encryption.plan import PRESETS, FieldPlan
from crossward.machine.paths import path_argument

WORKER = Path(__file__).with_name("worker.py")
TENSORS = 56  # of the embedded model's adapter: two factors of seven layers in four blocks
HOW = """Make an environment that has NVFlare, and name its interpreter:
  python3.11 -m venv nvflare-venv
  nvflare-venv/bin/python -m pip install nvflare==2.9.0 tenseal==0.3.18
  python -m benchmarks.nvflare_he --python nvflare-venv/bin/python"""
Row = dict[str, Any]


def baseline(plan: FieldPlan, value_range: float) -> Integers:
    """Our he-fl baseline: CKKS through the classes that a run with ``encryption.scheme = "ckks"`` uses."""
    secret, public = make_context()
    return Integers("ours, he-fl (ckks)", plan, value_range, CkksSealer(plan, secret), CkksArithmetic(public))


def their_row(name: str, found: Sequence[Row], values: int, clients: int) -> Row:
    """One way's row from NVFlare's rounds. Encrypting is of one client, and includes its bytes, as ours does."""

    def seconds(*steps: str) -> float:
        return float(statistics.median(sum(one["seconds"][step] for step in steps) for one in found))

    return {
        "name": name,
        "up_bytes_per_value": found[0]["up_bytes"] / values,
        "up_bytes_per_value_without_contexts": (found[0]["up_bytes"] - found[0]["context_bytes"]) / values,
        "down_bytes_per_value": found[0]["down_bytes"] / values,
        "encrypt_s": seconds("encrypt", "pack") / clients,
        "encrypt_s_without_packing": seconds("encrypt") / clients,
        "aggregate_s": seconds("unpack", "aggregate", "pack_down"),
        "aggregate_s_without_packing": seconds("aggregate"),
        "decrypt_s": seconds("unpack_down", "decrypt"),
        "max_error": max(one["max_error"] for one in found),
    }


def our_row(contest: Contest) -> Row:
    """One way's row of ours: the error is of the sum, after what is put in has been rounded, and of rounding."""
    row, middle = contest.row(), {name: statistics.median(found) for name, found in contest.samples.items()}
    return {
        "name": row["name"],
        "up_bytes_per_value": row["up_bytes_per_value"],
        "down_bytes_per_value": row["down_bytes_per_value"],
        "encrypt_s": middle["seal"],
        "aggregate_s": middle["add"],
        "decrypt_s": middle["open"],
        "max_error": row["max_error"],
        "rounding": contest.way.unit / 2,
    }


def measure(python: Path, values: int, clients: int, rounds: int) -> dict[str, Any]:
    """All rows; NVFlare's first."""
    rng = np.random.default_rng(0)
    deltas = [rng.normal(0.0, SPREAD, values).astype(np.float32) for _ in range(clients)]
    tensors = sorted({1, min(TENSORS, values)})
    plan = PRESETS["compact"]
    weights = weights_of(plan.total_weight, clients)
    asked = {"values": values, "clients": clients, "weights": weights, "tensors": tensors, "spread": SPREAD}
    theirs: dict[str, list[Row]] = {}
    with one_core(), Worker(python, WORKER, asked, HOW, "answer ") as process:
        versions = process.answer()
        ways: list[Way] = [baseline(plan, RANGE), Ours("ours, compact (bfv)", plan, rng.bytes(64), RANGE)]
        ours = [Contest(way, deltas) for way in ways]
        for number in range(rounds):
            say(f"round {number + 1} of {rounds}")
            for name, found in process.round().items():
                theirs.setdefault(name, []).append(found)
            for contest in ours:
                contest.messages = []
                with silence():
                    for client in range(clients):
                        contest.seal(client)
                    contest.add()
                    contest.open()
    rows = [
        their_row(f"NVFlare, {name} tensor{'s' * (name != '1')}", found, values, clients)
        for name, found in theirs.items()
    ]
    rows += [our_row(contest) for contest in ours]
    return {"versions": versions, "values": values, "clients": clients, "rounds": rounds, "rows": rows}


def table(found: dict[str, Any]) -> Iterator[RenderableType]:
    """What was measured, for people."""
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    clients, rounds = found["clients"], found["rounds"]
    yield table_of(
        f"{found['values']:,} values, {clients} clients, one core, medians of {rounds}; {versions}",
        found["rows"],
        {
            "": ("name", ""),
            "up B/v": ("up_bytes_per_value", ".2f"),
            "down B/v": ("down_bytes_per_value", ".2f"),
            "encrypt s": ("encrypt_s", ".3f"),
            "aggregate s": ("aggregate_s", ".3f"),
            "decrypt s": ("decrypt_s", ".3f"),
            "largest error": ("max_error", ".1e"),
            "rounding": ("rounding", ".1e"),
        },
    )
    for row in found["rows"]:
        if "encrypt_s_without_packing" in row:
            yield (
                f"{row['name']}: {row['up_bytes_per_value_without_contexts']:.2f} B/v up without the TenSEAL context "
                f"that travels with every tensor; encryption alone {row['encrypt_s_without_packing']:.3f} s, addition "
                f"alone {row['aggregate_s_without_packing']:.3f} s"
            )
    yield "encrypt: one client to bytes; aggregate: all clients' bytes to the sum's; decrypt: the sum's bytes to values"
    yield "largest error: of the mean of what was put in; rounding: what ours loses before; a node makes up for it"


def main(argv: list[str] | None = None) -> int:
    """Measure and print; 2 without an interpreter that has NVFlare."""
    p = parser("nvflare_he", __doc__)
    here = Path(sys.executable)
    p.add_argument(
        "--python", type=path_argument, default=here, metavar="FILE", help="one that has nvflare (default: this one)"
    )
    p.add_argument("--values", type=int, default=77_824, help="values of an update (default: the embedded model's)")
    p.add_argument("--clients", type=int, default=4)
    p.add_argument("--rounds", type=int, default=5)
    args = parse(p, argv, values=9000, clients=2, rounds=1)
    try:
        found = measure(args.python, args.values, args.clients, args.rounds)
    except WorkerError as error:
        print(error, file=sys.stderr)
        return 2
    show(*table(found))
    write_json(args.json, found)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
