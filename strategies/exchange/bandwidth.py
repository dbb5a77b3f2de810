"""B_k: each node's bandwidth in Mbit/s, measured from real transfers, never reported by the node.

``bytes / (round trip - compute seconds as reported - what an empty message costs)``, smoothed exponentially and
clamped. Transfers under 1 MB say more about latency than about the link and are ignored; an unknown link
counts as the median of the known ones.

Not for: link speeds of a simulation (``server_app.simulated_links`` configures them here).
"""

from __future__ import annotations

import statistics

LOWEST, HIGHEST = 0.1, 100_000.0
SMALLEST_TRANSFER = 1_000_000
SMOOTHING = 0.3


class Bandwidths:
    """Mbit/s by node id."""

    def __init__(self) -> None:
        self._known: dict[int, float] = {}
        self._fixed: set[int] = set()
        self._cheapest: float | None = None

    @property
    def empty_message(self) -> float:
        """Seconds that the cheapest small message cost so far, compute left out; 0 while none is known."""
        return self._cheapest or 0.0

    def configure(self, node: int, mbit: float) -> None:
        """Fix a node's bandwidth (simulation); measurements no longer change it."""
        self._known[node] = min(max(mbit, LOWEST), HIGHEST)
        self._fixed.add(node)

    def observe(self, node: int, size: int, round_trip: float, compute: float) -> None:
        """Take in a transfer of ``size`` bytes both ways in ``round_trip`` s, of which ``compute`` s were computing."""
        if node in self._fixed:
            return
        cost = max(round_trip - compute, 0.0)
        if size < SMALLEST_TRANSFER:
            self._cheapest = cost if self._cheapest is None else min(self._cheapest, cost)
            return
        seconds = max(cost - self.empty_message, 1e-3)
        now = min(max(8e-6 * size / seconds, LOWEST), HIGHEST)
        before = self._known.get(node, now)
        self._known[node] = (1 - SMOOTHING) * before + SMOOTHING * now

    def usual(self, node: int) -> bool:
        """Whether a node's link is no slower than the median of those known, or not known itself."""
        known = self._known.get(node)
        return known is None or known >= statistics.median_low(self._known.values())

    def value(self, node: int) -> float:
        """Mbit/s of a node; the median of the known ones (1 when none is) if it has not been measured."""
        known = self._known.get(node)
        if known is not None:
            return known
        return statistics.median(self._known.values()) if self._known else 1.0
