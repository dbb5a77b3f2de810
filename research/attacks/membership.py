"""Membership inference by patient: was this patient among those whose notes an adapter was trained on?

Three attacks on a patient's notes taken together. *Loss*: low loss means member (Yeom et al., arXiv 1709.01604).
*Reference*: loss below what adapters trained on other patients of the same distribution have, which takes away how
easy a patient's notes are (offline, difficulty-calibrated form of arXiv 2112.03570 and 2111.08440; the likelihood
ratio itself needs more shadow adapters than are worth training). *Trajectory*: the reference attack's mean over the
global versions that another hospital has seen (arXiv 2208.14933 has the idea).

The guess is the same attack on the untuned base model, whose losses cannot know who was trained on: an AUC away from
0.5 there would mean that members differ from nonmembers by how they were chosen.

Not for: what is reported to the aggregator (``research.attacks.reported``) or what an adapter spells out
(``canaries``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from research.attacks.detection import Statistic, auc, auc_gain_intervals, auc_interval, gain_intervals, tpr_at_fpr
from research.attacks.scores import HOSPITAL, RELEASED, Score
from research.attacks.statistics import Interval, share_interval
from research.attacks.trained import SETTINGS, Bench

# Fixed before any result. AUC: an attacker who bets on every pair of patients wins at most 1 bet in 20 more often than
# by tossing a coin. TPR: at most 5 of 100 patients are found with certainty (1 false alarm in 100) beyond the guess.
MARGIN_AUC = 0.05
MARGIN_TPR = 0.05
FPR = 0.01

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Scored:
    """One attack's scores, larger for members: float64 [members], [nonmembers]; the guess's, of the same patients."""

    member: Floats
    nonmember: Floats
    member_guess: Floats
    nonmember_guess: Floats


@dataclass(frozen=True)
class Losses:
    """Mean losses of a group of patients under each adapter, nats a token.

    ``base`` float64 [patients], ``versions`` [versions, patients] (oldest first), ``shadows`` [shadows, patients].
    """

    base: Floats
    versions: Floats
    shadows: Floats

    def loss(self) -> tuple[Floats, Floats]:
        """(attack's, guess's) scores of the loss attack on the released adapter."""
        return -self.versions[-1], -self.base

    def reference(self) -> tuple[Floats, Floats]:
        """... of the reference attack."""
        usual = self.shadows.mean(axis=0)
        return usual - self.versions[-1], usual - self.base

    def trajectory(self) -> tuple[Floats, Floats]:
        """... of the reference attack over all versions seen."""
        usual = self.shadows.mean(axis=0)
        return usual - self.versions.mean(axis=0), usual - self.base


ATTACKS = (("loss", RELEASED, Losses.loss), ("reference", RELEASED, Losses.reference))
SEEN = (("trajectory", HOSPITAL, Losses.trajectory),)


def scored(losses: tuple[Losses, Losses], attack: str) -> Scored:
    """``losses`` of members and nonmembers as an attack's scores."""
    make = next(make for name, _, make in (*ATTACKS, *SEEN) if name == attack)
    (member, member_guess), (nonmember, nonmember_guess) = make(losses[0]), make(losses[1])
    return Scored(member, nonmember, member_guess, nonmember_guess)


def _no_narrower(drawn: Interval, value: float, guess: float, members: int, level: float) -> Interval:
    """``drawn``, an interval of a gain in TPR, made as wide at each end as Clopper-Pearson's of the TPR asks for.

    A bootstrap collapses where no member, or every one, is found, which few members easily come to by chance.
    """
    low, high = share_interval(round(value * members), members, level)
    return min(drawn[0], low - guess), max(drawn[1], high - guess)


def _row(
    name: str, view: str, method: str, setting: str, metric: str, found: Scored, rng: np.random.Generator, note: str
) -> Score:
    statistic: Statistic = auc if metric == "AUC" else lambda m, n: tpr_at_fpr(m, n, FPR)
    margin = MARGIN_AUC if metric == "AUC" else MARGIN_TPR
    value = statistic(found.member, found.nonmember)
    guess = statistic(found.member_guess, found.nonmember_guess)
    pairs = (found.member, found.member_guess), (found.nonmember, found.nonmember_guess)
    if metric == "AUC":
        (low, high), inner = auc_gain_intervals(*pairs)
    else:
        (low, high), inner = (
            _no_narrower(drawn, value, guess, found.member.size, level)
            for drawn, level in zip(gain_intervals(statistic, *pairs, rng=rng), (0.95, 0.90), strict=True)
        )
    inside = inner[0] > -margin and inner[1] < margin
    samples = found.member.size + found.nonmember.size
    attack = f"membership inference, {name}"
    return Score(
        attack, view, method, setting, metric, value, guess, value - guess, low, high, samples, margin, inside, note
    )


def rows(losses: tuple[Losses, Losses], method: str, setting: str, rng: np.random.Generator) -> list[Score]:
    """AUC and TPR at 1 % FPR of every attack on one target; ``losses`` of members and of nonmembers.

    TPR is left out where there are fewer than 100 nonmembers.
    """
    out = []
    for name, view, _ in (*ATTACKS, *SEEN):
        found = scored(losses, name)
        low, high = auc_interval(found.member, found.nonmember)
        base = auc_interval(found.member_guess, found.nonmember_guess)
        note = (
            f"{found.member.size} members, {found.nonmember.size} nonmembers; AUC in [{low:.3f}, {high:.3f}], "
            f"the untuned base's in [{base[0]:.3f}, {base[1]:.3f}]"
        )
        out.append(_row(name, view, method, setting, "AUC", found, rng, note))
        if found.nonmember.size * FPR >= 1.0:
            out.append(_row(name, view, method, setting, "TPR at 1% FPR", found, rng, note))
    return out


def measured(bench: Bench, setting: str, method: str) -> tuple[Losses, Losses]:
    """Losses of members and nonmembers of one target under all that an attacker compares."""
    target, shadows = bench.target(setting, method), bench.shadows()
    bench.progress(f"{setting}, {method}: losses of patients")

    def of(tokens: object) -> Losses:
        under = [bench.losses(vector, tokens) for vector in (*target.versions, *shadows)]  # type: ignore[arg-type]
        count = len(target.versions)
        return Losses(bench.losses(bench.adapted.initial, tokens), np.stack(under[:count]), np.stack(under[count:]))  # type: ignore[arg-type]

    return of(target.member), of(bench.nonmember)


def run(bench: Bench) -> list[Score]:
    """All membership inference on the bench's adapters, plain and private."""
    out: list[Score] = []
    for method in bench.trainings:
        for setting in SETTINGS:
            rng = np.random.default_rng([bench.seed, len(out)])
            out += rows(measured(bench, setting, method), method, setting, rng)
    return out
