"""Membership inference by the aggregator from the held-out losses that a hospital reports beside its updates.

The patient P is held out at a hospital, or another patient is in P's place; the hospital reports at every version of a
run. The versions are real (a hospital trains them, on other patients), and so are the losses of everybody's window
under each. Two attackers, both stronger than the aggregator, as they know every adapter and so P's loss under it:

* one who knows P, not the hospital's other patients: whether the reports are drawn towards P's losses;
* one who also knows all other held-out patients: the likelihood ratio of P to the others who may be there instead.
  No attack on these reports does better (Neyman and Pearson).

A channel is a way to report. The one that nodes use is looked at beside those that it was chosen over: the exact mean,
which is the positive control, and roundings. Noise is undone by no averaging here: an attacker has the whole run.

Not for: what else stands beside an update (``research.attacks.reported``), or patients who are trained on.
"""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from client_app.training.held_out_sample import LONGEST, HeldOutSample
from client_app.training.trained import on_grid
from client_app.update.held_out_loss import EPSILON, HeldOutLoss, following
from crossward.adapters import write_vector
from crossward.config.train_settings import TrainSettings
from research.attacks.patients import joined
from research.attacks.reported import auc_row
from research.attacks.scores import AGGREGATOR, Score
from research.attacks.trained import DEFAULT, Bench

NAME = "membership inference, reported held-out loss"
EXACTLY = "the exact mean"
UNKNOWN, KNOWN = "attacker knows the patient, not the others", "attacker knows every other patient"
INSTEAD = 12  # patients who may be there in P's place, as far as an attacker counts them
MEASURED = 400  # patients to draw from
GRID = 1.5
_TINY = -50.0  # log-likelihood of what cannot have been reported

Floats = NDArray[np.float64]


class Channel(Protocol):
    """A way to report held-out ``losses``, float64 [patients, versions]."""

    name: str

    def report(self, losses: Floats, rng: np.random.Generator) -> Floats:
        """What is reported at each version, float64 [versions]."""

    def likelihood(self, reports: Floats, losses: Floats) -> float:
        """Logarithm of the reports' likelihood under ``losses``, up to what does not depend on them."""


class Exact:
    """The mean as it is."""

    name = EXACTLY

    def report(self, losses: Floats, rng: np.random.Generator) -> Floats:
        """The means."""
        return np.asarray(losses.mean(0), dtype=np.float64)

    def likelihood(self, reports: Floats, losses: Floats) -> float:
        """Less by the farthest of the means."""
        return -float(np.abs(reports - losses.mean(0)).max() * 1e6)


class Rounded:
    """The nearest power of the grid, as training losses are rounded."""

    name = f"rounded to powers of {GRID:g}"

    def report(self, losses: Floats, rng: np.random.Generator) -> Floats:
        """The means' nearest powers."""
        return np.array([on_grid(float(mean), GRID) for mean in losses.mean(0)])

    def likelihood(self, reports: Floats, losses: Floats) -> float:
        """Less by every report that would have been another."""
        return _TINY * float((np.abs(self.report(losses, np.random.default_rng()) - reports) > 1e-9).sum())


class AtRandom:
    """The power of the grid below or above, at random, so that the mean over reports is right."""

    name = f"rounded to powers of {GRID:g} at random"

    def _below(self, losses: Floats) -> tuple[Floats, Floats]:
        mean = losses.mean(0)
        below = GRID ** np.floor(np.log(mean) / math.log(GRID))
        return below, (mean - below) / (below * (GRID - 1))

    def report(self, losses: Floats, rng: np.random.Generator) -> Floats:
        """The power above with the share of the way that the mean is from the one below."""
        below, share = self._below(losses)
        return np.asarray(np.where(rng.random(len(share)) < share, below * GRID, below), dtype=np.float64)

    def likelihood(self, reports: Floats, losses: Floats) -> float:
        """Of either power, by its share."""
        below, share = self._below(losses)
        chance = np.where(np.abs(reports - below * GRID) < 1e-9, share, np.where(reports < below * 1.01, 1 - share, 0))
        chance[reports < below * 0.99] = 0.0
        return float(np.log(np.maximum(chance, math.exp(_TINY))).sum())


