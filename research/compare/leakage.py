"""What an aggregator learns of hospitals' notes by each method: where the attack suite's scores come in.

Leakage is the strongest attack's gain over guessing without the update, at the aggregator, rescaled and cut to [0, 1].
Two values are no measurements but follow from what the method is: nothing is sent where hospitals stay alone, and
everything is where notes are handed over.

Not for: attacks (``research.attacks``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from crossward.config.encryption_schemes import BFV, CKKS
from crossward.config.encryption_settings import ALL, SENSITIVE
from crossward.config.privacy_settings import NO_UNIT, PrivacySettings
from research.attacks.scores import Score
from research.compare.methods import CENTRALISED, LOCAL, Method
from research.compare.settings import Comparison

if TYPE_CHECKING:
    from research.attacks.laboratory import Laboratory
    from research.attacks.observers import Protection

# Where leakage is measured, kept beside the comparison's settings. The suite's laboratory is its own: only what a
# method seals, and how it trains privately, is carried over.
LABORATORY = {
    "notes": "synthetic",
    "rank": 8,
    "value_bits": 8,
    "remark": "measured in the attack suite's own laboratory, whatever --set says of notes, adapter or bits",
}
DEFINITION, MEASURED, ABSENT = "by definition", "measured", "not attacked"
# A method (what it seals: ``fraction`` and ``config``; how it trains: ``config``) -> the attack's score on what the
# aggregator sees of it
Attack = Callable[[Method], Score]


@dataclass(frozen=True)
class Leakage:
    """``value`` in [0, 1] with its 95 % interval; None where nothing was measured. ``how`` says what it rests on."""

    value: float | None
    low: float | None
    high: float | None
    how: str
    score: dict[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values by field name."""
        return asdict(self)


def leakage_of(method: Method, attack: Attack | None = None) -> Leakage:
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


class Attacker:
    """The attack suite, in its own laboratory of made-up patients, on whatever a method shows the aggregator.

    Methods that show the same are attacked once. ``units`` are the patients of the largest hospital, whose private
    trainings have the least noise.
    """

    def __init__(self, setting: Comparison, units: int, say: Callable[[str], None] = lambda text: None) -> None:
        self.setting, self.units, self.say = setting, units, say
        self._lab: Laboratory | None = None
        self._scores: dict[str, Score] = {}

    @property
    def lab(self) -> Laboratory:
        """Made when it is first needed."""
        if self._lab is None:
            from research.attacks.laboratory import Laboratory
            from research.attacks.sizes import FULL, QUICK

            self.say("attacks: making the laboratory")
            self._lab = Laboratory(FULL if self.setting.name == "full" else QUICK)
        return self._lab

    def protection(self, method: Method) -> Protection:
        """What the aggregator sees of ``method``, in the suite's terms."""
        from research.attacks.observers import CKKS_ALL, CLEAR_ALL, SEALED_ALL, Protection, sensitive
        from research.attacks.private import private, trainer_for

        policy = method.config.get("encryption.policy", ALL)
        if policy == ALL:
            scheme = method.config.get("encryption.scheme", BFV)
            return {BFV: SEALED_ALL, CKKS: CKKS_ALL}.get(scheme) or Protection(f"sealed, {scheme}", ALL, scheme)
        shown = sensitive(self.lab, method.fraction) if policy == SENSITIVE else CLEAR_ALL
        unit = method.config.get("privacy.unit", NO_UNIT)
        if unit == NO_UNIT:
            return shown
        s = self.setting
        epsilon = float(method.config.get("privacy.epsilon", s.dp_epsilon))
        settings = PrivacySettings(unit=unit, epsilon=epsilon, batch=s.dp_batch, notes_per_patient=s.dp_notes)
        trainer = trainer_for(settings, self.units, s.rounds * s.local_steps)
        return replace(private(trainer), policy=policy, blocks=shown.blocks)

    def __call__(self, method: Method) -> Score:
        """The score of the attack on what ``method`` shows."""
        from research.attacks.leakage import aggregator_leakage

        protection = self.protection(method)
        if protection.name not in self._scores:
            self.say(f"attacks: {method.title}")
            self._scores[protection.name] = aggregator_leakage(self.lab, protection)
        return self._scores[protection.name]
