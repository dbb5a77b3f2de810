"""What encryption cost a version, from its ledger line.

Not for: the benchmark of encryption by itself (``benchmarks.encryption``).
"""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median

from crossward.ledger.events import Version


def seconds(made: Version) -> float:
    """Seconds that sealing and opening took at all contributors together, and adding at the server."""
    return sum(made.seal_seconds) + sum(made.open_seconds) + (made.add_seconds or 0.0)


def share(made: Version) -> float:
    """The same as a share of the version's wall time: what it would be, were nothing of it done side by side."""
    return seconds(made) / made.seconds if made.seconds else 0.0


def typical_share(versions: Iterable[Version]) -> float:
    """Median share over the versions that hold updates; 0 without any."""
    shares = [share(made) for made in versions if made.tasks]
    return median(shares) if shares else 0.0
