"""Weight rules: which weighting, damping and exponents a strategy uses where the run config names none.

``strategy.name`` brings a rule of its own (``RULES``), and ``strategy.weighting``, ``strategy.damping`` and
``strategy.exponents`` replace parts of it. So a strategy of the literature is what its article says, by name alone.

Not for: the formulas (``crossward.config.weightings``), what damping does (``strategies.aggregation.weighting``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from crossward.config.settings import AUTO
from crossward.config.weightings import EQUAL

ASYNC_HYBRID, FEDAVG, DP_FEDAVG, FEDBUFF, FEDASYNC = "async-hybrid", "fedavg", "dp-fedavg", "fedbuff", "fedasync"
RELATIVE, ABSOLUTE, FADING = "relative", "absolute", "fading"
DAMPINGS = {  # name: what it does (strategies.aggregation.weighting)
    RELATIVE: "staleness only shifts shares within a buffer",
    ABSOLUTE: "each update is shortened by its own staleness factor",
    FADING: "as absolute at first; by the last version (with few hospitals: always) shares make up for how seldom a "
    "hospital takes part",
}


@dataclass(frozen=True)
class WeightRule:
    """How updates are weighed: exponents a of the bandwidth, p of the staleness factor (1+s)^-p, q of the loss.

    An update whose reported loss is more than ``loss_limit`` times its version's median counts for less: by the square
    of how many times more. Infinity: losses have no part in it.
    """

    weighting: str
    damping: str
    bandwidth_exponent: float = 0.5
    staleness_exponent: float = 0.5
    loss_exponent: float = 1.0
    loss_limit: float = math.inf


RULES = {
    ASYNC_HYBRID: WeightRule("examples", FADING, staleness_exponent=1.0, loss_limit=3.0),
    FEDAVG: WeightRule("examples", RELATIVE),
    DP_FEDAVG: WeightRule(EQUAL, RELATIVE),
    FEDBUFF: WeightRule("examples", ABSOLUTE),
    FEDASYNC: WeightRule("examples", ABSOLUTE),
}


def weight_rule(name: str, weighting: str, damping: str, exponents: str) -> WeightRule:
    """The rule of the strategy ``name``, with what is not ``auto`` in its place.

    Raises
    ------
    ValueError
        ``exponents`` are not three numbers from 0 to 8.
    """
    rule = RULES[name]
    if weighting != AUTO:
        rule = replace(rule, weighting=weighting)
    if damping != AUTO:
        rule = replace(rule, damping=damping)
    if exponents == AUTO:
        return rule
    try:
        values = tuple(float(part) for part in exponents.split(","))
    except ValueError:
        values = ()
    if len(values) != 3 or not all(0.0 <= value <= 8.0 for value in values):
        raise ValueError(
            f"strategy.exponents = {exponents!r}: expected three numbers from 0 to 8 (bandwidth, staleness, loss), "
            "such as '0.5,0.5,1', or 'auto'"
        )
    a, p, q = values
    return replace(rule, bandwidth_exponent=a, staleness_exponent=p, loss_exponent=q)
