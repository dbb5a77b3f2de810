"""``python -m benchmarks.encryption.committee``: the committee scheme beside compact BFV, in turns, on one core.

Whole operations as hospitals, aggregator and members do them: sealing includes tag, digest, signature and the seeds'
boxes; a share includes opening the seeds, the durable record and the dither; opening includes the pad and checking the
tag. Figures are medians of CPU time, which a busy machine disturbs less than the clock; waiting for the disk is not in
them. Every sum is compared with the clear one.
"""

from __future__ import annotations

import argparse
import json
import secrets
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks.encryption.rows import RANGE, weights_of
from benchmarks.encryption.ways import Ours
from benchmarks.harness.processes import one_core
from crossward.encryption.committee.fields import weighted_sum
from crossward.encryption.committee.hospital import SealedUpdate, open_version, seal_update
from crossward.encryption.committee.member import Member
from crossward.encryption.committee.opening import Answer, assign, record
from crossward.encryption.committee.roster import Roster
from crossward.encryption.committee.statements import Consent, Rules, VersionList, weight_limit
from crossward.encryption.committee.stretch import Stretch
from crossward.encryption.plan import PRESETS, FieldPlan

LINEAGE = "benchmark"
Samples = dict[str, list[float]]


def timed(samples: Samples, name: str, work: Callable[[], Any]) -> Any:
    """The result of ``work``, whose CPU seconds go to ``samples``."""
    began = time.process_time()
    result = work()
    samples[name].append(time.process_time() - began)
    return result


class Committee:
    """``hospitals`` hospitals, the first ``members`` of them the committee."""

    def __init__(self, folder: Path, plan: FieldPlan, hospitals: int, members: int, threshold: int) -> None:
        self.keys = {f"hospital-{number:03}": Ed25519PrivateKey.generate() for number in range(hospitals)}
        public = {name: key.public_key().public_bytes_raw().hex() for name, key in self.keys.items()}
        self.roster = Roster(public, tuple(public)[:members], threshold)
        self.plan, self.secret, self.rules = plan, secrets.token_bytes(32), Rules(max_share=1.0)
        stretches = {name: Stretch.create(folder / name, LINEAGE, 1) for name in self.roster.committee}
        self.certificates = {name: s.certificate(name, self.keys[name].sign) for name, s in stretches.items()}
        self.members = {
            name: Member(name, self.roster, self.keys[name].sign, [stretch], self.secret, self.rules)
            for name, stretch in stretches.items()
        }

    def seal(self, name: str, values: Any) -> SealedUpdate:
        """A hospital's update."""
        key, blocks = self.keys[name].sign, [values]
        return seal_update(self.roster, LINEAGE, 1, name, key, self.certificates, self.plan, self.secret, blocks)

    def answer(
        self,
        member: str,
        version: VersionList,
        updates: list[SealedUpdate],
        consents: list[Consent],
        subsets: tuple[int, ...],
    ) -> Answer:
        """A member's share."""
        return self.members[member].open(version, _boxes(updates, member), consents).answer(subsets, [version.count])

    def turn(self, values: list[Any], weights: list[int], number: int, samples: Samples) -> dict[str, int]:
        """One version from its updates to its opening; bytes of what travels."""
        updates = [
            timed(samples, "seal", partial(self.seal, name, v)) for name, v in zip(self.keys, values, strict=False)
        ]
        version = VersionList.of(self.roster, number, [u.statement for u in updates], weights)
        payloads, count = [u.blocks for u in updates], values[0].size
        timed(samples, "add", lambda: weighted_sum([p[0] for p in payloads], weights, self.plan.field_bits, count))
        asked = assign(self.roster, self.roster.committee[: self.roster.openers])
        consents = [
            timed(samples, "consent", partial(self.members[m].consent, version, _boxes(updates, m)))
            for m in self.roster.committee[: self.roster.quorum]
        ]
        answers = [
            timed(samples, "share", partial(self.answer, m, version, updates, consents, s)) for m, s in asked.items()
        ]
        found = timed(samples, "combine", lambda: record(self.roster, version, [count], payloads, answers))
        opened = timed(samples, "open", lambda: open_version(self.roster, self.rules, self.secret, found))[0]
        clear = sum(w * v for w, v in zip(weights, values, strict=True))
        largest = len(self.roster.carriers) * self.plan.dither_mean
        if int(np.abs(opened - clear).max()) > largest:
            raise AssertionError("the opened sum is not the clear one and its dither")
        return {
            "up": len(updates[0].blocks[0]),
            "down": len(found.blocks[0]),
            "share": max(len(answer.blocks[0]) for answer in answers),
            "boxes": sum(map(len, updates[0].boxes.values())),
        }


