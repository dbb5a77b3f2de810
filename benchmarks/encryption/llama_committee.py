"""The adapter of an 8-billion-parameter Llama through every role of a committee, each in a fresh process.

Eight hospitals seal one update each. Members consent, which takes no memory and is not timed, and as many of them as
open a version answer for it. The aggregator adds updates that lie on its disk and answers that it holds, block by
block, onto its disk. A node opens the version: what opens must be the exact sum and the dither.

``python -m benchmarks.encryption.llama_committee --role seal|answer|add|open`` is one role, which :func:`measure`
starts. All of it is in one process and one thread: there is too little to do for more. Seconds are CPU time.
"""

from __future__ import annotations

import argparse
import json
import pickle
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.encryption.committee import SHAPES, Boxes, Committee, blocks
from benchmarks.encryption.llama import CLIENTS, MOST_SECONDS, Figures, figures, update
from benchmarks.encryption.sizes import llama_blocks
from benchmarks.harness.command import say
from benchmarks.harness.figures import medians
from benchmarks.harness.peak import own_peak
from benchmarks.harness.processes import fresh, one_core
from crossward.encryption.committee.statements import TAG_PRIME, VersionList
from crossward.encryption.packing import packed_size
from crossward.encryption.plan import PRESETS
from crossward.machine.paths import path_argument

PLAN = PRESETS["compact"]


def _keep(path: Path, facts: Any, parts: Sequence[bytes]) -> None:
    """Blocks back to back in a file, and what goes with them beside it."""
    with path.open("wb") as file:
        file.writelines(parts)
    path.with_suffix(".facts").write_bytes(pickle.dumps(facts))


def _facts(path: Path) -> Any:
    return pickle.loads(path.with_suffix(".facts").read_bytes())  # noqa: S301 - this benchmark wrote it


def _cut(data: bytes, counts: Sequence[int]) -> tuple[memoryview, ...]:
    """Blocks of ``counts`` fields that lie back to back."""
    ends = np.cumsum([packed_size(count, PLAN.field_bits) for count in counts]).tolist()
    return tuple(memoryview(data)[start:end] for start, end in zip([0, *ends], ends, strict=False))


class Roles:
    """What the roles share: the consortium in ``folder``, the adapter's blocks."""

    def __init__(self, name: str, folder: Path, share: float) -> None:
        self.own, self.folder = Committee(name, folder / "members", PLAN, CLIENTS), folder
        self.values, self.blocks = sum(llama_blocks(share)), blocks(llama_blocks(share))
        self.counts = [piece.length for piece in self.blocks]

    def version(self) -> tuple[VersionList, Boxes]:
        """The list of the updates that were sealed, each hospital's weight other than its neighbours', and boxes."""
        found = [_facts(self.folder / f"update-{number}") for number in range(CLIENTS)]
        statements, boxes = zip(*found, strict=True)
        each = self.own.total_weight // CLIENTS
        weights = [each - (number % 3) for number in range(CLIENTS)]
        version = VersionList.of(self.own.roster, 1, statements, weights)
        return version, {s.signer: dict(b) for s, b in zip(statements, boxes, strict=True)}

    def seal(self, number: int) -> Figures:
        """Hospital ``number``'s update."""
        vector, before = update(number, PLAN, self.values), own_peak()
        began = time.process_time()
        made = self.own.seal(list(self.own.keys)[number], (piece.gather(vector) for piece in self.blocks))
        seconds, peak = time.process_time() - began, own_peak()
        _keep(self.folder / f"update-{number}", (made.statement, made.boxes), made.blocks)
        return figures(self.values, sum(map(len, made.blocks)), seconds, before, (peak, []), vector.nbytes)

    def answer(self, number: int) -> Figures:
        """The share of the member that is asked as the ``number``-th, in memory as a reply has it."""
        member = list(self.own.asked())[number]
        version, boxes = self.version()
        consents, before = self.own.consents(version, boxes), own_peak()
        began = time.process_time()
        answer = self.own.answer(member, version, boxes, consents, self.counts)
        seconds, peak = time.process_time() - began, own_peak()
        _keep(self.folder / f"answer-{number}", replace(answer, blocks=()), answer.blocks)
        size = sum(map(len, answer.blocks))
        return figures(self.values, size, seconds, before, (peak, []), 0) | {"message_bytes": size}

    def _columns(self) -> Iterator[list[bytes]]:
        files = [(self.folder / f"update-{number}").open("rb") for number in range(CLIENTS)]
        for count in self.counts:
            yield [file.read(packed_size(count, PLAN.field_bits)) for file in files]
        for file in files:
            file.close()

    def add(self, _: int) -> Figures:
        """The aggregator's version; the answers' bytes are in memory, as messages bring them."""
        version, before = self.version()[0], own_peak()
        began, answers = time.process_time(), []
        for path in sorted(self.folder.glob("answer-*.facts")):
            data = path.with_suffix("").read_bytes()
            answers.append(replace(_facts(path), blocks=_cut(data, self.counts)))
        with (self.folder / "sum").open("wb") as file:
            for block in self.own.combine(version, self.counts, self._columns(), answers):
                file.write(block)
        seconds, peak = time.process_time() - began, own_peak()
        tag = sum(answer.tag for answer in answers) % TAG_PRIME
        (self.folder / "sum.facts").write_bytes(pickle.dumps(tag))
        size = (self.folder / "sum").stat().st_size
        return figures(self.values, size, seconds, before, (peak, []), 0) | {"message_bytes": size}

    def open(self, _: int) -> Figures:
        """A node's opening, and whether it is the exact sum and the dither."""
        version, boxes = self.version()
        out = np.zeros(self.values, dtype=np.int64)
        data, before = (self.folder / "sum").read_bytes(), own_peak()
        began = time.process_time()
        opened = self.own.open(version, _facts(self.folder / "sum"), _cut(data, self.counts), self.counts)
        for piece, values in zip(self.blocks, opened, strict=True):
            for place, part in piece.spread(values):
                out[place] += part
        seconds, peak = time.process_time() - began, own_peak()
        made = figures(self.values, len(data), seconds, before, (peak, []), out.nbytes)
        for number, weight in enumerate(version.weights):
            out -= update(number, PLAN, self.values) * np.int64(weight)
        dithers, first = self.own.dithers(version, boxes), 0
        for piece in self.blocks:
            for place, part in piece.spread(self.own.beyond_mean(dithers, first, piece.length)):
                out[place] -= part
            first += piece.length
        return made | {"max_error_steps": int(np.abs(out).max())}


