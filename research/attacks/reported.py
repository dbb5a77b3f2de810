"""Membership inference by the aggregator under policy ``all``: from the public facts of a hospital's sealed updates.

Sealed blocks tell it nothing, but beside them stand numbers of the training: examples, tokens, summed loss, share of
values clipped, seconds, bytes. Worlds are made in which a patient P is among a hospital's, or not, and each is trained
for real. Two attackers say which it was:

* one who knows P's notes and the distribution, not the hospital's other patients; without P another patient is there;
* one who knows every other patient of the hospital: the neighbouring data sets of differential privacy. Once with all
  facts, once without the number of examples, which by itself tells this attacker how many notes were added.

Either has two attacks. The matched filter needs no teaching: P's presence draws the reported loss towards P's own. The
learned one weighs all facts; it is taught by worlds of some patients and judged by those of others (cross-validation
would do with fewer worlds, but what it says of them hangs together, and its intervals come out too narrow).

A node rounds the loss that it reports (``train.loss-grid``); the filter is also given the exact one, to see what that
is worth. One patient of few shows more than one of many: hospitals are of several sizes.

Not for: attacks on adapters (``research.attacks.membership``).
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from client_app.training.learner import LoraLearner
from client_app.training.trained import on_grid, rough_count
from client_app.update.payloads import Payloads, Vault
from client_app.update.quantise import quantise
from crossward.config.encryption_schemes import BFV
from crossward.config.encryption_settings import EncryptionSettings
from crossward.config.personal_settings import NOT_PERSONAL
from crossward.config.schedule import Schedule
from crossward.config.train_settings import TrainSettings
from crossward.encryption.key_format import ConsortiumKey
from crossward.encryption.plan import FieldPlan
from crossward.encryption.secret import Secret
from data import TokenDataset
from research.attacks.detection import auc, auc_interval
from research.attacks.patients import part
from research.attacks.scores import AGGREGATOR, NETWORK, Score
from research.attacks.statistics import RESAMPLES, Interval
from research.attacks.trained import Bench, patient_losses

# Fixed before any result: an attacker who bets on every pair of worlds wins at most 1 bet in 20 more often than by
# tossing a coin. The full size judges 1200 worlds, 600 of either kind: ``power`` is 0.82 there, and a row's note states
# its own. Worlds of one P that resemble each other widen the interval, which makes it less.
MARGIN = 0.05
TAUGHT = 3  # one patient in so many teaches the learned attack and is not judged
WINDOW = 64  # tokens a sequence
SEALED = 3  # updates whose sealed bytes are measured
PLAN = FieldPlan(8, 7, 2)

Floats = NDArray[np.float64]
FACTS = ("examples", "tokens", "mean loss", "clipped", "seconds")
FILTER, LEARNED = "membership inference, reported loss", "membership inference, reported facts"


@dataclass(frozen=True)
class World:
    """What a training came to in one world (``FACTS``, float64 [5], exactly), what is known, and the truth.

    ``patient`` is (notes, tokens, base loss) of P, ``others`` the same of all other patients together.
    """

    facts: Floats
    patient: Floats
    others: Floats
    inside: bool


class Workbench:
    """Trains a hospital of ``others`` patients and P for ``steps`` in many worlds.

    ``tokens`` are those patients that any world may have.
    """

    def __init__(self, bench: Bench, tokens: TokenDataset, others: int, steps: int) -> None:
        if len(tokens.patient_ids) < 2 * others + 2:
            raise ValueError(
                f"worlds of {others} other patients need {2 * others + 2} to draw from, there are "
                f"{len(tokens.patient_ids)}: lower cohorts, or raise the bench's number of patients or victims"
            )
        self.others = others
        self.tokens = dataclasses.replace(tokens, max_tokens=WINDOW)
        self.adapted = bench.adapted
        data = dataclasses.replace(bench.data, max_tokens=WINDOW)
        self.schedule = Schedule(versions=1, local_steps=steps)
        settings = TrainSettings()
        self.batch, self.grid = settings.batch_size, settings.loss_grid
        self.learner = LoraLearner(
            bench.adapted, bench.sites[0].hospital, data, self.schedule, settings, personal=NOT_PERSONAL
        )
        self.learner.on_progress = lambda report: None
        lengths = np.diff(self.tokens.offsets)
        count = len(self.tokens.patient_ids)
        self.notes = np.bincount(self.tokens.patients, minlength=count).astype(np.float64)
        self.length = np.bincount(self.tokens.patients, lengths, minlength=count)
        self.base = patient_losses(bench.adapted, bench.adapted.initial, self.tokens)
        self.vault = Vault(EncryptionSettings(scheme=BFV, workers=1), ConsortiumKey(Secret.generate()))
        self.bytes: list[int] = []

    def _known(self, patients: list[int]) -> Floats:
        """(notes, tokens, base loss a token) of some patients together."""
        length = self.length[patients]
        return np.array([self.notes[patients].sum(), length.sum(), length @ self.base[patients] / length.sum()])

    def world(self, patient: int, others: list[int], inside: bool, instead: int | None, seed: int) -> World:
        """One training with ``patient`` inside or not; ``instead`` takes the place when not."""
        extra = [patient] if inside else [] if instead is None else [instead]
        self.learner.train_tokens = part(self.tokens, [*others, *extra])
        start = self.adapted.initial
        began = time.perf_counter()
        trained = self.learner.train(start, 0, seed)
        seconds = time.perf_counter() - began
        rounded = quantise(
            trained.vector - start,
            None,
            self.schedule.value_range(0),
            2 ** (PLAN.value_bits - 1) - 1,
            np.random.default_rng(seed),
        )
        if len(self.bytes) < SEALED:
            with Payloads(self.learner.sizes, PLAN, self.vault) as payloads:
                self.bytes.append(payloads.seal(rounded.values).size)
        mean = trained.loss_sum / trained.num_tokens
        facts = [rough_count(trained).num_examples, trained.num_tokens, mean, rounded.clipped, seconds]
        return World(np.array(facts, dtype=np.float64), self._known([patient]), self._known(others), inside)


def worlds(bench: Workbench, count: int, rng: np.random.Generator, known: bool) -> tuple[list[World], Floats]:
    """``count`` worlds in pairs of one P, inside and not; and who P is in each, float64 [count].

    ``known``: both of a pair have the same other patients, and nobody takes P's place. Nobody is P for another time
    before all have been.
    """
    found, who = [], []
    everybody = len(bench.tokens.patient_ids)
    turns = rng.permutation(everybody)
    for number in range(count // 2):
        patient = int(turns[number % everybody])
        rest = rng.permutation(np.delete(np.arange(everybody), patient))[: 2 * bench.others + 1].tolist()
        instead, first, second = rest[0], rest[1 : 1 + bench.others], rest[1 + bench.others :]
        for inside, others in ((True, first), (False, first if known else second)):
            seed = int(rng.integers(2**31))
            found.append(bench.world(patient, others, inside, None if known else instead, seed))
            who.append(patient)
    return found, np.array(who, dtype=np.float64)


def features(found: list[World], known: bool, facts: tuple[str, ...] = FACTS) -> Floats:
    """What a linear classifier weighs, float64 [worlds, features]: each fact, and each fact times what is known of P.

    Who knows the other patients takes off what they alone would come to.
    """
    reported = np.stack([w.facts for w in found])
    if known:
        others = np.stack([w.others for w in found])
        reported[:, FACTS.index("examples")] -= others[:, 0]
        reported[:, FACTS.index("mean loss")] -= others[:, 2]
    reported = reported[:, [FACTS.index(name) for name in facts]]
    about = np.stack([w.patient for w in found])
    if known:
        about[:, 2] -= np.stack([w.others for w in found])[:, 2]
    reported, about = StandardScaler().fit_transform(reported), StandardScaler().fit_transform(about)
    products = reported[:, :, None] * about[:, None, :]
    return np.concatenate([reported, about, products.reshape(len(found), -1)], axis=1)


def matched(found: list[World], known: bool) -> Floats:
    """How far the reported loss is drawn towards P's own, float64 [worlds]; larger: inside.

    Both are differences to what is expected without P: of the others, or of anybody where these are not known. That a
    training lowers the loss, which the base losses of others do not say, is the mean over worlds and taken off.
    """
    loss, own = np.array([w.facts[FACTS.index("mean loss")] for w in found]), np.array([w.patient[2] for w in found])
    if known:
        others = np.array([w.others[2] for w in found])
        loss, own = loss - others, own - others
    else:
        own = own - own.mean()
    return np.asarray((loss - loss.mean()) * own, dtype=np.float64)


def as_reported(found: list[World], grid: float) -> list[World]:
    """The worlds as the aggregator sees them: the mean loss as a power of ``grid``; 1.0: exactly."""
    if grid <= 1.0:
        return found
    out, at = [], FACTS.index("mean loss")
    for world in found:
        facts = world.facts.copy()
        facts[at] = on_grid(float(facts[at]), grid)
        out.append(dataclasses.replace(world, facts=facts))
    return out


def taught(who: Floats) -> NDArray[np.bool_]:
    """The worlds, bool [worlds], of those patients that teach: one in ``TAUGHT``."""
    return np.isin(who, np.unique(who)[::TAUGHT])


def judged(values: Floats, inside: NDArray[np.bool_], teaching: NDArray[np.bool_]) -> Floats:
    """The scores of all worlds that do not teach, float64, by a classifier of those that do; larger: inside."""
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
    model.fit(values[teaching], inside[teaching])
    return np.asarray(model.decision_function(values[~teaching]), dtype=np.float64)


def power(count: int, margin: float = MARGIN) -> float:
    """Probability that ``count`` independent worlds, half of either kind, show an attack worth nothing to be so.

    Two one-sided tests at 5 % by the normal approximation; the variance of the AUC of scores that tell nothing is
    1/12 for each kind, over its number of worlds.
    """
    sd = math.sqrt(2.0 / 12.0 / (count // 2))
    return float(max(0.0, 2.0 * stats.norm.cdf(margin / sd - stats.norm.ppf(0.95)) - 1.0))


def auc_intervals(
    scores: Floats, inside: NDArray[np.bool_], who: Floats, levels: Sequence[float] = (0.95, 0.90)
) -> tuple[Interval, ...]:
    """Intervals of the AUC of worlds' ``scores``, where those of one P (``who``) are not independent.

    The wider, at each end, of DeLong's over worlds and of a percentile bootstrap that draws whole P's; the second
    collapses at an AUC of 0 or 1, the first takes worlds of one P for independent. Drawn by a fixed generator, so that
    a rerun gives the same.
    """
    member, nonmember = scores[inside], scores[~inside]
    wins = (member[:, None] > nonmember) + 0.5 * (member[:, None] == nonmember)
    everybody, index = np.unique(who, return_inverse=True)
    times = np.random.default_rng(0).multinomial(
        everybody.size, np.full(everybody.size, 1.0 / everybody.size), size=RESAMPLES
    )
    times_in, times_out = times[:, index[inside]].astype(np.float64), times[:, index[~inside]].astype(np.float64)
    total = times_in.sum(axis=1) * times_out.sum(axis=1)
    drawn = ((times_in @ wins) * times_out).sum(axis=1)[total > 0] / total[total > 0]
    out = []
    for level in levels:
        exact = auc_interval(member, nonmember, level)
        low, high = np.quantile(drawn, [0.5 - level / 2, 0.5 + level / 2])
        out.append((min(exact[0], float(low)), max(exact[1], float(high))))
    return tuple(out)


def auc_row(
    attack: str, view: str, setting: str, scores: Floats, inside: NDArray[np.bool_], who: Floats, note: str
) -> Score:
    """The AUC of worlds' ``scores``, with intervals by patient, against guessing at ``MARGIN``."""
    value = auc(scores[inside], scores[~inside])
    (low, high), inner = auc_intervals(scores, inside, who)
    within = inner[0] > 0.5 - MARGIN and inner[1] < 0.5 + MARGIN
    note = (
        f"{note}; {len(np.unique(who))} patients in turn, intervals by patient; power to show nothing at most "
        f"{power(len(inside)):.2f}"
    )
    return Score(
        attack,
        view,
        "encrypted",
        setting,
        "AUC",
        value,
        0.5,
        value - 0.5,
        low - 0.5,
        high - 0.5,
        len(inside),
        MARGIN,
        within,
        note,
    )


