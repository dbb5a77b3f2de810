"""Versions of hospitals that train different ranks: every component that is opened is a sum over enough of them.

Of what an update says, the rank alone counts (0: all components). Updates of hospitals that train more than most wait
until as many of them are there as a version needs contributors; meanwhile the others can make a version without them.

Not for: what members of a committee demand of a list (``crossward.encryption.committee.statements``), what nodes divide
by (``crossward.adapters.ranks``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from crossward.config.model_settings import MOST_RANK
from crossward.encryption.committee.statements import holders
from crossward.ledger.events import Accepted

ROOM = 2  # buffers full of updates: the most of a version, which scale epochs leave weights for


def chosen_of(group: Sequence[Accepted], needed: int, most: int, fewest: int) -> list[Accepted]:
    """The updates of ``group``, in the order in which they came, that become a version; none before there are enough.

    It takes ``needed`` of them, and of those that train the highest rank among them ``fewest``. Where all train the
    same they are the first ``most``; else up to twice as many, so that nobody waits for long.
    """
    ranks = [update.rank or MOST_RANK + 1 for update in group]
    if len(set(ranks)) < 2:
        return list(group[:most]) if len(group) >= needed else []
    for top in sorted(set(ranks), reverse=True):
        able = [k for k, rank in enumerate(ranks) if rank <= top]
        highest = [k for k in able if ranks[k] == top][:fewest]
        others = [k for k in able if k not in highest][: ROOM * most - len(highest)]
        if len(highest) == fewest and len(highest) + len(others) >= needed:
            return [group[k] for k in sorted(highest + others)]
    return []


def within_share(
    weights: Sequence[int], multipliers: Sequence[int], most: float, ranks: Sequence[int] = ()
) -> list[int]:
    """``weights`` lowered until none is more than ``most`` of their sum (1/K where that is more), rounded up.

    So it is for every component, among the K updates that train it. Members hold every list to that, whatever was lost
    to rounding by multipliers.
    """
    out, levels = list(weights), list(holders(ranks or [0] * len(weights)).values())
    while True:
        heaviest = next((k for level in levels if (k := _heaviest(out, multipliers, level, most)) >= 0), -1)
        if heaviest < 0:
            return out
        out[heaviest] -= multipliers[heaviest]


def _heaviest(weights: Sequence[int], multipliers: Sequence[int], level: Sequence[int], most: float) -> int:
    """Which of ``level`` has more than its share and can have less; -1 when none."""
    k = max(level, key=lambda i: weights[i])
    cap = math.ceil(max(most, 1.0 / len(level)) * sum(weights[i] for i in level))
    return k if weights[k] > cap and weights[k] > multipliers[k] else -1


def missing(group: Sequence[Accepted], fewest: int) -> str:
    """What keeps updates of the highest rank in ``group`` from being opened, for people; empty: nothing."""
    ranks = {update.rank or MOST_RANK + 1 for update in group}
    if len(ranks) < 2:
        return ""
    highest = sum((update.rank or MOST_RANK + 1) == max(ranks) for update in group)
    return f", {highest} of {fewest} that train the highest rank among them" if highest < fewest else ""
