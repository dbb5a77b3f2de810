"""What hospital-level privacy costs in quality: the embedded model, synthetic hospitals, real nodes and noise.

    python -m benchmarks.hospital_privacy [--hospitals 4 8] [--factors both core] [--epsilon 8 25] [--versions 12]

Synchronous rounds of everybody, in this process and in the clear (sealing changes no bit, a test holds it to that). A
row without epsilon is the same run with no noise; with clipping and without. Prints a table and, with ``--output``,
JSON lines.

Not for: bytes and seconds of sealing (``benchmarks.encryption``), patients (DP-SGD).
"""

from __future__ import annotations

import itertools
import json
import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.asynchrony.tiny import Remembered
from benchmarks.harness.command import parse, parser, write_json
from client_app.training.learner import adapted_model
from client_app.training.measuring import measure_batches
from client_app.update.hospital_noise import HospitalNoise
from crossward.adapters import LoraSettings, ModelConfig, write_vector
from crossward.config.encryption_schemes import BFV
from crossward.config.encryption_settings import EncryptionSettings
from crossward.config.schedule import Schedule
from crossward.config.strategy_settings import StrategySettings
from crossward.config.train_settings import TrainSettings
from crossward.encryption.settings import field_plan
from crossward.ledger.events import Accepted
from crossward.machine.paths import path_argument
from crossward.privacy.hospital import HospitalMechanism, calibrate
from crossward.protocol.measures import measure
from crossward.simulation.strategy import simulate
from data import DataConfig, load_hospitals, test_batches
from strategies.stopping.hospital_budget import HospitalBudget

DELTA, COLLUDING = 1e-5, 1
UNMEASURED = measure([(1.0, 1.0, 1.0)])  # what nodes report of their held-out notes: nothing of interest here


class Silent(HospitalNoise):
    """The same bound and rounding, with no noise: what clipping alone costs."""

    def quantise(self, delta: Any, residual: Any, value_range: float, q_max: int, rng: Any) -> Any:
        """Clip and round as :class:`HospitalNoise` does, without its noise."""
        from client_app.update.hospital_noise import bounded

        return bounded(delta, residual, value_range / q_max, self.mechanism.shares(q_max).bound, rng)