def _boxes(updates: list[SealedUpdate], member: str) -> dict[str, bytes]:
    return {update.statement.signer: update.boxes[member] for update in updates}


def _sealed(way: Ours, cut: list[Any]) -> list[bytes]:
    return [way.seal(piece) for piece in cut]


def bfv_turn(way: Ours, values: list[Any], weights: list[int], samples: Samples) -> dict[str, int]:
    """The same under BFV."""
    pieces = [way.cut(v) for v in values]
    parts = [timed(samples, "seal", partial(_sealed, way, cut)) for cut in pieces]
    counts = [piece.size for piece in pieces[0]]

    def add() -> list[bytes]:
        return [way.add(same, weights, n) for same, n in zip(zip(*parts, strict=True), counts, strict=True)]

    sums = timed(samples, "add", add)
    total = sum(weights)
    opened = timed(samples, "open", lambda: [way.open(s, n, total) for s, n in zip(sums, counts, strict=True)])
    if not np.array_equal(np.concatenate(opened), sum(w * v for w, v in zip(weights, values, strict=True))):
        raise AssertionError("BFV's sum is not the clear one")
    return {"up": sum(map(len, parts[0])), "down": sum(map(len, sums))}


def row(name: str, samples: Samples, sizes: dict[str, int], count: int) -> dict[str, Any]:
    """Figures of a way."""
    middle = {key: statistics.median(found) for key, found in samples.items()}
    return {
        "name": name,
        "seal_mvalues_per_s": count / middle["seal"] / 1e6,
        "add_s": middle["add"],
        "share_s": middle.get("share"),
        "consent_s": middle.get("consent"),
        "combine_s": middle.get("combine"),
        "open_mvalues_per_s": count / middle["open"] / 1e6,
        **{f"{key}_bytes_per_value": size / count for key, size in sizes.items()},
    }


def measure(count: int, clients: int, repeats: int, shapes: list[tuple[int, int]]) -> list[dict[str, Any]]:
    """A row for BFV and one for each committee (J, t) of ``shapes``."""
    plan = PRESETS["compact"]
    rng = np.random.default_rng(0)
    values = [rng.integers(-plan.q_max, plan.q_max + 1, count) for _ in range(clients)]
    samples: dict[str, Samples] = defaultdict(lambda: defaultdict(list))
    sizes: dict[str, dict[str, int]] = {}
    with tempfile.TemporaryDirectory() as folder, one_core():
        ways = {
            f"committee J={members} t={threshold}": Committee(
                Path(folder) / f"{members}-{threshold}", plan, max(clients, members), members, threshold
            )
            for members, threshold in shapes
        }
        bfv = Ours("bfv compact", plan, secrets.token_bytes(64), RANGE)
        for turn in range(1, repeats + 1):
            weights = weights_of(plan.total_weight, clients)
            sizes[bfv.name] = bfv_turn(bfv, values, weights, samples[bfv.name])
            for name, way in ways.items():
                weights = weights_of(weight_limit(plan, way.roster), clients)
                sizes[name] = way.turn(values, weights, turn, samples[name])
    return [row(name, samples[name], sizes[name], count) for name in samples]


def main(argv: list[str] | None = None) -> None:
    """Measure and print."""
    p = argparse.ArgumentParser(prog="python -m benchmarks.encryption.committee", description=__doc__)
    p.add_argument("--values", type=int, default=1_000_000, help="values of an update (default: 1000000)")
    p.add_argument("--clients", type=int, default=8)
    p.add_argument("--repeats", type=int, default=5)
    p.add_argument("--json", type=Path, metavar="FILE")
    args = p.parse_args(argv)
    rows = measure(args.values, args.clients, args.repeats, [(3, 1), (4, 1), (4, 2)])
    print(f"{args.values:,} values, {args.clients} updates, one core, CPU time, medians of {args.repeats}")
    print(f"{'':20} {'sealed':>9} {'added':>8} {'share':>8} {'combined':>9} {'opened':>9} {'up':>6} {'down':>6}")
    for r in rows:
        share, combined = (f"{r[key] * 1e3:5.0f} ms" if r[key] else "" for key in ("share_s", "combine_s"))
        print(
            f"{r['name']:20} {r['seal_mvalues_per_s']:5.1f} M/s {r['add_s'] * 1e3:5.1f} ms {share:>8} {combined:>9} "
            f"{r['open_mvalues_per_s']:5.1f} M/s {r['up_bytes_per_value']:4.2f} B {r['down_bytes_per_value']:4.2f} B"
        )
    if args.json:
        args.json.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
