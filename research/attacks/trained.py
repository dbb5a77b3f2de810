"""What membership inference and canaries attack: adapters that hospitals of made-up patients trained together.

Patients are shared out by chance, hospital by hospital, into members (trained on), nonmembers (held out) and shadow
patients (an attacker's own, from the same distribution); identifiers are planted as notes of their own among one
hospital's members. Two settings: ``DEFAULT`` is a run of the default length on as many patients as a default run has,
``LONG`` takes more steps over a small part of the patients, so that what is planted often enough is learned by heart.

A version adds the mean of all hospitals' updates, weighted by their patients' notes, in floats: what encryption opens
to, without rounding and without waiting, since neither hides a note from who holds the adapter.

Not for: the attacks (``membership``, ``canaries``), or a run's strategies, rounding and waiting (``strategies``).
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from client_app.training.learner import AdaptedModel, LoraLearner, adapted_model
from client_app.training.losses import to_device, token_losses
from client_app.training.trained import Vector
from crossward.adapters import LoraSettings, ModelConfig, write_vector
from crossward.config.personal_settings import NOT_PERSONAL
from crossward.config.schedule import Schedule
from crossward.config.train_settings import TrainSettings
from data import DataConfig, Hospital, TokenDataset, load_hospitals, test_batches
from research.attacks.patients import joined, part, planted, shortened
from research.attacks.planted import draw_canaries

DEFAULT, LONG = "default training", "long training"
SETTINGS = (DEFAULT, LONG)
BATCH_TOKENS = 1024  # a forward pass when measuring; larger ones fall out of a core's cache
REPEATS = (0, 1, 2, 4, 8, 16)
PLANTED = 1  # the hospital that has the canaries among its notes

Floats = NDArray[np.float64]
Progress = Callable[[str], None]
Train = Callable[[LoraLearner, Vector, int, int], Vector]
"""(learner, start, version, seed) -> what a hospital's local training makes of ``start``."""


def plainly(learner: LoraLearner, start: Vector, version: int, seed: int) -> Vector:
    """A hospital's own training, without differential privacy."""
    return learner.train(start, version, seed).vector


@dataclass(frozen=True)
class Size:
    """How much of everything. ``patients`` are made up in all, a quarter of them members, a quarter nonmembers.

    ``LONG`` trains on one member in ``long_share``, for ``long_versions``. ``victims`` of either are attacked, by at
    most ``read`` tokens of each; ``seen`` global versions are looked at by another hospital; ``shadows`` adapters of
    ``shadow_steps`` steps are an attacker's; ``each`` canaries are planted for every count of repeats, ranked among
    ``candidates``; ``worlds`` trainings are the aggregator's evidence for each of ``cohorts``: hospitals of so many
    patients beside the one in question, which train for so many steps. Hospitals that hold out ``held_out`` patients
    make ``reports`` of their loss in a run; ``report_worlds`` of these are attacked.
    """

    patients: int
    hospitals: int
    versions: int
    local_steps: int
    long_versions: int
    long_share: int
    victims: int
    read: int
    seen: int
    shadows: int
    shadow_steps: int
    each: int
    candidates: int
    worlds: int
    max_tokens: int = 256
    cohorts: tuple[tuple[int, int], ...] = ((4, 1), (32, 8))
    held_out: tuple[int, ...] = (10, 36)
    reports: int = 24
    report_worlds: int = 4800


FULL = Size(
    patients=1960,
    hospitals=4,
    versions=16,
    local_steps=10,
    long_versions=60,
    long_share=8,
    victims=300,
    read=100_000,
    seen=4,
    shadows=2,
    shadow_steps=480,
    each=12,
    candidates=1024,
    worlds=1800,
)
QUICK = Size(
    patients=480,
    hospitals=2,
    versions=4,
    local_steps=5,
    long_versions=12,
    long_share=15,
    victims=100,
    read=400,
    seen=2,
    shadows=1,
    shadow_steps=20,
    each=2,
    candidates=128,
    worlds=40,
    max_tokens=128,
    reports=8,
    report_worlds=600,
)


