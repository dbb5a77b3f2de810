"""What adapters and reports remember: membership inference and canaries, with and without DP-SGD.

Not for: the attacks (``membership``, ``reported``, ``canaries``) or what they attack (``trained``).
"""

from __future__ import annotations

import weakref
from collections.abc import Callable

from client_app.training.learner import LoraLearner
from client_app.training.trained import Vector
from crossward.config.privacy_settings import PrivacySettings
from data.sampling import count_units
from research.attacks import canaries as canary_attack
from research.attacks import held_out as held_out_attack
from research.attacks import membership as membership_attack
from research.attacks import reported as reported_attack
from research.attacks.laboratory import Laboratory
from research.attacks.private import PRIVACY, trainer_for
from research.attacks.scores import Score
from research.attacks.trained import FULL, QUICK, Bench, Train

Say = Callable[[str], None]
SIZES = {"full": FULL, "quick": QUICK}
_BENCHES: weakref.WeakKeyDictionary[Laboratory, Bench] = weakref.WeakKeyDictionary()


def privately(settings: PrivacySettings) -> Train:
    """A hospital's local training by patient-level DP-SGD, its noise calibrated to the hospital and the whole run."""

    def train(learner: LoraLearner, start: Vector, version: int, seed: int) -> Vector:
        units = count_units(learner.train_tokens, by_patient=True)
        trainer = trainer_for(settings, units, learner.schedule.versions * learner.schedule.local_steps)
        return trainer.apply(learner, start, version)

    return train


def bench_of(lab: Laboratory, say: Say) -> Bench:
    """The bench of a laboratory's size and seed, made once."""
    if lab not in _BENCHES:
        name = f"dp-fl, epsilon {PRIVACY.epsilon:g}"  # calibrated to these hospitals and all their versions
        _BENCHES[lab] = Bench(lab.seed, SIZES[lab.size.memory], say, {name: privately(PRIVACY)})
    _BENCHES[lab].progress = say
    return _BENCHES[lab]


def membership(lab: Laboratory, say: Say) -> list[Score]:
    """Membership inference by patient, from adapters: another hospital's view and the released adapter's."""
    return membership_attack.run(bench_of(lab, say))


def reported(lab: Laboratory, say: Say) -> list[Score]:
    """Membership inference by patient, from what stands beside sealed updates: at the aggregator and in the network."""
    return reported_attack.run(bench_of(lab, say))


def held_out(lab: Laboratory, say: Say) -> list[Score]:
    """Membership inference of held-out patients, from the losses that hospitals report of them."""
    return held_out_attack.run(bench_of(lab, say))


def canaries(lab: Laboratory, say: Say) -> list[Score]:
    """Exposure and extraction of planted identifiers."""
    return canary_attack.run(bench_of(lab, say))
