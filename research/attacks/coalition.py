"""What the aggregator learns of an update under the committee scheme with the keys of one member, and of two.

The committee is the default one: four hospitals, threshold 1. With one member's keys the attacks on tokens and
identifiers must do no better than guessing; with two, one more than the threshold, nothing is left of the mask and the
same attacks recover all. That is the positive control: the keys are what protects.

Not for: sums (``research.attacks.sums``), BFV and CKKS (``research.attacks.recovery``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from crossward.encryption.plan import FieldPlan
from research.attacks.controls import CONTROL
from research.attacks.gains import gains, score
from research.attacks.laboratory import Laboratory
from research.attacks.leakage import trials
from research.attacks.margins import EXACT, SPANS, TOKENS
from research.attacks.observers import Protection
from research.attacks.recovery import PURSUIT, SPAN, exact
from research.attacks.scores import COALITION, Score
from research.attacks.sizes import WORST
from research.attacks.statistics import share_interval
from research.attacks.stolen import Stolen

Say = Callable[[str], None]
THRESHOLD = 1
ONE, TWO = (Protection(f"committee, keys of {count} of 4", members=count) for count in (THRESHOLD, THRESHOLD + 1))
VALUES = 200_000


def exactly(lab: Laboratory, protection: Protection) -> list[Score]:
    """The span attacks of the worst case, where clear updates give everything."""
    setting = dataclasses.replace(WORST, name="worst case", distinct=3 * lab.rank)
    found = exact(lab, setting, protection, lab.size.worst_victims)
    rng, note = lab.rng("coalition", protection.name), CONTROL if protection is TWO else ""
    rows = [(SPAN, "tokens", found.recall), (PURSUIT, "tokens", found.pursued)]
    if protection is TWO:  # of nothing named all is right
        rows.append((SPAN, "precision", found.precision))
    return [
        score(attack, COALITION, protection.name, "worst case", metric, gains(values, found.guess), rng, note=note)
        for attack, metric, values in rows
    ]


def learned(lab: Laboratory, protection: Protection) -> list[Score]:
    """The learned attack in both settings, and the choice between identifiers in the real one."""
    size, rng = lab.size, lab.rng("coalition", "learned", protection.name)
    real = trials(lab, size.real, size.shadows, size.victims)
    worst = trials(lab, size.worst, size.worst_shadows, size.worst_victims)
    plan = (
        ("learned", "worst case", "uncertain tokens", worst.tokens(protection), TOKENS),
        ("learned", size.real.name, "uncertain tokens", real.tokens(protection), TOKENS),
        ("identifier choice", size.real.name, "identifiers", real.spans(protection), SPANS),
    )
    return [
        score(attack, COALITION, protection.name, setting, metric, found, rng, margin)
        for attack, setting, metric, found, margin in plan
    ]


def signs(lab: Laboratory, protection: Protection) -> Score:
    """The share of values whose sign is read off what is left of them; chance is one half."""
    assert protection.members is not None  # these are the protections that have them
    rng = lab.rng("coalition", "signs")
    values = np.rint(rng.normal(0.0, 20.0, VALUES)).clip(-127, 127).astype(np.int64)
    values[values == 0] = 1
    right = (Stolen(FieldPlan(8, 7, 0), protection.members).left(values) < 0) == (values < 0)
    share, (low, high) = float(right.mean()), share_interval(int(right.sum()), VALUES)
    note, nothing = CONTROL if protection is TWO else "", 0.5 - EXACT < low < high < 0.5 + EXACT
    cells = share, 0.5, share - 0.5, low - 0.5, high - 0.5, VALUES, EXACT, nothing
    return Score("signs of values", COALITION, protection.name, "one update", "signs", *cells, note=note)


def run(lab: Laboratory, say: Say) -> list[Score]:
    """Everything above, with the keys of one member and of two."""
    out: list[Score] = []
    for protection in (ONE, TWO):
        say(protection.name)
        out += [*exactly(lab, protection), *learned(lab, protection), signs(lab, protection)]
    return out
