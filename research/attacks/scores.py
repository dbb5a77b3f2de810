"""What an attack found, in one form for all of them.

A score says how much an observer gains over guessing without the update. *Margin* is fixed before results are looked
at; an attack's gain is *equivalent to nothing* only when its whole interval lies within the margin.

Not for: how an interval is made (``research.attacks.statistics``).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

NETWORK, AGGREGATOR, HOSPITAL, RELEASED = "network", "aggregator", "another hospital", "released adapter"
MEMBER, COALITION = "a member of a version", "aggregator with keys of the committee"
LABEL_HOLDER, PARTY, KEY_HOLDER = "the label holder", "a party without outcomes", "the key holder"
VIEWS = (NETWORK, AGGREGATOR, COALITION, MEMBER, HOSPITAL, RELEASED, LABEL_HOLDER, PARTY, KEY_HOLDER)
SEPARATION, KNOWN, INFERRED = "separation", "known", "inferred"


@dataclass(frozen=True)
class Score:
    """One figure. ``value`` is ``metric`` as the attack reached it, ``guess`` what is reached without the update.

    ``gain`` = value - guess, [``low``, ``high``] its 95 % interval over ``samples`` independent victims (updates,
    patients or canaries). ``view`` is one of :data:`VIEWS`, ``method`` the protection (a method of the comparison, or a
    policy with its encrypted fraction), ``setting`` the circumstances (worst case, real setting). ``margin`` is None
    where no equivalence is claimed, else ``equivalent`` says whether the 90 % interval lies within it (two one-sided
    tests at 5 %).
    """

    attack: str
    view: str
    method: str
    setting: str
    metric: str
    value: float
    guess: float
    gain: float
    low: float
    high: float
    samples: int
    margin: float | None = None
    equivalent: bool | None = None
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain values by field name."""
        return asdict(self)


@dataclass(frozen=True)
class Separation(Score):
    """How far a version's sum was separated into the updates of ``unknown`` contributors.

    ``value`` is the share of values at which all of them came out exactly; ``guess`` that of the most probable values.
    ``weights`` says whether theirs were known or inferred, ``dither`` whether the version carried one. ``bits_before``
    and ``bits_left`` are the entropies of one contributor's value before and after its sum was seen. A row of its own
    in JSON.
    """

    unknown: int = 0
    weights: str = ""
    dither: bool = False
    bits_left: float = 0.0
    bits_before: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Plain values by the names that the results have used from the first."""
        return {
            "attack": self.attack,
            "unknown": self.unknown,
            "weights": self.weights,
            "dither": self.dither,
            "exact": self.value,
            "bits_left": self.bits_left,
            "bits_before": self.bits_before,
        }
