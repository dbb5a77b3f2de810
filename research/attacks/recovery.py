"""Token recovery from one hospital's update: exact in the worst case, learned in the worst and in the real one.

`run` gives the positive control (clear float-like updates of one SGD step, at most three times the rank of distinct
tokens), what becomes of it with more tokens, with the 8 bits that are sent and with B = 0, and then every protection in
both settings. The sweep's guess is the most usual tokens of the hospital, as many as there are.

Not for: partly sealed updates as a function of the fraction (``research.attacks.frontier``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from research.attacks.gains import Gains, gains, score
from research.attacks.laboratory import Laboratory
from research.attacks.leakage import profiles_of, trials
from research.attacks.margins import SPANS, TOKENS
from research.attacks.observers import CKKS_ALL, CLEAR_ALL, SEALED_ALL, Observer, Protection, clipped_noise, sensitive
from research.attacks.private import PRIVACY, STEPS, UNITS, private, trainer_for
from research.attacks.scores import AGGREGATOR, Score
from research.attacks.shadow import Prior
from research.attacks.sizes import VICTIM, WORST, WORST_HEAD, Setting
from research.attacks.subspace import check, compare, first_inputs, pursuit, row_space, visible_rows
from research.attacks.trials import Trials

Say = Callable[[str], None]
FRACTION = 0.3  # the default of encryption.fraction
NOISE = clipped_noise(1.0, 0.5)
SPAN, PURSUIT = "span", "pursuit"


@dataclasses.dataclass(frozen=True)
class Exact:
    """Per victim of one setting: recall and precision of the span check, recall of the pursuit, of the guess."""

    recall: NDArray[np.float64]
    precision: NDArray[np.float64]
    pursued: NDArray[np.float64]
    guess: NDArray[np.float64]
    distinct: float


def exact(lab: Laboratory, setting: Setting, protection: Protection, victims: int) -> Exact:
    """The span attacks on ``victims`` updates: the check names what lies in the span, the pursuit as many as there are.

    What the check does not name, the guess does not add: these are the attack's own words.
    """
    inputs, observer, prior = first_inputs(lab), Observer(lab, setting, protection), Prior(lab, setting, 30)
    rows = []
    for update in lab.updates(VICTIM, setting, victims, protection.trainer):
        seen, present = observer.see(update.delta), update.sample.present
        clear = seen.clear if seen.clear.any() else np.ones_like(seen.clear)
        space = row_space(visible_rows(lab, seen.reading(), clear), seen.unit)
        found = compare(check(space, inputs, lab.public), present)
        pursued = compare(pursuit(space, inputs, lab.public, len(present)), present)
        order = np.argsort(-np.delete(prior.own[update.sample.hospital], lab.public), kind="stable")
        usual = np.delete(np.arange(lab.vocabulary), lab.public)[order[: len(present)]]
        rows.append((found.recall, found.precision, pursued.recall, compare(usual, present).recall, len(present)))
    table = np.array(rows, dtype=np.float64)
    return Exact(table[:, 0], table[:, 1], table[:, 2], table[:, 3], float(table[:, 4].mean()))


def positive_control(lab: Laboratory) -> list[Score]:
    """Recall and precision of the span check and the pursuit on clear updates of the worst case."""
    setting = dataclasses.replace(WORST, name="worst case", distinct=3 * lab.rank)
    found = exact(lab, setting, CLEAR_ALL, lab.size.worst_victims)
    rng, note = lab.rng("control"), f"{found.distinct:.0f} distinct tokens, rank {lab.rank}, positive control"
    rows = ((SPAN, "tokens", found.recall, found.guess), (SPAN, "precision", found.precision, found.guess),
            (PURSUIT, "tokens", found.pursued, found.guess))  # fmt: skip
    return [
        score(attack, AGGREGATOR, "clear", "worst case", metric, gains(values, guess), rng, note=note)
        for attack, metric, values, guess in rows
    ]


def sweep(lab: Laboratory) -> list[Score]:
    """The span attacks over distinct tokens, exact and with the 8 bits that a run sends."""
    out, rng = [], lab.rng("sweep")
    for bits, fitted, label in ((24, True, "24 bits"), (8, True, "8 bits of its own range"), (8, False, "8 bits")):
        for distinct in lab.size.distinct:
            setting = dataclasses.replace(WORST, tokens=256, distinct=distinct, value_bits=bits, fitted=fitted)
            found = exact(lab, setting, CLEAR_ALL, lab.size.sweep)
            note = f"distinct={found.distinct:.1f}; rank={lab.rank}; {label}"
            for attack, values in ((SPAN, found.recall), (PURSUIT, found.pursued)):
                name = f"worst case, {label}, up to {distinct} distinct tokens"
                out.append(
                    score(attack, AGGREGATOR, "clear", name, "tokens", gains(values, found.guess), rng, note=note)
                )
    return out


def first_round(lab: Laboratory) -> Score:
    """The worst case at the very start, where B is zero and A has no gradient."""
    fresh = Laboratory(lab.size, lab.seed, lab.rank, warm=False)
    found = exact(fresh, WORST, CLEAR_ALL, min(lab.size.sweep, lab.size.worst_victims))
    pair = gains(np.maximum(found.recall, found.pursued), found.guess)
    return score(PURSUIT, AGGREGATOR, "clear", "worst case, B = 0", "tokens", pair, lab.rng("first"))


def protections(lab: Laboratory) -> list[Protection]:
    """What is compared: clear, with noise, partly sealed, sealed."""
    noisy = Protection("clear, noise 0.5", noise=NOISE)
    dp = private(trainer_for(PRIVACY, UNITS, STEPS))
    return [CLEAR_ALL, noisy, dp, sensitive(lab, FRACTION), SEALED_ALL, CKKS_ALL]


def worst_noise(lab: Laboratory) -> Protection:
    """DP-SGD's step for one example: the gradient clipped to 1, noise of deviation 0.5, both times the rate."""
    from research.attacks.laboratory import SGD_RATE

    return Protection("clear, noise 0.5", noise=clipped_noise(SGD_RATE, 0.5))


def learned(lab: Laboratory, say: Say) -> list[Score]:
    """The learned attack and the choice between identifiers, in both settings, under every protection."""
    size, out = lab.size, list[Score]()
    real = trials(lab, size.real, size.shadows, size.victims)
    worst = trials(lab, size.worst, size.worst_shadows, size.worst_victims)
    heads = Trials(lab, WORST_HEAD, profiles_of(lab), size.worst_shadows, size.worst_victims)
    for protection in protections(lab):
        there = worst_noise(lab) if protection.noise else protection
        say(f"learned attack, {protection.name}")
        plan: Sequence[tuple[str, str, str, float, Gains]] = (
            ("learned", "worst case", "uncertain tokens", TOKENS, worst.tokens(there)),
            ("identifier choice", "worst case", "identifiers", SPANS, heads.spans(there)),
            ("learned", size.real.name, "uncertain tokens", TOKENS, real.tokens(protection)),
            ("identifier choice", size.real.name, "identifiers", SPANS, real.spans(protection)),
        )
        for attack, setting, metric, margin, found in plan:
            rng = lab.rng("learned", attack, setting, protection.name)
            out.append(score(attack, AGGREGATOR, protection.name, setting, metric, found, rng, margin))
    return out


def run(lab: Laboratory, say: Say) -> list[Score]:
    """Everything above."""
    say("positive control")
    out = positive_control(lab)
    say("distinct tokens")
    out += sweep(lab)
    say("B = 0")
    out.append(first_round(lab))
    return out + learned(lab, say)
