"""A node's update is within its bound whatever is trained, and its noise is the sampler's and nowhere else."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("flwr.app")  # quietly, the first time: its dependencies use what others deprecate

from flwr.app import Context, RecordDict
from hypothesis import given
from hypothesis import strategies as st

from client_app.app import build
from client_app.builders import simulated
from client_app.node import Node
from client_app.update.hospital_noise import HospitalNoise, bounded
from client_app.update.sealer import UpdateSealer
from crossward.config.schedule import Schedule
from crossward.privacy.discrete import DiscreteGaussian
from crossward.privacy.hospital import HospitalMechanism
from crossward.protocol.messages import Head, Task, Update
from crossward.simulation.toy import ToyLearner, toy_identity

Q_MAX = 32767
MECHANISM = HospitalMechanism(2.0, 2, 1.0)
SHARES = MECHANISM.shares(Q_MAX)
UNIT = MECHANISM.reach / Q_MAX


def norm(values: np.ndarray) -> int:
    """Its square, exactly."""
    return int(np.square(values, dtype=np.int64).sum())


@given(
    st.integers(0, 2**32),
    st.integers(1, 3000),
    st.sampled_from(["halves", "normal", "heavy", "one", "small", "whole"]),
    st.sampled_from([64, 100, 1786]),
)
def test_the_bound_holds_for_every_delta_and_every_rounding(seed: int, size: int, kind: str, bound: int) -> None:
    rng = np.random.default_rng(seed)
    made = {
        "halves": np.full(size, 0.5),
        "normal": rng.normal(0, 3, size),
        "heavy": rng.standard_t(1.1, size) * 10,
        "one": np.eye(1, size, size // 2)[0] * 1e7,
        "small": rng.normal(0, 1e-3, size),
        "whole": np.full(size, bound / np.sqrt(size)) * rng.choice([-1.0, 1.0], size),
    }[kind]
    delta = (made * UNIT).astype(np.float32)
    found = bounded(delta, None, UNIT, bound, rng)
    assert norm(found.values) <= bound**2
    scale = min(1.0, bound * UNIT / max(np.linalg.norm(delta.astype(np.float64)), 1e-30))
    wanted = delta * scale
    assert np.allclose(found.values * UNIT + found.residual, wanted, rtol=1e-5, atol=1e-5 * UNIT)
    assert np.abs(found.residual).max() < UNIT * 1.001


def test_rounding_is_unbiased_where_the_bound_leaves_room() -> None:
    rng, delta = np.random.default_rng(0), np.float32([0.25, -0.75, 3.5, 0.0]) * np.float32(UNIT)
    mean = np.mean([bounded(delta, None, UNIT, 1000, rng).values for _ in range(4000)], axis=0)
    assert np.allclose(mean, [0.25, -0.75, 3.5, 0.0], atol=0.04)


def test_no_more_values_turn_back_than_the_bound_asks_for() -> None:
    rng, size, bound = np.random.default_rng(3), 4000, 100
    delta = (rng.normal(0, 1, size) * UNIT).astype(np.float32)
    delta *= np.float32(bound * UNIT / np.linalg.norm(delta))
    found = bounded(delta, None, UNIT, bound, rng)
    assert bound**2 - 2 * np.abs(found.values).max() < norm(found.values) <= bound**2


def test_the_residual_enters_before_the_bound_and_what_clipping_cut_does_not_stay() -> None:
    rng = np.random.default_rng(1)
    delta, residual = np.full(50, 1.0, np.float32), np.full(50, -0.5, np.float32)
    found = bounded(delta, residual, UNIT, SHARES.bound, rng)
    assert np.allclose(found.values * UNIT, SHARES.bound * UNIT / np.sqrt(50), atol=UNIT)
    assert np.abs(found.residual).max() < UNIT * 1.001 and 0.7 < found.clipped < 0.72


@pytest.mark.parametrize("keep", [False, True])
def test_keeping_what_clipping_cut_would_carry_a_federation_past_its_optimum(keep: bool) -> None:
    """Six hospitals step half of the way to targets of their own, clipped to a seventh of the first step."""
    rng, clip, bound = np.random.default_rng(0), 1.0, 500
    targets = rng.normal(0, 1, 200) + rng.normal(0, 0.3, (6, 200))
    x, optimum, residuals, off = np.zeros(200), targets.mean(0), [None] * 6, []
    for _ in range(40):
        step = np.zeros(200)
        for k in range(6):
            delta = (0.5 * (targets[k] - x)).astype(np.float32)
            wanted = delta if residuals[k] is None else delta + residuals[k]
            made = bounded(delta, residuals[k], clip / bound, bound, rng)
            residuals[k] = (wanted - made.values * (clip / bound)).astype(np.float32) if keep else made.residual
            step += made.values * (clip / bound)
        x += step / 6
        off.append(np.linalg.norm(x - optimum) / np.linalg.norm(optimum))
    assert (max(off[24:]) > 0.25) if keep else (max(off[24:]) < 0.05 and off[-1] < 0.01)


def test_the_noise_is_the_samplers_and_not_in_the_residual() -> None:
    delta = np.random.default_rng(2).normal(0, 0.01, 3000).astype(np.float32)
    plain = bounded(delta, None, UNIT, SHARES.bound, np.random.default_rng(9))
    for seed in (4, 5):
        noise = HospitalNoise(MECHANISM, np.random.default_rng(seed).bytes)
        made = noise.quantise(delta, None, MECHANISM.reach, Q_MAX, np.random.default_rng(9))
        drawn = DiscreteGaussian(SHARES.sigma, SHARES.tail, np.random.default_rng(seed).bytes).draw(3000)
        assert np.array_equal(made.values - plain.values, drawn) and made.values.dtype == np.int16
        assert np.array_equal(made.residual, plain.residual) and made.clipped == 0.0


@pytest.mark.parametrize("byte", [b"\x00", b"\xff"])
def test_the_longest_tails_stay_within_the_field(byte: bytes) -> None:
    delta = np.zeros(8, np.float32)
    delta[2] = -1e6 if byte == b"\x00" else 1e6
    noise = HospitalNoise(MECHANISM, lambda count: byte * count)
    made = noise.quantise(delta, None, MECHANISM.reach, Q_MAX, np.random.default_rng(0)).values.astype(int)
    assert np.abs(made).max() <= Q_MAX and np.abs(made).max() == SHARES.tail + SHARES.bound
    assert np.abs(np.delete(made, 2)).tolist() == [SHARES.tail] * 7


def test_a_delta_that_is_no_number_and_a_plan_too_coarse_are_refused() -> None:
    noise, rng = HospitalNoise(MECHANISM), np.random.default_rng(0)
    with pytest.raises(ValueError, match="not finite"):
        noise.quantise(np.float32([np.nan]), None, 1.0, Q_MAX, rng)
    with pytest.raises(ValueError, match="8 value bits"):
        noise.quantise(np.zeros(3, np.float32), None, 1.0, 127, rng)


def test_two_trainings_of_one_task_differ_by_their_noise_alone(tmp_path: Path) -> None:
    schedule = Schedule(versions=10, local_steps=5, peak=0.05)
    task = Task("line", 1, 0, 0, 0, 10, (16, 6, 0), Head(3, "abc"))
    updates = []
    for name in ("one", "two"):
        learner, identity = ToyLearner(0, schedule), toy_identity(1)
        sealer = UpdateSealer(noise=HospitalNoise(MECHANISM))
        node = Node(learner, tmp_path / name, identity, schedule, 0, lambda: 0.0, False, sealer)
        update = node.train(task)
        assert isinstance(update, Update)
        updates.append((update, node.store.load(node.layout)))
    (one, state), (two, other) = updates
    assert one.payload.digest() != two.payload.digest()
    assert state.pending is not None and np.array_equal(state.pending, other.pending)


@pytest.mark.parametrize("unit", ["hospital", "none"])
def test_the_app_gives_its_node_the_noise_and_range_that_the_run_config_asks_for(
    unit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simulated, "open_learner", lambda spec, folder: ToyLearner(0, Schedule()))
    config = {"run.state-dir": str(tmp_path), "encryption.policy": "none", "privacy.unit": unit}
    config |= {"privacy.epsilon": 8.0, "strategy.weighting": "equal"} if unit == "hospital" else {}
    context = Context(1, 1, {"partition-id": 0, "num-partitions": 3}, RecordDict(), config)  # type: ignore[arg-type]
    node = build(context, Task("line", 1, 0, 0, 0, 10, (16, 6, 0), Head(3, "abc")))
    if unit == "none":
        assert node.sealer.noise is None and node.schedule == Schedule()
        return
    noise = node.sealer.noise
    assert noise is not None and noise.source is os.urandom
    assert noise.mechanism == HospitalMechanism(3.828125, 2, 1.0)
    assert node.schedule.value_range(0) == pytest.approx(noise.mechanism.reach)
