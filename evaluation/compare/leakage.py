"""What an aggregator learns of hospitals' notes by each method: where the attack suite's scores come in.

Leakage is the attack's gain over guessing without the update, at the aggregator, cut to [0, 1]. Two values are no
measurements but follow from what the method is: nothing is sent where hospitals stay alone, and everything is where
notes are handed over.

Not for: attacks (``evaluation.attacks``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from evaluation.attacks.scores import Score
from evaluation.compare.methods import CENTRALISED, LOCAL, Method

DEFINITION, MEASURED, ABSENT = "by definition", "measured", "attack suite absent"
# A method (what it seals: ``fraction`` and ``config``; how it trains: ``config``) -> the attack's score on what the
# aggregator sees of it
Attack = Callable[[Method], Score]
attack: Attack | None = None  # the attack suite's, once it is connected here


@dataclass(frozen=True)
class Leakage:
    """``value`` in [0, 1] with its 95 % interval; None where nothing was measured. ``how`` says what it rests on."""

    value: float | None
    low: float | None
    high: float | None
    how: str
    score: dict[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def leakage_of(method: Method) -> Leakage:
    """An aggregator's gain from ``method``."""
    if method.name == LOCAL:
        return Leakage(0.0, 0.0, 0.0, DEFINITION)
    if method.name == CENTRALISED:
        return Leakage(1.0, 1.0, 1.0, DEFINITION)
    if attack is None:
        return Leakage(None, None, None, ABSENT)
    score = attack(method)
    value, low, high = (min(max(x, 0.0), 1.0) for x in (score.gain, score.low, score.high))
    return Leakage(value, low, high, MEASURED, score.to_json())
