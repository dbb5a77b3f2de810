"""How large a comparison is, and the run config that every method of it shares.

Every hospital takes ``rounds x local_steps`` optimiser steps by every method; an asynchronous version holds ``buffer``
of the ``hospitals`` updates, so that such a run makes more versions of fewer updates each. Seeds vary the adapter's
initial values, the order of batches and the rounding; the notes and who holds them stay.

Not for: what a method changes (``research.compare.methods``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from crossward.config.data_settings import NOTES
from crossward.config.data_sources import SOURCES, SYNTHETIC
from crossward.config.privacy_settings import NO_UNIT
from crossward.evaluation.replay import EvaluationError
from research.compare.methods import DP_FL, METHODS, Method

FRACTIONS = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 1.0)  # of values sealed: the frontier
NEVER = 1e9  # seconds: nobody fails here, so no deadline may end anything


@dataclass(frozen=True)
class Comparison:
    """``patients`` and ``max_tokens`` size the made-up notes; ``label_*`` is of the second run, on the label task.

    ``link_mbit`` is the link that seconds per round are stated for. The margins are those of the equivalence tests,
    fixed before any result: nats a token, and AUROC. DP-FL's ``dp_batch`` patients a step, ``dp_notes`` sequences each.
    ``attacked`` are those of the frontier's fractions whose leakage is measured; bytes and seconds are at every one.
    """

    name: str
    seeds: int
    hospitals: int
    rounds: int
    local_steps: int
    label_rounds: int
    label_steps: int
    patients: int
    label_patients: int
    max_tokens: int
    batch_size: int
    label_batch_size: int = 8
    buffer: int = 3
    link_mbit: float = 100.0
    loss_margin: float = 0.10
    auroc_margin: float = 0.05
    dp_epsilon: float = 8.0
    dp_batch: int = 8
    dp_notes: int = 1
    attacked: tuple[float, ...] = FRACTIONS
    given: tuple[tuple[str, Any], ...] = ()

    def __post_init__(self) -> None:
        if self.hospitals < self.buffer:
            raise EvaluationError(
                f"{self.hospitals} hospitals never fill a buffer of {self.buffer}: compare at least {self.buffer}"
            )
        if owned := sorted(key for key, _ in self.given if key in OWNED):
            raise EvaluationError(
                f"--set {owned[0]}: the comparison itself decides {', '.join(owned)}, as that is what methods differ "
                "in; leave it out"
            )

    def to_json(self) -> dict[str, Any]:
        """Plain values by field name."""
        return asdict(self) | {"given": dict(self.given)}

    @property
    def has_label(self) -> bool:
        """Whether the notes have a label to learn: a file of one's own has one if it is named."""
        given = dict(self.given)
        return "data.label" in given or not SOURCES[given.get("data.source", SYNTHETIC)].is_flat

    def versions(self, method: Method, task: str) -> int:
        """Global versions of a federated run: as many updates in all as ``rounds`` of everybody have."""
        rounds = self.rounds if task == NOTES else self.label_rounds
        return rounds if method.synchronous else -(-rounds * self.hospitals // self.buffer_of(method))

    def buffer_of(self, method: Method) -> int:
        """Updates that make a version."""
        return self.hospitals if method.synchronous else int(method.config.get("strategy.buffer-size", self.buffer))

    def steps(self, task: str) -> int:
        """Optimiser steps of every hospital."""
        return self.rounds * self.local_steps if task == NOTES else self.label_rounds * self.label_steps

    def config(self, method: Method, seed: int, task: str, defaults: Mapping[str, Any], state: Path) -> dict[str, Any]:
        """The run config of one run of ``method``; nodes keep their state in ``state``."""
        out = dict(defaults) | {
            "model.device": "cpu",
            "data.synthetic-patients": self.patients if task == NOTES else self.label_patients,
            "data.max-tokens": self.max_tokens,
            "data.min-patients": 2,
            "train.batch-size": self.batch_size if task == NOTES else self.label_batch_size,
            "encryption.workers": 1,
            "strategy.buffer-size": self.buffer,
        }
        out |= dict(self.given)
        out |= {
            "run.seed": seed,
            "run.alone": False,
            "run.state-dir": str(state),
            "data.task": task,
            "train.local-steps": self.local_steps if task == NOTES else self.label_steps,
            "strategy.num-versions": self.versions(method, task) if method.federated else self.rounds,
            "strategy.min-nodes": self.hospitals,
            "strategy.evaluate-every": 0,
            "strategy.rollback-ratio": 0.0,
            "strategy.max-wait": NEVER,
            "strategy.task-timeout": NEVER,
        }
        out |= method.config
        if method.name == DP_FL or out["privacy.unit"] != NO_UNIT:
            out |= {
                "privacy.epsilon": method.config.get("privacy.epsilon", self.dp_epsilon),
                "privacy.batch": self.dp_batch,
                "privacy.notes-per-patient": self.dp_notes,
            }
        return out


OWNED = frozenset(key for method in METHODS.values() for key in method.config) | {
    "run.seed",
    "run.folder",
    "run.resume",
    "run.alone",
    "run.state-dir",
    "data.task",
    "train.local-steps",
    "strategy.num-versions",
    "strategy.min-nodes",
    "strategy.evaluate-every",
    "strategy.rollback-ratio",
    "strategy.max-wait",
    "strategy.task-timeout",
    "privacy.epsilon",
    "privacy.batch",
    "privacy.notes-per-patient",
}
QUICK = Comparison(
    name="quick",
    seeds=3,
    hospitals=4,
    rounds=6,  # a multiple of the buffer: as many updates by versions of three as by rounds of four
    local_steps=4,
    label_rounds=6,
    label_steps=5,
    patients=240,
    label_patients=400,
    max_tokens=128,
    batch_size=4,
    attacked=(0.0, 0.1, 0.3, 0.5, 1.0),
)
FULL = Comparison(
    name="full",
    seeds=5,
    hospitals=4,
    rounds=18,
    local_steps=10,
    label_rounds=12,
    label_steps=10,
    patients=600,
    label_patients=1200,
    max_tokens=256,
    batch_size=4,
    dp_batch=16,
)


def adjusted(base: Comparison, **changes: Any) -> Comparison:
    """``base`` with what was asked for in place of its own; None keeps it."""
    return replace(base, **{name: value for name, value in changes.items() if value is not None})