UNKNOWN, KNOWN = "attacker knows the patient, not the others", "attacker knows every other patient"
LOOKS = (  # who looks at what, and whether all other patients are known
    (AGGREGATOR, False, FACTS[1:], UNKNOWN),
    (AGGREGATOR, True, FACTS[1:], KNOWN),
    (AGGREGATOR, True, FACTS, f"{KNOWN}; weighting 'examples'"),
    (NETWORK, True, ("seconds",), f"{KNOWN}; sees sizes and times"),
)


def cohort(bench: Bench, tokens: TokenDataset, others: int, steps: int, rng: np.random.Generator) -> list[Score]:
    """What the facts beside the sealed update of a hospital of ``others`` patients and P tell of P: eight rows."""
    work, out = Workbench(bench, tokens, others, steps), []
    size = f"hospital of {others + 1} patients"
    made: dict[bool, tuple[list[World], Floats]] = {}
    for known, who_knows in ((False, UNKNOWN), (True, KNOWN)):
        bench.progress(f"aggregator: {bench.size.worlds} worlds of a {size}; the {who_knows}")
        found, who = made[known] = worlds(work, bench.size.worlds, rng, known)
        inside = np.array([w.inside for w in found])
        for grid, how in ((1.0, "; reported exactly (train.loss-grid = 1)"), (work.grid, "")):
            note = f"matched filter; loss grid {grid:g}; {steps} steps of {work.batch} sequences of {WINDOW} tokens"
            scores = matched(as_reported(found, grid), known)
            out.append(auc_row(FILTER, AGGREGATOR, f"{size}; {who_knows}{how}", scores, inside, who, note))
    for view, known, kept, what in LOOKS:
        found, who = made[known]
        inside, teaching = np.array([w.inside for w in found]), taught(who)
        scores = judged(features(as_reported(found, work.grid), known, kept), inside, teaching)
        note = f"facts: {', '.join(kept)}; {steps} steps; {int(teaching.sum())} worlds of other patients taught it"
        if view == NETWORK:
            sizes = sorted(set(work.bytes))
            note += f"; sealed bytes of {len(work.bytes)} updates: {', '.join(map(str, sizes))}"
        out.append(auc_row(LEARNED, view, f"{size}; {what}", scores, inside[~teaching], who[~teaching], note))
    return out


def run(bench: Bench) -> list[Score]:
    """What the facts beside a sealed update tell of a patient, for every size of hospital."""
    pool = bench.sites[0].shadow  # of one hospital, so that a house's way of writing tells nobody from another
    tokens = part(pool, range(min(bench.size.victims, len(pool.patient_ids))))
    out = []
    for number, (others, steps) in enumerate(bench.size.cohorts):
        out += cohort(bench, tokens, others, steps, np.random.default_rng([bench.seed, 7, number]))
    return out
