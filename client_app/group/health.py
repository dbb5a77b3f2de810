"""What a supervisor knows of its ranks and of the request under way, and when either is a reason to end the group.

Not for: connections and processes (``client_app.group.supervisor``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from client_app.group import frames

LOADING, WORKING, IDLE = "loading", "working", "idle"
GRACE = 10.0  # seconds in which all ranks should fail where one did
LOADING_FACTOR = 10  # reading and tokenising a hospital's notes makes no steps


@dataclass
class Rank:
    """A rank as the supervisor sees it: what it said last, and when that changed."""

    writer: asyncio.StreamWriter
    pid: int
    created: float
    seen: float
    stage: str = IDLE
    count: int = -1
    changed: float = 0.0

    def beat(self, stage: str, count: int) -> None:
        """It has just said which stage it is in, and how many steps of it are done."""
        if (stage, count) != (self.stage, self.count):
            self.stage, self.count, self.changed = stage, count, self.seen


@dataclass
class Job:
    """A request under way: which ranks have answered, how, and frames that wait to be handed on."""

    number: int
    out: asyncio.Queue[frames.Frame | None] = field(default_factory=asyncio.Queue)
    answered: set[int] = field(default_factory=set)
    result: frames.Frame | None = None
    failure: dict[str, Any] = field(default_factory=dict)
    failed_at: float = 0.0

    def take(self, number: int, frame: frames.Frame, size: int, now: float) -> None:
        """A frame of rank ``number`` of ``size``: progress, which is handed on, or its answer."""
        header, _ = frame
        if "progress" in header:
            self.out.put_nowait((header, []))
            return
        self.answered.add(number)
        if "failed" in header:
            if not self.failure or header.get("last"):
                self.failure = header
            self.failed_at = self.failed_at or now
        elif number == 0:
            self.result = frame
        if len(self.answered) == size:
            self.out.put_nowait(None)


def silence(ranks: Mapping[int, Rank], limit: float, now: float) -> str | None:
    """A reason to end that lies in a rank that has not responded for ``limit`` seconds."""
    for number, rank in sorted(ranks.items()):
        if now - rank.seen > limit:
            return f"rank {number} (process {rank.pid}) has not responded for {limit:g} s"
    return None


def standstill(ranks: Mapping[int, Rank], job: Job, limit: float, now: float) -> str | None:
    """A reason to end that lies in the request under way: a rank fails alone, or does nothing for ``limit`` seconds."""
    if job.failed_at and now - job.failed_at > GRACE:
        return f"{job.failure['failed']} at one rank, which the others wait for: {job.failure['reason']}"
    for number, rank in sorted(ranks.items()):
        patience = limit * (1 if rank.stage == WORKING else LOADING_FACTOR)
        if number not in job.answered and now - rank.changed > patience:
            return f"rank {number} (process {rank.pid}) has made no progress for {patience:g} s"
    return None
