"""A run folder on a machine that dies, and on a disk that fills up at any operation, or loses updates that wait.

Not for: what nodes and the network do (``benchmarks.soak.faults``).
"""

from __future__ import annotations

import errno
import os
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from crossward.ledger.file import FILE_NAME
from crossward.ledger.lines import read_events
from crossward.ledger.state import fold
from crossward.protocol.parts import Part
from server_app.run_folder import RunFolder

KILLS = {
    "record": (
        "ServerApp killed before a ledger line",
        "ServerApp killed after a ledger line",
        "ServerApp killed amid a ledger line",
        "server's disk full at a ledger line",
    ),
    "keep": (
        "ServerApp killed before a payload",
        "ServerApp killed amid a payload",
        "ServerApp killed after a payload",
        "server's disk full at a payload",
    ),
    "drop": ("ServerApp killed before a payload goes", "ServerApp killed after a payload went"),
}
LOSSES = (
    "waiting update gone from the disk",
    "waiting update cut off on the disk",
    "waiting update changed on the disk",
)


class Killed(BaseException):
    """The ServerApp's process is gone."""


class Deaths:
    """When the server dies next and how: of every way once before one comes again."""

    def __init__(self, rng: random.Random, every: float, may: Callable[[], bool]) -> None:
        self.rng, self.every, self.may = rng, every, may
        self.counts: Counter[str] = Counter()
        self._bag: list[str] = []
        self._left = self._draw()

    def _draw(self) -> int:
        return 1 + int(self.rng.expovariate(1 / self.every))

    def at(self, operation: str) -> str:
        """How the server dies at this operation; mostly not at all."""
        self._left -= 1
        if self._left > 0 or not self.may():
            return ""
        if not self._bag:
            self._bag = [way for ways in KILLS.values() for way in ways]
            self.rng.shuffle(self._bag)
        way = next((way for way in self._bag if way in KILLS[operation]), "")
        if way:
            self._bag.remove(way)
            self.counts[way] += 1
            self._left = self._draw()
        return way


def lose(folder: Path, losses: list[str], rng: random.Random) -> str:
    """Do the first of ``losses`` to an update that waits in ``folder`` while no server runs; empty when none waits."""
    past = fold(read_events(folder / FILE_NAME))
    paths = [folder / f"{update.payload}.payload" for update in past.buffer.values()]
    if not (paths := [path for path in paths if path.exists()]):
        return ""
    path, way = rng.choice(paths), losses.pop(0)
    data = path.read_bytes()
    at = rng.randrange(len(data))
    if "gone" in way:
        path.unlink()
    else:
        path.write_bytes(
            data[:at] + (b"" if "cut" in way else bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :])
        )
    return way


class _FullDisk:
    """A file that takes half of what it is given, then nothing."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def write(self, data: bytes) -> int:
        self._file.write(data[: len(data) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


class FaultyFolder(RunFolder):
    """A run folder that fails as ``deaths`` say; ``rotate_at`` is a version after which it is stopped on purpose."""

    deaths: Deaths | None = None
    rotate_at = 0

    def _way(self, operation: str) -> str:
        return self.deaths.at(operation) if self.deaths is not None else ""

    def record(self, event: str, **facts: Any) -> None:
        """Append the event, and die before, amid or after it, or find the disk full, as planned."""
        way, ledger = self._way("record"), self.path / FILE_NAME
        if "before" in way:
            raise Killed(way)
        if "full" in way:
            self.ledger._file = _FullDisk(self.ledger._file)  # type: ignore[assignment]
        if "after" in way or "amid" in way:
            before = ledger.stat().st_size
            self.ledger.append(event, **facts)
            if "amid" in way:
                assert self.deaths is not None
                os.truncate(ledger, self.deaths.rng.randint(before + 1, ledger.stat().st_size - 1))
            raise Killed(way)
        super().record(event, **facts)
        if event == "version" and facts["version"] == self.rotate_at:
            raise Killed("stopped, for the key to be rotated")

    def keep(self, name: str, facts: dict[str, Any], parts: Iterable[Part]) -> str:
        """Keep the payload, and die before, amid or after it, or find the disk full, as planned."""
        way = self._way("keep")
        if "before" in way:
            raise Killed(way)
        if "amid" in way:
            path = self._file(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.with_name(f".{path.name}.0badbeef").write_bytes(next(iter(parts)).data[:-7])
            raise Killed(way)
        digest = super().keep(name, facts, _cut(parts) if "full" in way else parts)
        if way:
            raise Killed(way)
        return digest

    def drop(self, name: str) -> None:
        """Drop the payload, and die before or after it, as planned."""
        way = self._way("drop")
        if "before" in way:
            raise Killed(way)
        super().drop(name)
        if way:
            raise Killed(way)


def _cut(parts: Iterable[Part]) -> Iterator[Part]:
    for part in parts:
        yield part
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