class Noisy:
    """As nodes report: clipped means with noise, smoothed."""

    name = f"as reported, epsilon {EPSILON:g}"

    def _run(self, losses: Floats, normals: Floats) -> Floats:
        last, out, versions = None, [], losses.shape[1]
        for version in range(versions):
            last = (
                following(last, losses[:, version].tolist(), version, versions, lambda at: float(normals[at])) or last
            )
            assert last is not None
            out.append(last.value)
        return np.array(out)

    def report(self, losses: Floats, rng: np.random.Generator) -> Floats:
        """The estimates, with fresh noise for every version."""
        return self._run(losses, rng.standard_normal(size=(losses.shape[1],)))

    def likelihood(self, reports: Floats, losses: Floats) -> float:
        """What noise the reports would have had, version by version: the reports so far are known to everybody."""
        total, versions = 0.0, losses.shape[1]
        last: HeldOutLoss | None = None
        for version in range(versions):
            none = following(last, losses[:, version].tolist(), version, versions, lambda _: 0.0)
            one = following(last, losses[:, version].tolist(), version, versions, lambda _: 1.0)
            assert none is not None and one is not None
            drawn = (reports[version] - none.value) / max(one.value - none.value, 1e-12)
            total -= drawn**2 / 2
            last = HeldOutLoss(float(reports[version]), none.noise, version, none.spent)
        return total


CHANNELS: tuple[Channel, ...] = (Exact(), Rounded(), AtRandom(), Noisy())


def losses_over(bench: Bench, versions: int) -> Floats:
    """Losses of everybody's window under each version of a hospital's training, float64 [patients, versions].

    The hospital trains on members; whose losses are measured are its nonmembers and shadow patients.
    """
    site = bench.sites[0]
    learner = bench.learner(site.hospital, site.member)
    pool = joined([one for s in bench.sites for one in (s.nonmember, s.shadow)])
    sample = HeldOutSample.draw(pool, LONGEST * min(len(pool.patient_ids), MEASURED), 0, bench.seed)
    x, rows = bench.adapted.initial, []
    for version in range(versions):
        bench.progress(f"version {version + 1} of {versions}")
        write_vector(bench.adapted.model, bench.adapted.layout, x)
        rows.append(sample.losses(bench.adapted.model, TrainSettings().precision))
        x = learner.train(x, version * bench.schedules[DEFAULT].versions // versions, bench.seed + version).vector
    return np.stack(rows, axis=1)


def attack(
    channel: Channel, losses: Floats, patients: int, worlds: int, rng: np.random.Generator
) -> tuple[dict[str, Floats], NDArray[np.bool_], Floats]:
    """Scores by attacker (larger: P is there), the truth and who P was, each [worlds]; hospitals of ``patients``.

    Worlds come in pairs of one P, there and not, with the same other patients. Nobody is P for another time before all
    have been.
    """
    mean, count = losses.mean(0), len(losses)
    scores: dict[str, list[float]] = {UNKNOWN: [], KNOWN: []}
    reports, own, inside, who = [], [], [], []
    turns = rng.permutation(count)
    for number in range(worlds):
        if number % 2 == 0:
            patient = turns[number // 2 % count]
            order = rng.permutation(np.delete(np.arange(count), patient))
            others, rest = order[: patients - 1], order[patients - 1 :]
        there = number % 2 == 0
        found = losses[np.append(others, patient if there else rng.choice(rest))]
        seen = channel.report(found, rng)
        instead = [channel.likelihood(seen, losses[np.append(others, q)]) for q in rng.choice(rest, INSTEAD)]
        with_p = channel.likelihood(seen, losses[np.append(others, patient)])
        top = max(instead)
        scores[KNOWN].append(with_p - top - math.log(np.mean(np.exp(np.array(instead) - top))))
        reports.append(seen)
        own.append(losses[patient] - mean)
        inside.append(there)
        who.append(float(patient))
    told = np.stack(reports)
    scores[UNKNOWN] = ((told - told.mean(0)) * np.stack(own)).sum(1).tolist()
    return {name: np.array(found) for name, found in scores.items()}, np.array(inside), np.array(who)


def run(bench: Bench) -> list[Score]:
    """Every channel, for hospitals that hold out few patients and more."""
    size, out = bench.size, []
    losses = losses_over(bench, size.reports)
    for patients in size.held_out:
        for channel in CHANNELS:
            bench.progress(f"{patients} held-out patients, {channel.name}")
            rng = np.random.default_rng([bench.seed, 8, patients])
            scores, inside, who = attack(channel, losses, patients, size.report_worlds, rng)
            for attacker, found in scores.items():
                setting = f"{patients} held-out patients, {size.reports} reports; {attacker}; {channel.name}"
                out.append(auc_row(NAME, AGGREGATOR, setting, found, inside, who, "knows every adapter"))
    return out
