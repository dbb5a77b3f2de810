"""Victims whose hospitals protect their patients: a local training by DP-SGD in place of the plain one.

Not for: noise inside the ciphertext (``research.attacks.observers.clipped_noise`` stands for a hospital's whole
update).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from client_app.training.learner import LoraLearner
from crossward.config.privacy_settings import PATIENT, PrivacySettings
from crossward.privacy.accounting import noise_for
from crossward.privacy.mechanism import GaussianMean
from crossward.privacy.noise import secret_normals
from data.sampling import count_units
from research.attacks.laboratory import SGD_RATE, Laboratory, Sample, Vector
from research.attacks.observers import Protection
from research.attacks.sizes import Setting

PRIVACY = PrivacySettings(unit=PATIENT, epsilon=8.0, batch=8, notes_per_patient=1)
UNITS, STEPS = 120, 240  # patients that a hospital of a default run trains on, and its steps in all


@dataclass(frozen=True)
class PrivateTrainer:
    """A :data:`research.attacks.laboratory.Trainer`: patient-level DP-SGD as nodes do it, noise and sample secret.

    ``batch`` patients a step on average, at most as many as the victim has; ``noise_multiplier`` in units of ``clip``.
    A victim of one SGD step takes that step privately, on its one note: AdamW would hide the gradient without noise.
    """

    noise_multiplier: float
    batch: int = 16
    clip: float = 1.0
    notes_per_patient: int = 4

    def __call__(self, lab: Laboratory, sample: Sample, setting: Setting) -> Vector:
        """The private delta of one training on ``sample``, float32 [total]."""
        if not setting.adam:
            mean = GaussianMean(self.clip, self.noise_multiplier, batch=1)
            gradient = torch.from_numpy(lab.gradient(sample))
            shorter = gradient * min(1.0, self.clip / max(float(gradient.norm()), 1e-30))
            step: Vector = mean(shorter, secret_normals).numpy()
            return -np.float32(SGD_RATE) * step
        learner = lab.learner(sample.notes, sample.hospital, setting)
        found: Vector = self.apply(learner, lab.start, 2) - lab.start
        return found

    def apply(self, learner: LoraLearner, start: Vector, version: int) -> Vector:
        """The adapter after one private local training of ``learner`` from ``start``: float32 [total]."""
        learner.privacy = PrivacySettings(
            unit=PATIENT,
            noise_multiplier=self.noise_multiplier,
            clip=self.clip,
            batch=min(self.batch, count_units(learner.train_tokens, by_patient=True)),
            notes_per_patient=self.notes_per_patient,
        )
        return learner.train_private(start, version, self.noise_multiplier).vector


def private(trainer: PrivateTrainer) -> Protection:
    """Clear updates of hospitals that protect their patients.

    Named by the noise, not by an epsilon: a victim of the laboratory has fewer patients than the hospital that the
    noise is calibrated for, so that each of them enters more often.
    """
    return Protection(f"clear, DP-SGD, noise {trainer.noise_multiplier:.3g}", trainer=trainer)


def trainer_for(settings: PrivacySettings, units: int, steps: int) -> PrivateTrainer:
    """As a hospital of ``units`` patients trains in a run of ``steps`` steps in all under ``settings``."""
    noise = settings.noise_multiplier or noise_for(
        settings.epsilon, settings.delta, min(settings.batch / units, 1.0), steps, settings.accountant
    )
    return PrivateTrainer(noise, settings.batch, settings.clip, settings.notes_per_patient)
