"""An alignment of several parties in one process, step by step, with CPU seconds and bytes of each.

Parties live on disk, so that one process can play all of them in turn.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from crossward.alignment import Given, Party, Receipt, Ring

PEPPER = bytes(range(32))
NAMES = ("heart", "vitals", "laboratory", "insurer")
T = TypeVar("T")
Say = Callable[[str], None]


def identifiers(party: int, size: int, common: int) -> tuple[str, ...]:
    """``size`` identifiers of a party, ``common`` of which all parties have."""
    shared = (f"MRN-{number:08}" for number in range(common))
    return (*shared, *(f"MRN-{party + 1}{number:08}" for number in range(size - common)))


class Steps:
    """CPU seconds of this process and wall seconds, by step."""

    def __init__(self, say: Say = lambda text: None) -> None:
        self.cpu: defaultdict[str, float] = defaultdict(float)
        self.wall: defaultdict[str, float] = defaultdict(float)
        self.say = say

    def time(self, name: str, work: Callable[..., T], *arguments: Any) -> T:
        """What ``work`` returns; its seconds are added to the step ``name``."""
        cpu, wall = time.process_time(), time.perf_counter()
        result = work(*arguments)
        self.cpu[name] += time.process_time() - cpu
        self.wall[name] += time.perf_counter() - wall
        self.say(f"{name}: {self.wall[name]:.0f} s")
        return result


def alignment(
    folder: Path, size: int, common: int, *, parties: int = 2, threads: int = 1, say: Say | None = None
) -> dict[str, Any]:
    """One alignment of ``parties`` with ``size`` identifiers each; every step of one party's is there once for each.

    Raises
    ------
    RuntimeError
        the result is not the intersection.
    """
    ring = Ring("bench", NAMES[:parties], NAMES[0], most=max(size, 2))
    steps = Steps(say) if say else Steps()
    moved = 0

    def given(name: str) -> Given:
        return Given(identifiers(ring.number(name), size, common), PEPPER)

    def party(name: str) -> Party:
        return Party(folder / name, ring, name, threads)

    declared = [steps.time("blind", lambda name=name: party(name).prepare(given(name))) for name in ring.parties]
    for name in ring.parties:
        party(name).agree(declared)

    def carry(messages: Iterable[bytes], to: Party) -> None:
        nonlocal moved
        for message in messages:
            moved += len(message)
            to.receive(message)

    receipts: list[Receipt] = []
    for origin in ring.parties:
        sender = origin
        for name in ring.route(origin)[1:]:
            steps.time("receive", carry, party(sender).messages(origin), party(name))
            if name != origin:
                receipts.append(steps.time("raise", party(name).raise_set, origin))
            sender = name
    positions = steps.time("compare", party(ring.label_holder).compare, receipts)
    moved += sum(map(len, positions.values()))
    results = [
        steps.time("accept", lambda name=name: party(name).accept(given(name), positions[name]))
        for name in ring.parties
    ]
    if any(len(one.rows) != common or one.digest != results[0].digest for one in results):
        raise RuntimeError("an alignment did not give the intersection")
    return {
        "cpu": dict(steps.cpu),
        "wall": dict(steps.wall),
        "cpu_s": sum(steps.cpu.values()),
        "wall_s": sum(steps.wall.values()),
        "bytes": moved,
    }
