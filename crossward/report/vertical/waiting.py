"""Who waited in a vertical run, and for whom: gaps between a party's steps, and who was at work meanwhile.

Not for: what parties did (``crossward.report.vertical.history``).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from crossward.ledger.events import Left
from crossward.report.vertical.history import UNDER_WAY, VerticalHistory


@dataclass(frozen=True)
class Wait:
    """``party`` waited from ``start`` to ``end``; ``others`` were at work for so many seconds of that.

    ``away``: its node had disconnected, so that it waited for nobody.
    """

    party: str
    start: float
    end: float
    others: dict[str, float]
    away: bool = False

    @property
    def seconds(self) -> float:
        """How long it was."""
        return self.end - self.start


def waits(history: VerticalHistory) -> list[Wait]:
    """When each party did nothing between two steps, or since its last one in a run that goes on."""
    found = []
    for party in history.parties:
        mine = sorted((span for span in history.spans if span.party == party), key=lambda span: span.start)
        gaps = [(before.end, after.start) for before, after in pairwise(mine)]
        if mine and history.finished is None and mine[-1].outcome != UNDER_WAY:
            gaps.append((mine[-1].end, history.running))
        for start, end in gaps:
            found += _cut(history, party, start, end)
    return found


def waited_for(found: list[Wait], party: str) -> dict[str, float]:
    """Seconds that ``party`` waited while another was at work, by the other, longest first."""
    out: dict[str, float] = {}
    for wait in found:
        if wait.party == party and not wait.away:
            for other, seconds in wait.others.items():
                out[other] = out.get(other, 0.0) + seconds
    return dict(sorted(out.items(), key=lambda item: -item[1]))


def _cut(history: VerticalHistory, party: str, start: float, end: float) -> list[Wait]:
    """A gap, cut where the party's node disconnected."""
    left = [t.at for t in history.troubles if t.party == party and t.what == Left.name and start <= t.at <= end]
    cut = left[0] if left else end
    parts = [(start, cut, False), (cut, end, True)]
    return [Wait(party, a, b, _at_work(history, party, a, b), away) for a, b, away in parts if b - a > 1e-9]


def _at_work(history: VerticalHistory, party: str, start: float, end: float) -> dict[str, float]:
    out: dict[str, float] = {}
    for span in history.spans:
        both = min(span.end, end) - max(span.start, start)
        if span.party and span.party != party and both > 0:
            out[span.party] = out.get(span.party, 0.0) + both
    return out