def patient_losses(adapted: AdaptedModel, vector: Vector, tokens: TokenDataset) -> Floats:
    """Mean loss of each patient's notes together, nats a token, float64 [patients]."""
    write_vector(adapted.model, adapted.layout, vector)
    rows = np.zeros((len(tokens.patient_ids), 2))
    with torch.no_grad():
        for batch in test_batches(tokens, BATCH_TOKENS):
            losses, predicted, _ = token_losses(adapted.model, to_device(batch.inputs, torch.device("cpu")))
            sums = np.stack([losses.double().sum(1).numpy(), predicted.sum(1).numpy()], axis=1)
            np.add.at(rows, batch.patients, sums)
    return np.asarray(rows[:, 0] / rows[:, 1], dtype=np.float64)


@dataclass(frozen=True)
class Site:
    """One hospital's patients as tokens."""

    hospital: Hospital
    member: TokenDataset
    nonmember: TokenDataset
    shadow: TokenDataset


@dataclass(frozen=True)
class Target:
    """A federation's global versions, oldest first (some of them; the last is what is released)."""

    versions: tuple[Vector, ...]
    member: TokenDataset

    @property
    def released(self) -> Vector:
        """The last version, float32 [total]."""
        return self.versions[-1]


class Bench:
    """Hospitals and what was trained on them; an adapter that both attacks look at is trained once.

    ``private`` are further methods to attack beside plain training, by name: each a local training.
    """

    def __init__(
        self,
        seed: int,
        size: Size,
        progress: Progress = lambda _: None,
        private: Mapping[str, Train] | None = None,
    ) -> None:
        self.seed, self.size, self.progress = seed, size, progress
        self.trainings: dict[str, Train] = {"fl": plainly, **(private or {})}
        self.data = DataConfig(
            synthetic_patients=size.patients, test_fraction=0.5, max_tokens=size.max_tokens, seed=seed
        )
        self.adapted = adapted_model(ModelConfig(device="cpu"), LoraSettings(), seed)
        self.schedules = {
            name: Schedule(versions=versions, local_steps=size.local_steps)
            for name, versions in ((DEFAULT, size.versions), (LONG, size.long_versions))
        }
        tokenizer = self.adapted.base.tokenizer
        self.canaries = draw_canaries(tokenizer, REPEATS, size.each, self._rng("canaries"))
        self.sites = [self._site(h) for h in load_hospitals(self.data, size.hospitals)]
        self.nonmember = self._victims([s.nonmember for s in self.sites], "nonmembers")
        self._targets: dict[tuple[str, str], Target] = {}
        self._shadows: list[Vector] = []
        self._losses: dict[tuple[bytes, tuple[str, ...]], Floats] = {}

    def _rng(self, purpose: str) -> np.random.Generator:
        return np.random.default_rng([self.seed, *purpose.encode()])

    def _site(self, hospital: Hospital) -> Site:
        learner = self.learner(hospital)
        rng = self._rng(hospital.name)
        inside = rng.permutation(len(learner.train_tokens.patient_ids))
        outside = rng.permutation(len(learner.test_tokens.patient_ids))
        m, n = len(inside) // 2, len(outside) // 2
        test = dataclasses.replace(learner.test_tokens, packing=True)
        shadow = joined([part(learner.train_tokens, inside[m:]), part(test, outside[n:])])
        return Site(hospital, part(learner.train_tokens, inside[:m]), part(test, outside[:n]), shadow)

    def learner(self, hospital: Hospital, tokens: TokenDataset | None = None, setting: str = DEFAULT) -> LoraLearner:
        """A hospital's learner in a setting, which trains on ``tokens`` (default: the hospital's own)."""
        schedule = self.schedules[setting]
        learner = LoraLearner(self.adapted, hospital, self.data, schedule, TrainSettings(), personal=NOT_PERSONAL)
        learner.on_progress = lambda report: None
        if tokens is not None:
            learner.train_tokens = tokens
        return learner

    def _members(self, setting: str) -> list[TokenDataset]:
        """Each hospital's notes of members in a setting."""
        found = []
        for site in self.sites:
            count = len(site.member.patient_ids)
            kept = count if setting == DEFAULT else max(2, count // self.size.long_share)
            found.append(site.member if kept == count else part(site.member, range(kept)))
        return found

    def target(self, setting: str, method: str = "fl") -> Target:
        """What a federation came to in ``setting``, trained by ``method``; each is trained once."""
        key = (setting, method)
        if key not in self._targets:
            members = self._members(setting)
            trained = [
                planted(tokens, self.canaries, self.adapted.base.tokenizer) if number == PLANTED else tokens
                for number, tokens in enumerate(members)
            ]
            learners = [self.learner(s.hospital, t, setting) for s, t in zip(self.sites, trained, strict=True)]
            # by the patients' own notes: planted ones are many, short, and would give their hospital most of the weight
            weights = [len(tokens) for tokens in members]
            versions = self._federate(learners, weights, self.schedules[setting], self.trainings[method], key)
            self._targets[key] = Target(versions, self._victims(members, f"members, {setting}"))
        return self._targets[key]

    def _federate(
        self,
        learners: Sequence[LoraLearner],
        weights: Sequence[int],
        schedule: Schedule,
        train: Train,
        key: tuple[str, str],
    ) -> tuple[Vector, ...]:
        """Versions that make up ``size.seen``, evenly spaced, the last included."""
        shares = np.array(weights, dtype=np.float64) / sum(weights)
        x, kept = self.adapted.initial, []
        count = schedule.versions
        looked_at = {round(count * (i + 1) / self.size.seen) - 1 for i in range(self.size.seen)}
        for version in range(count):
            self.progress(f"{', '.join(key)}: version {version + 1} of {count}")
            total = np.zeros(x.size, dtype=np.float64)
            for number, (learner, share) in enumerate(zip(learners, shares, strict=True)):
                seed = int(np.random.SeedSequence([self.seed, version, number]).generate_state(1)[0])
                total += share * (train(learner, x, version, seed).astype(np.float64) - x)
            x = (x + schedule.server_rate * total).astype(np.float32)
            if version in looked_at:
                kept.append(x)
        return tuple(kept)

    def _victims(self, parts: Sequence[TokenDataset], purpose: str) -> TokenDataset:
        """Patients to attack, drawn from all hospitals together, so that every hospital has its share."""
        whole = joined(parts)
        drawn = part(whole, self._rng(purpose).permutation(len(whole.patient_ids))[: self.size.victims])
        return shortened(drawn, self.size.read)

    def shadows(self) -> list[Vector]:
        """Reference adapters: each trained on an even part of all shadow patients, by an attacker alone."""
        pool = joined([site.shadow for site in self.sites])
        parts = np.array_split(self._rng("shadows").permutation(len(pool.patient_ids)), self.size.shadows)
        while len(self._shadows) < self.size.shadows:
            number = len(self._shadows)
            self.progress(f"shadow adapter {number + 1} of {self.size.shadows}")
            learner = self.learner(self.sites[0].hospital, part(pool, parts[number]))
            self._shadows.append(learner.alone(self.adapted.initial, self.size.shadow_steps, self.seed + number))
        return self._shadows

    def losses(self, vector: Vector, tokens: TokenDataset) -> Floats:
        """As :func:`patient_losses`, on the model at hand; nothing is measured twice."""
        key = (hashlib.sha256(vector.tobytes()).digest(), tokens.patient_ids)
        if key not in self._losses:
            self._losses[key] = patient_losses(self.adapted, vector, tokens)
        return self._losses[key]
