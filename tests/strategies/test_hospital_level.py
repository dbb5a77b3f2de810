"""Whole runs with noise inside the ciphertext: exact, with the noise that was accounted for, within their budget."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flwr.app import Message

from client_app.training.trained import Trained
from client_app.update.hospital_noise import HospitalNoise, bounded
from client_app.update.payloads import Vault
from crossward.config.encryption_schemes import BFV
from crossward.config.encryption_settings import EncryptionSettings
from crossward.config.schedule import Schedule
from crossward.encryption.key_format import ConsortiumKey
from crossward.encryption.plan import FieldPlan
from crossward.encryption.secret import Secret
from crossward.ledger.events import HospitalPrivacy
from crossward.ledger.state import fold
from crossward.privacy.discrete import DiscreteGaussian
from crossward.privacy.hospital import HospitalMechanism
from crossward.protocol.messages import LATE
from crossward.simulation.toy import ToyLearner
from server_app.run_folder import RunFolder
from strategies.fedavg import FedAvg
from strategies.history.journal import MemoryJournal
from strategies.stopping.hospital_budget import HospitalBudget
from tests.ledger_lines import made

MECHANISM = HospitalMechanism(2.0, 2, 0.25)
PLAN = FieldPlan(16, 5, 0)
SHARES = MECHANISM.shares(PLAN.q_max)
KEY = ConsortiumKey(Secret(bytes(range(32))))
SEALED = Vault(EncryptionSettings(policy="all", scheme=BFV, workers=1), KEY)
DELTA = 1e-5


def schedule(versions: int = 6, **more: Any) -> Schedule:
    made = Schedule(versions=versions, local_steps=5, peak=0.05, **more)
    return replace(made, range_factor=MECHANISM.clip * MECHANISM.reach / (made.peak * made.local_steps))


def fixed() -> Callable[[int], HospitalNoise]:
    """Noise of every node from bytes of its own, the same in every run of it."""
    sources = {number: np.random.default_rng(1000 + number) for number in range(8)}
    return lambda number: HospitalNoise(MECHANISM, sources[number].bytes)


def budget(limit: float = 0.0, **more: Any) -> HospitalBudget:
    return HospitalBudget(MECHANISM, DELTA, limit, 3, **more)


def run(federation: Any, **given: Any) -> Any:
    defaults = {"noise": fixed(), "budget": budget(), "plan": PLAN, "weighting": "equal", "schedule": schedule()}
    f = federation(**(defaults | given))
    f.start()
    return f


class Still(ToyLearner):
    """A hospital whose training moves nothing: what it sends is noise alone."""

    def train(self, start: Any, version: int, seed: int) -> Trained:
        return replace(super().train(start, version, seed), vector=start.copy())


def test_a_sealed_run_with_noise_is_the_clear_run_bit_for_bit(federation: Any, tmp_path: Path) -> None:
    runs = [
        run(federation, folder=tmp_path / name, vault=vault) for name, vault in (("clear", Vault()), ("sealed", SEALED))
    ]
    clear, sealed = (f.state_of(1).copy.vector(np.zeros(16, np.float32), PLAN, f.schedule).tobytes() for f in runs)
    assert clear == sealed
    for f in runs:
        assert f.strategy.state.version == 6
        f.check_accounts()
        f.check_agreement()
    for one, other in zip(*(f.made() for f in runs), strict=True):
        assert one["weights"] == other["weights"] and one["hospital_epsilon"] == other["hospital_epsilon"]
    one, other = (f.integers() for f in runs)
    assert one.keys() == other.keys() and all(np.array_equal(one[epoch], other[epoch]) for epoch in one)


def test_what_a_version_holds_is_its_updates_and_every_contributors_noise(federation: Any) -> None:
    """By independent arithmetic: bounded and rounded deltas, and values drawn from the same bytes."""
    f = run(federation, kind=FedAvg, compute=(1, 1, 1, 1), buffer_size=4, learner=Still)
    samplers = [
        DiscreteGaussian(SHARES.sigma, SHARES.tail, np.random.default_rng(1000 + number).bytes) for number in range(4)
    ]
    for line in f.made():
        noise = sum(sampler.draw(16).astype(np.int64) for sampler in samplers)
        held = f.version_sum(line, exact=True)
        assert line["weights"] == [8] * 4 and np.array_equal(held, 8 * noise)
    assert all(not f.state_of(node).residual.any() for node in f.nodes)  # no noise in what is left over


def test_the_noise_of_a_sum_has_the_variance_that_was_accounted_for(federation: Any) -> None:
    """Three shares and more where two must carry it: at least (z B)^2, here twice and a half of that."""
    constant = schedule(90, kind="constant")
    f = run(federation, schedule=constant, learner=Still, compute=(1, 1, 1), snapshot_every=0, budget=None)
    sums = []
    for line in f.made():
        held = f.version_sum(line, exact=True)
        sums.append(held / line["weights"][0])
    values = np.concatenate(sums)
    assert values.size == 90 * 16
    accounted = (MECHANISM.noise_multiplier * SHARES.bound) ** 2
    assert values.var() == pytest.approx(3 / 2 * accounted, rel=4 * math.sqrt(2 / values.size))
    assert values.var() > accounted


def test_an_update_less_its_noise_is_the_bounded_delta_and_the_residual_what_rounding_left(federation: Any) -> None:
    f = run(federation, compute=(1, 1, 1), schedule=schedule(1))
    for node, update in f.sent.values():
        noise = DiscreteGaussian(SHARES.sigma, SHARES.tail, np.random.default_rng(999 + node).bytes).draw(16)
        integers = f.opened(update.payload, 1, update.key) - noise
        assert 0 < np.square(integers).sum() <= SHARES.bound**2
        unit = f.schedule.value_range(0) / PLAN.q_max
        wanted = f.deltas[node, 0]
        assert np.linalg.norm(wanted) > MECHANISM.clip  # the clip binds
        wanted = wanted * min(1.0, SHARES.bound * unit / np.linalg.norm(wanted))
        residual = f.state_of(node).residual
        assert np.allclose(integers * unit + residual, wanted, atol=1e-6) and np.abs(residual).max() < 1.01 * unit


def test_whoever_drops_out_every_version_carries_the_noise_and_the_same_weight(federation: Any) -> None:
    """A third of the updates are lost, a node leaves: versions of 3 or 4, none of 2, 8 of 32 to each."""

    def loses(node: int, message: Message, reply: Message) -> list[tuple[float, Message]]:
        count[node] += 1
        return [] if (node + count[node]) % 3 == 0 and message.metadata.message_type == "train" else [(0.0, reply)]

    count: Counter[int] = Counter()
    f = run(
        federation,
        compute=(1, 1, 2, 3, 4),
        buffer_size=4,
        max_wait=5.0,
        fault=loses,
        leaves={5: 30.0},
        task_timeout=4.0,
    )
    sizes = {len(set(line["hospitals"])) for line in f.made()}
    assert sizes <= {3, 4} and 3 in sizes and f.strategy.state.version == 6
    assert all(line["weights"] == [8] * len(line["hospitals"]) for line in f.made())
    f.check_agreement([1, 2, 3, 4])


def test_the_largest_update_with_the_largest_noise_still_fits_its_field(federation: Any) -> None:
    class Far(ToyLearner):
        def train(self, start: Any, version: int, seed: int) -> Trained:
            vector = start.copy()
            vector[3] += 1e3
            return replace(super().train(start, version, seed), vector=vector)

    f = run(
        federation,
        learner=Far,
        noise=lambda number: HospitalNoise(MECHANISM, lambda count: b"\xff" * count),
        vault=SEALED,
        schedule=schedule(2),
    )
    for line in f.made():
        held = f.version_sum(line, exact=True)
        assert held[3] == 30 * (SHARES.bound + SHARES.tail) and (np.delete(held, 3) == 30 * SHARES.tail).all()
    assert SHARES.bound + SHARES.tail <= PLAN.q_max


def test_an_update_of_an_older_scale_epoch_is_late(federation: Any) -> None:
    steep = schedule(12, kind="linear", warmup=0.0)
    f = run(federation, schedule=steep, compute=(1, 1, 1, 5))
    late = [line["reason"] for line in f.lines(LATE)]
    assert any("times coarser" in reason for reason in late)
    base = {line["task"]: line["version"] for line in f.lines("accepted")}
    assert all(steep.epoch(base[t]) == line["epoch"] for line in f.made() for t in line["tasks"])
    assert {line["epoch"] for line in f.made()} >= {0, 1, 2}


def test_the_ledger_tells_what_is_promised_and_what_every_version_spent(federation: Any) -> None:
    f = run(federation, compute=(1, 1, 2, 9), schedule=schedule(8), buffer_size=3)
    (text,) = f.lines(HospitalPrivacy.name)
    assert text["unit"] == "hospital" and text["neighbours"] == "zero-out" and text["accountant"] == "rdp"
    assert text["epsilon"] == MECHANISM.epsilon(8, DELTA) and text["versions"] == 8
    assert text["alone_epsilon"][0] > MECHANISM.epsilon(1, DELTA)
    taken: Counter[str] = Counter()
    for line in f.made():
        taken.update(line["hospitals"])
        assert line["hospital_versions"] == max(taken.values())
        assert line["hospital_epsilon"] == MECHANISM.epsilon(max(taken.values()), DELTA)
        assert line["hospital_epsilon_version"] == MECHANISM.epsilon(1, DELTA)
    assert len(set(taken.values())) > 1


def test_nothing_about_the_notes_is_reported(federation: Any) -> None:
    f = run(federation)
    reported = {(u.num_examples, u.num_tokens, u.loss_sum, u.steps, u.clipped) for _, u in f.sent.values()}
    assert reported == {(1, 1, 0.0, 5, 0.0)}


def test_a_run_stops_before_the_version_that_its_budget_does_not_hold(federation: Any) -> None:
    limit = MECHANISM.epsilon(4, DELTA)
    f = run(federation, budget=budget(limit), compute=(1, 1, 1), schedule=schedule(8))
    assert f.strategy.state.version == 4
    assert f.strategy.state.stop_reason.startswith("privacy budget: the next version would spend epsilon")
    assert f.made()[-1]["hospital_epsilon"] <= limit
    f.check_agreement()


class Gone(Exception):
    """The process is gone."""


def test_a_resumed_run_goes_on_counting(federation: Any, tmp_path: Path) -> None:
    def session(journal: RunFolder) -> Any:
        given = {"noise": fixed(), "budget": budget(MECHANISM.epsilon(5, DELTA)), "schedule": schedule(8)}
        return federation(journal=journal, plan=PLAN, weighting="equal", compute=(1, 1, 1), **given)

    journal = RunFolder.create(tmp_path / "run", {}, PLAN, durable=False)
    first = session(journal)

    def until_the_third(line: dict[str, Any]) -> None:
        if line.get("version") == 3 and line["event"] == "version":
            raise Gone

    record = journal.record

    def until(event: str, **facts: Any) -> None:
        record(event, **facts)
        until_the_third({"event": event, **facts})

    journal.record = until  # type: ignore[method-assign]
    with pytest.raises(Gone):
        first.start()
    journal.close()
    second = session(RunFolder.resume(tmp_path / "run", {}, durable=False))
    assert set(second.budget.taken.values()) == {3}
    second.start()
    assert second.strategy.state.version == 5 and "privacy budget" in second.strategy.state.stop_reason
    assert [line["hospital_versions"] for line in second.made()] == [1, 2, 3, 4, 5]


def test_a_run_stops_where_no_epsilon_could_be_claimed_any_more(federation: Any) -> None:
    little = HospitalMechanism(0.25, 2, 0.25)
    f = run(federation, budget=HospitalBudget(little, DELTA, 0.0, 3), compute=(1, 1, 1))
    claimed = f.strategy.state.version
    assert math.isfinite(little.epsilon(claimed, DELTA)) and math.isinf(little.epsilon(claimed + 1, DELTA))
    assert claimed < 6 and "no epsilon could be claimed" in f.strategy.state.stop_reason


def test_subtracting_a_version_costs_nothing_and_gives_nothing_back() -> None:
    counted = budget()
    counted.taken = fold(
        [
            made("version", version=1, hospitals=["a", "b", "c"]),
            made("accepted", hospital="d"),
            made("version", version=2, hospitals=["a", "b", "d"]),
            made("version", version=3, reverts=2),
            made("void", version=1, hospitals=["a", "b", "c"]),
        ]
    ).taken
    assert counted.taken == {"a": 2, "b": 2, "c": 1, "d": 1}
    assert counted.facts(["c", "d", "e"])["hospital_versions"] == 2
    assert counted.facts(["a", "d", "e"])["hospital_versions"] == 3


def test_a_version_of_fewer_than_the_noise_counts_on_is_refused() -> None:
    assert "fewer than 3" in budget().refusal(["a", "b", "b"])
    assert budget().refusal(["a", "b", "c"]) == ""


def test_rounds_run_with_a_hospitals_unit(federation: Any) -> None:
    f = run(federation, kind=FedAvg, compute=(1, 2, 3, 4), buffer_size=4)
    assert f.strategy.state.version == 6 and all(len(line["hospitals"]) == 4 for line in f.made())


def test_equal_weights_without_privacy_shorten_a_version_of_fewer(federation: Any) -> None:
    f = federation(
        compute=(1, 1, 1, 1),
        buffer_size=4,
        min_contributors=2,
        max_wait=3.0,
        weighting="equal",
        leaves={4: 11.0, 3: 11.0},
        plan=FieldPlan(8, 7, 2),
        versions=14,
    )
    f.start()
    sums = {len(line["tasks"]): line["weight_sum"] for line in f.made()}
    assert sums[4] == 128 and sums[2] == 64


def test_bounding_comes_first_so_a_residual_cannot_widen_it() -> None:
    rng = np.random.default_rng(0)
    made = bounded(np.ones(16, np.float32), np.full(16, 50.0, np.float32), 0.01, 100, rng)
    assert np.square(made.values, dtype=np.int64).sum() <= 100**2


def test_memory_journal_and_run_need_no_budget(federation: Any) -> None:
    f = federation(journal=MemoryJournal())
    f.start()
    assert not f.lines(HospitalPrivacy.name) and "hospital_epsilon" not in f.made()[0]