class Study:
    """Hospitals and model of one adapter, loaded once; ``loss`` over a few held-out sequences of each hospital."""

    def __init__(self, hospitals: int, factors: str, versions: int, steps: int) -> None:
        self.hospitals = hospitals
        self.data = DataConfig(synthetic_patients=60 * hospitals, min_patients=2, max_tokens=128)
        self.found = load_hospitals(self.data, hospitals)
        self.adapted = adapted_model(ModelConfig(device="cpu"), LoraSettings(rank=8, factors=factors), 0)
        rate = 1e-2 if factors == "both" else 3e-2
        self.schedule = Schedule(versions=versions, local_steps=steps, peak=rate, server_rate=1.0)
        self.memory: dict[Any, Any] = {}
        self.batches = [
            (list(itertools.islice(test_batches(learner.test_tokens, 4096), 2)), len(learner.test_tokens.patient_ids))
            for learner in self.learners(self.schedule)
        ]

    def learners(self, schedule: Schedule) -> list[Remembered]:
        """A learner for each hospital, which remembers its trainings across runs."""
        out = []
        for number, hospital in enumerate(self.found):
            learner = Remembered(self.adapted, hospital, self.data, schedule, TrainSettings(), f"site-{number}")
            learner.on_progress, learner.memory = lambda report: None, self.memory
            out.append(learner)
        return out

    def loss(self, vector: Any) -> float:
        """Nats a token."""
        write_vector(self.adapted.model, self.adapted.layout, vector)
        found = [measure_batches(self.adapted.model, batches, patients, "no") for batches, patients in self.batches]
        return sum(m.loss_sum for m in found) / sum(m.tokens for m in found)

    def norm(self) -> float:
        """Median L2 norm of the hospitals' first deltas."""
        starts = [learner.train(self.adapted.initial.copy(), 0, 1).vector for learner in self.learners(self.schedule)]
        return float(np.median([np.linalg.norm(v - self.adapted.initial) for v in starts]))

    def run(self, epsilon: float | None, clip: float | None) -> dict[str, Any]:
        """One run: ``epsilon`` None without noise, ``clip`` None without either."""
        count, versions = self.hospitals, self.schedule.versions
        mechanism = None
        if clip is not None:
            honest = count - COLLUDING
            z = calibrate(epsilon, DELTA, versions, honest) if epsilon else 1.0
            mechanism = HospitalMechanism(z, honest, clip)
        plan = field_plan(EncryptionSettings(scheme=BFV), count, count, noised=mechanism is not None)
        schedule, noise, budget = self.schedule, None, None
        if mechanism is not None:
            factor = mechanism.clip * mechanism.reach / (schedule.peak * schedule.local_steps)
            schedule = replace(schedule, range_factor=factor)
            noise = HospitalNoise(mechanism) if epsilon else Silent(mechanism)
            budget = HospitalBudget(mechanism, DELTA, epsilon or 0.0, count) if epsilon else None
        learners = self.learners(schedule)
        settings = StrategySettings(
            name="fedavg", buffer_size=count, min_contributors=count, weighting="equal", evaluate_every=0,
            rollback_ratio=0.0, snapshot_every=0, max_wait=1e9,
        )  # fmt: skip
        began = time.perf_counter()
        for learner in learners:
            # measured below, all at once
            learner.evaluate = lambda models: dict.fromkeys(models, UNMEASURED)  # type: ignore[method-assign]
        done = simulate(learners, settings, schedule, plan=plan, noise=noise, budget=budget)
        final = done.vector()
        sent = [event.bytes for event in done.events if isinstance(event, Accepted)]
        spent = [made.hospital_epsilon for made in done.versions if made.hospital_epsilon is not None]
        return {
            "hospitals": count,
            "values": int(self.adapted.initial.size),
            "versions": done.strategy.state.version,
            "epsilon": max(spent, default=None),
            "noise_multiplier": mechanism.noise_multiplier if mechanism is not None and epsilon else 0.0,
            "clip": clip,
            "bound_units": mechanism.shares(plan.q_max).bound if mechanism is not None else None,
            "loss": self.loss(final),
            "clear_bytes_per_value": float(np.mean(sent)) / self.adapted.initial.size,
            "sealed_bytes_per_value": plan.bytes_per_value(),
            "value_bits": plan.value_bits,
            "seconds": time.perf_counter() - began,
        }


def main(argv: Sequence[str] | None = None) -> None:
    """The command line."""
    p = parser("hospital_privacy", __doc__)
    p.add_argument("--hospitals", type=int, nargs="+", default=[4, 8])
    p.add_argument("--factors", nargs="+", default=["both", "core"])
    p.add_argument("--epsilon", type=float, nargs="+", default=[2.0, 8.0, 25.0])
    p.add_argument("--clips", type=float, nargs="+", default=[1.0, 0.1], help="times the first deltas' median norm")
    p.add_argument("--versions", type=int, default=8)
    p.add_argument("--steps", type=int, default=5)
    p.add_argument("--output", type=path_argument, metavar="FILE", help="append each row to it, as JSON lines")
    args = parse(p, argv, hospitals=[3], factors=["core"], epsilon=[8.0], clips=[0.5], versions=1, steps=1)
    rows = []
    logging.getLogger("flwr").setLevel(logging.WARNING)
    for hospitals, factors in itertools.product(args.hospitals, args.factors):
        study = Study(hospitals, factors, args.versions, args.steps)
        norm = study.norm()
        print(
            f"{hospitals} hospitals, factors {factors}: untuned {study.loss(study.adapted.initial):.3f}, "
            f"norm {norm:.3g}"
        )
        for epsilon, share in [(None, None), *itertools.product([None, *args.epsilon], args.clips)]:
            row = {"factors": factors} | study.run(epsilon, None if share is None else share * norm)
            rows.append(row)
            print({k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()}, flush=True)
            if args.output:
                with args.output.open("a") as file:
                    file.write(json.dumps(row) + "\n")
    write_json(args.json, {"rows": rows})


if __name__ == "__main__":
    main()
