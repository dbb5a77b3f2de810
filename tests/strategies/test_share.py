"""No hospital buys more of a version than ``strategy.max-share``, whatever it claims, however stale the others are."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from crossward.config.strategy_settings import StrategySettings
from strategies.aggregation.versions import weigh
from strategies.aggregation.weighting import Contribution

POWERS = st.sampled_from((1, 2, 4, 8, 16))
CLAIMS = st.tuples(st.floats(1e-6, 1e4), st.integers(1, 1 << 40), st.integers(1, 1 << 40), st.floats(0.1, 1e5))


@given(
    claims=st.lists(st.tuples(CLAIMS, st.integers(0, 40), POWERS), min_size=1, max_size=8),
    bits=st.integers(5, 10),
    name=st.sampled_from(("paper", "paper-literal", "examples", "corrected")),
    most=st.floats(0.01, 1.0),
    damping=st.sampled_from(("relative", "absolute")),
)
@example([((1e4, 1, 1, 0.1), 0, 1), ((1.0, 1, 1, 1.0), 9, 16), ((1.0, 1, 1, 1.4), 9, 16)], 7, "paper", 0.45, "relative")
@example([((1e4, 1, 1, 0.1), 0, 16), ((1.0, 1, 1, 1.0), 9, 16), ((1.0, 1, 1, 1.4), 9, 1)], 7, "paper", 0.45, "relative")
def test_no_claim_weighs_more_than_the_largest_share(
    claims: list[Any], bits: int, name: str, most: float, damping: str
) -> None:
    """At most max-share of W (1/K where that is more), rounded up to a unit; a weight of 1 is the least there is."""
    total = 1 << bits
    room = total // (2 * len(claims))  # what strategies.history.state.multiplier_room lets in
    parts = [
        Contribution(loss * tokens, tokens, examples, mbit, stale, multiplier)
        for (loss, tokens, examples, mbit), stale, multiplier in claims
        if multiplier <= room
    ]
    if not parts or len(parts) > total // 4:
        return
    settings = StrategySettings(weighting=name, max_share=most, damping=damping)
    share, weights = weigh(parts, total, settings)
    cap = math.ceil(max(most, 1 / len(parts)) * total * (1 + 1e-9))
    assert all(w <= max(cap, c.multiplier) for w, c in zip(weights, parts, strict=True)), (share, weights)
    assert all(w >= c.multiplier and w % c.multiplier == 0 for w, c in zip(weights, parts, strict=True))
    assert sum(weights) <= total
    if damping == "relative" and all(c.multiplier == 1 for c in parts):
        assert sum(weights) == total