ROLES: dict[str, Callable[[Roles, int], Figures]] = {
    "seal": Roles.seal,
    "answer": Roles.answer,
    "add": Roles.add,
    "open": Roles.open,
}


def measure(share: float, together: bool = False) -> dict[str, list[Figures]]:
    """Each role of each committee: seconds are medians and peaks the largest where several do the same.

    ``together``: those that do the same share a process, which is quicker and no measure of their memory.
    """
    out: dict[str, list[Figures]] = {}
    for name, (_, threshold) in SHAPES.items():
        out[name] = []
        with tempfile.TemporaryDirectory(prefix="crossward-benchmark-") as folder:
            for role in ROLES:
                say(f"Llama-3.1-8B's adapter, {name}: {role} on 1 core")
                numbers = range({"seal": CLIENTS, "answer": threshold + 1}.get(role, 1))
                turns = [tuple(numbers)] if together else [(number,) for number in numbers]
                given = ("--name", name, "--folder", folder, "--share", share, "--role", role, "--number")
                module = "benchmarks.encryption.llama_committee"
                found = [row for turn in turns for row in fresh(module, *given, *turn, seconds=MOST_SECONDS)]
                worst = {key: max(row[key] for row in found) for key in found[0]}
                row = worst | medians(found, "seconds", "values_per_s")
                out[name].append({"role": role, "workers": 1, **row})
    return out


def main() -> None:
    """One role in this process, once for every number; a row of figures each, as JSON."""
    p = argparse.ArgumentParser(prog="python -m benchmarks.encryption.llama_committee", description=__doc__)
    p.add_argument("--role", choices=tuple(ROLES), required=True)
    p.add_argument("--name", choices=tuple(SHAPES), default=next(iter(SHAPES)))
    p.add_argument("--folder", type=path_argument, required=True)
    p.add_argument("--number", type=int, nargs="+", default=[0], help="which hospitals seal or members answer")
    p.add_argument("--share", type=float, default=1.0, help="share of the layers")
    args = p.parse_args()
    with one_core():
        roles = Roles(args.name, args.folder, args.share)
        print(json.dumps([ROLES[args.role](roles, number) for number in args.number]))


if __name__ == "__main__":
    main()
