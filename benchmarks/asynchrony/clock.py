"""What a task costs on the virtual clock: link speeds, compute seconds, and the bytes of the adapter stood for.

A task takes ``2 latency + 8e-6 bytes / Mbit/s + compute + sealing`` seconds; bytes are those of an update up and of
every sum down, whole ciphertexts each, however small the vectors that really travel. Envelopes weigh nothing here.

Not for: real speeds (``benchmarks.nodes``, ``benchmarks.encryption``).
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, RecordDict
from numpy.typing import NDArray

from benchmarks.asynchrony.config import Config
from crossward.config.encryption_schemes import BFV, SCHEMES
from crossward.config.encryption_settings import EncryptionSettings
from crossward.encryption.plan import FieldPlan
from crossward.encryption.settings import field_plan
from crossward.protocol.wire import FACTS, content_size
from crossward.simulation.virtual_grid import Speed

Floats = NDArray[np.float64]


def _places(count: int) -> Floats:
    return (np.arange(count) + 0.5) / count


def links(config: Config, count: int, spread: float, rng: np.random.Generator) -> Floats:
    """Mbit/s [count]: quantiles of the log-uniform distribution of ``spread`` around the middle, shuffled."""
    return rng.permutation(config.links.middle_mbit * spread ** (_places(count) - 0.5))


def computes(config: Config, count: int, kind: str, rng: np.random.Generator) -> Floats:
    """Seconds of a local training [count], of the configured mean: quantiles, shuffled."""
    if kind == "equal":
        shape = np.ones(count)
    elif kind == "half-normal":
        shape = np.array([NormalDist().inv_cdf(0.5 + p / 2) for p in _places(count)])
    else:
        shape = 10.0 ** _places(count)
    return rng.permutation(config.task.compute_mean * shape / shape.mean())


def _bytes_per_value(plan: FieldPlan, scheme: str) -> tuple[float, float]:
    """Of an update and of a sum."""
    own = SCHEMES[scheme].bytes_per_value
    return plan.bytes_per_value() if own is None else own(plan.value_bits, plan.weight_bits, plan.guard_bits)


def plan_for(nodes: int, buffer: int, scheme: str = BFV, fine: int = 0) -> FieldPlan:
    """The plan that a run of so many nodes would choose, with W at least ``fine``."""
    return field_plan(EncryptionSettings(scheme=scheme), nodes, buffer, fine=fine)


@dataclass(frozen=True)
class WireSize:
    """Bytes of one update, or of a committee member's share, and of one sum of the adapter stood for."""

    update: int
    sum: int

    @staticmethod
    def of(values: int, plan: FieldPlan, scheme: str = BFV) -> WireSize:
        """The sizes of an adapter of ``values`` values under ``plan``."""
        up, down = _bytes_per_value(plan, scheme)
        return WireSize(round(values * up), round(values * down))

    def __call__(self, content: RecordDict) -> int:
        """Bytes that ``content`` counts: a task by its sums, a reply by whether it carries an update."""
        facts = content.get(FACTS)
        if isinstance(facts, ConfigRecord) and isinstance(sums := facts.get("record-first"), list):
            return len(sums) * self.sum
        carries = any(isinstance(record, ArrayRecord) for record in content.values()) and content_size(content) > 0
        return self.update if carries else 0


def speeds(config: Config, mbit: Floats, compute: Floats) -> list[Speed]:
    """Each node's speed; sealing and opening count as compute."""
    task = config.task
    return [
        Speed(float(m), task.latency, float(c) + task.seal_seconds, task.member_seconds)
        for m, c in zip(mbit, compute, strict=True)
    ]
