"""Which party is at which node of a vertical run: nodes join, leave, restart, and may be no party's at all.

Not for: what parties are asked (``strategies.vertical.relay``).
"""

from __future__ import annotations

from collections.abc import Collection

ATTEMPTS = 3  # failures of a node that has not introduced itself, before the run can do without it
PAUSE, LONG_PAUSE = 5.0, 60.0  # seconds before a node that failed is asked again; and one that the run does without


class Nodes:
    """The nodes that are connected."""

    def __init__(self) -> None:
        self._parties: dict[int, str] = {}  # empty before a party has introduced itself
        self._replaced: dict[int, str] = {}  # by a newer node of the same party
        self._failures: dict[int, int] = {}
        self._pauses: dict[int, float] = {}

    def meet(self, present: Collection[int]) -> tuple[list[int], list[tuple[int, str]]]:
        """Who joined, and who left with the party that was there, since the last call."""
        joined = sorted(set(present) - self._parties.keys())
        left = [(node, self._parties.pop(node)) for node in sorted(self._parties.keys() - set(present))]
        for node, _ in left:
            for kept in (self._replaced, self._failures, self._pauses):
                kept.pop(node, None)
        self._parties |= dict.fromkeys(joined, "")
        return joined, left

    def __contains__(self, node: int) -> bool:
        return node in self._parties

    def introduced(self, node: int, party: str) -> None:
        """``party`` is at ``node`` from now on: an earlier node of it is not asked while this one is there."""
        for other in [one for one, name in self._parties.items() if name == party and one != node]:
            self._parties[other], self._replaced[other] = "", party
        self._parties[node] = party
        self._replaced.pop(node, None)

    def failed(self, node: int, now: float) -> int:
        """A node failed; how often it did before it introduced itself, 0 for a party's."""
        self._pauses[node] = now + PAUSE
        if self._parties.get(node):
            return 0
        self._failures[node] = count = self._failures.get(node, 0) + 1
        if count >= ATTEMPTS:
            self._pauses[node] = now + LONG_PAUSE
        return count

    def hopeful(self) -> int:
        """How many nodes are a party's, or may yet turn out to be."""
        return sum(self._failures.get(node, 0) < ATTEMPTS or bool(party) for node, party in self._parties.items())

    def free(self, busy: Collection[int], now: float) -> list[tuple[int, str]]:
        """Nodes that may be asked something, with their party: not busy, pausing, or replaced by one that is there."""
        there = set(self._parties.values())
        return [
            (node, party)
            for node, party in self._parties.items()
            if node not in busy and self._pauses.get(node, 0.0) <= now and self._replaced.get(node) not in there
        ]

    def pauses(self, now: float) -> list[float]:
        """When pauses end."""
        return [moment for moment in self._pauses.values() if moment > now]
