"""What encryption cost a version, from its ledger line.

Not for: the benchmark of encryption by itself (``benchmarks.encryption``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from statistics import median
from typing import Any


def seconds(line: Mapping[str, Any]) -> float:
    """Seconds that sealing and opening took at all contributors together, and adding at the server."""
    at_nodes = sum(line.get("seal_seconds", ())) + sum(line.get("open_seconds", ()))
    return float(at_nodes) + float(line.get("add_seconds", 0.0))


def share(line: Mapping[str, Any]) -> float:
    """The same as a share of the version's wall time: what it would be, were nothing of it done side by side."""
    wall = float(line.get("seconds", 0.0))
    return seconds(line) / wall if wall > 0 else 0.0


def typical_share(lines: Iterable[Mapping[str, Any]]) -> float:
    """Median share over the versions that hold updates; 0 without any."""
    shares = [share(line) for line in lines if line["tasks"]]
    return median(shares) if shares else 0.0
