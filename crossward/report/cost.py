"""What encryption cost a version, from its ledger line: work, and the time that opening it took.

Not for: the benchmark of encryption by itself (``benchmarks.encryption``).
"""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median
from typing import NamedTuple

from crossward.ledger.events import Version


class Latency(NamedTuple):
    """How long a committee took to open a version: seconds, and as a share of the version's wall time."""

    seconds: float
    share: float

    def __str__(self) -> str:
        return f"{self.seconds:.2g} s, {100 * self.share:.1f} % of a version"


def seconds(made: Version) -> float:
    """Seconds of work: sealing and opening at all contributors, adding at the server, a committee's members' share."""
    work = sum(made.seal_seconds) + sum(made.open_seconds)
    return work + (made.add_seconds or 0.0) + (made.member_seconds or 0.0)


def share(made: Version) -> float:
    """The same as a share of the version's wall time: what it would be, were nothing of it done side by side."""
    return seconds(made) / made.seconds if made.seconds else 0.0


def typical_share(versions: Iterable[Version]) -> float:
    """Median share over the versions that hold updates; 0 without any."""
    shares = [share(made) for made in versions if made.tasks]
    return median(shares) if shares else 0.0


def latency(made: Version) -> Latency | None:
    """How long the committee took to open a version; None under other schemes."""
    if made.opening_seconds is None:
        return None
    return Latency(made.opening_seconds, made.opening_seconds / made.seconds if made.seconds else 0.0)


def typical(found: Iterable[Latency | None]) -> Latency | None:
    """Medians over the versions that a committee opened; None without any."""
    known = [each for each in found if each is not None]
    return Latency(median(x.seconds for x in known), median(x.share for x in known)) if known else None
