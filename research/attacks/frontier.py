"""Leakage of the hybrid policy over the encrypted fraction, by three rankings of the blocks.

The aggregator sees the clear blocks alone. What is clear under policy ``sensitive`` are the same integers as under
``none`` (a test holds that), so an update is rounded once and its evidence is masked; at fraction 1 the ciphertexts are
made and read. Three rankings: the product's own by sensitivity, a random one, and the worst (least sensitive first).

Not for: choosing the fraction of a run (``encryption.fraction``).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from research.attacks.gains import Gains, score
from research.attacks.laboratory import Laboratory
from research.attacks.leakage import trials
from research.attacks.margins import SPANS, TOKENS
from research.attacks.observers import CLEAR_ALL, RANKINGS, SEALED_ALL, sealing
from research.attacks.scores import AGGREGATOR, Score
from research.attacks.trials import Trials


def _at(tried: Trials, what: str, sealed: tuple[bool, ...]) -> Gains:
    attack = tried.tokens if what == "uncertain tokens" else tried.spans
    if all(sealed):
        return attack(SEALED_ALL)
    return attack(CLEAR_ALL, ~np.array(sealed)) if any(sealed) else attack(CLEAR_ALL)


def run(lab: Laboratory, say: Callable[[str], None]) -> list[Score]:
    """One score a ranking, fraction and attack; ``method`` is "ranking fraction"."""
    size, out = lab.size, list[Score]()
    worst = trials(lab, size.worst, size.worst_shadows, size.worst_victims)
    real = trials(lab, size.real, size.shadows, size.victims)
    sizes = np.array([block.size for block in lab.layout.blocks])
    for ranking in RANKINGS:
        for fraction in size.fractions:
            say(f"frontier, {ranking} {fraction:g}")
            sealed = sealing(lab, fraction, ranking)
            share = float(sizes[np.array(sealed)].sum() / sizes.sum())
            plan = (
                ("learned", worst, "worst case", "uncertain tokens", TOKENS),
                ("learned", real, size.real.name, "uncertain tokens", TOKENS),
                ("identifier choice", real, size.real.name, "identifiers", SPANS),
            )
            for attack, tried, setting, metric, margin in plan:
                rng = lab.rng("frontier", ranking, str(fraction), attack, setting)
                found = _at(tried, metric, sealed)
                method, note = (
                    f"{ranking} {fraction:g}",
                    f"ranking={ranking}; fraction={fraction:g}; sealed={share:.4f}",
                )
                out.append(score(attack, AGGREGATOR, method, setting, metric, found, rng, margin, note))
    return out
