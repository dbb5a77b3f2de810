"""What every encrypted fraction costs and leaks: the privacy-cost frontier.

Costs are measured on one round of the real adapter's shape, with made-up integers (what they are changes neither bytes
nor seconds): every hospital seals, the server adds, every hospital opens.

Not for: quality, which does not depend on the fraction.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from client_app.training.learner import LoraLearner
from client_app.update.keys import simulated_key
from client_app.update.payloads import Payloads, Vault
from crossward.config.encryption_schemes import BFV
from crossward.config.encryption_settings import ALL, NONE, SENSITIVE, EncryptionSettings
from crossward.encryption.aggregator import arithmetic
from crossward.encryption.settings import field_plan
from crossward.protocol.messages import RecordHead
from crossward.protocol.parts import join
from research.compare.leakage import Attack, leakage_of
from research.compare.methods import HYBRID, METHODS
from research.compare.settings import FRACTIONS
from strategies.aggregation.combine import combine

Facts = dict[str, Any]
REPEATS = 5


def point(learner: LoraLearner, fraction: float, hospitals: int, seed: int = 0, attack: Attack | None = None) -> Facts:
    """Bytes and median seconds of a round at a ``fraction`` of sealed values; the leakage there."""
    policy = NONE if fraction == 0 else ALL if fraction == 1 else SENSITIVE
    settings = EncryptionSettings(policy=policy, fraction=fraction or 1.0, scheme=BFV, preset="compact", workers=1)
    blocks = learner.sensitive_blocks(fraction) if policy == SENSITIVE else None
    vault, plan = Vault(settings, simulated_key(settings), blocks), field_plan(settings, hospitals, hospitals)
    kinds, rng = arithmetic(plan, policy), np.random.default_rng(seed)
    total = sum(learner.sizes)
    updates = [rng.integers(-plan.q_max, plan.q_max, total, endpoint=True) for _ in range(hospitals)]
    weights = [plan.total_weight // hospitals] * hospitals
    seconds, up, down = [], 0, 0
    with Payloads(learner.sizes, plan, vault) as payloads:
        summary = RecordHead(1, 1, 0, sum(weights), 1, vault.fingerprint)
        for _ in range(REPEATS):
            began = time.perf_counter()
            sent = [payloads.seal(values) for values in updates]
            summed = join(combine(sent, weights, plan.sum_bits(1), kinds))
            for _ in range(hospitals):
                out = np.zeros(total, np.int64)
                for place, values in payloads.open(summed, summary):
                    out[place] += values
            seconds.append(time.perf_counter() - began)
            up, down = sum(p.size for p in sent), hospitals * summed.size
    if not np.array_equal(out, weights[0] * np.sum(updates, axis=0)):
        raise AssertionError(f"the sum of a round with a fraction of {fraction} sealed is not exact")
    sealed = sum(s for s, hidden in zip(learner.sizes, vault.sealed(len(learner.sizes)), strict=True) if hidden)
    method = METHODS[HYBRID].but(f"hybrid-{fraction:g}", f"{fraction:.0%} encrypted", encryption__fraction=fraction)
    method = method.but(method.name, method.title, encryption__policy=policy)
    return {
        "fraction": fraction,
        "sealed_share": sealed / total,
        "bytes_per_round": up + down,
        "crypto_seconds_per_round": float(np.median(seconds)),
        "leakage": leakage_of(method, attack).to_json(),
    }


def frontier(
    learner: LoraLearner, hospitals: int, attack: Attack | None = None, attacked: Sequence[float] = FRACTIONS
) -> list[Facts]:
    """A point for every fraction of :data:`FRACTIONS`; leakage is measured at those ``attacked``."""
    return [point(learner, f, hospitals, attack=attack if f in attacked else None) for f in FRACTIONS]
