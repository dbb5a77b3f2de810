"""Runs that a committee opens, from their run config: each ends, all hospitals agree, and BFV ends in the same bytes.

Everything is the product's but the learner, which is a toy, and the random bytes of hospitals' noise where two runs
are compared. A run without a committee is given the dither and the weights of the one with it (``tests.equal_dither``).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from client_app.state import catch_up
from client_app.state.accumulators import Accumulators
from client_app.state.folder import NodeState, StateFolder
from client_app.update.hospital_noise import HospitalNoise
from client_app.update.keys import simulated_key
from client_app.update.payloads import Vault
from crossward.config.encryption_settings import SENSITIVE
from crossward.config.run_config import RunConfig
from crossward.encryption.plan import FieldPlan
from crossward.evaluation.replay import Run, open_run
from crossward.ledger.events import OpeningDropped, Snapshot
from crossward.protocol.messages import ANSWER, CONSENT
from crossward.simulation.run import simulate_run
from crossward.simulation.toy import ToyLearner
from crossward.simulation.virtual_grid import Speed, VirtualClock, VirtualGrid, VirtualNode
from tests.equal_dither import Members, members
from tests.finished_runs import interrupted

__all__ = ["members"]
COMMITTEE, BFV = "committee", "bfv"
HOSPITAL: dict[str, Any] = {
    "privacy.unit": "hospital",
    "privacy.noise-multiplier": 2.0,
    "strategy.weighting": "equal",
    "encryption.plan": "",
}
STAGGERED = (10.0, 10.7, 13.1, 29.3)


@dataclass
class Hospitals:
    """Four toy hospitals whose identities are the same in every run; ``joins`` is when one is there, by number."""

    folder: Path
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def run(
        self,
        config: Mapping[str, Any],
        path: Path | None = None,
        compute: Sequence[float] = STAGGERED,
        joins: Mapping[int, float] | None = None,
        snapshot_every: int = 0,
        **given: Any,
    ) -> Done:
        """A run of ``config`` to its end."""

        def grid(nodes: dict[int, VirtualNode], clock: VirtualClock) -> VirtualGrid:
            for number, moment in (joins or {}).items():
                nodes[number + 1].joins = moment
            return VirtualGrid(nodes, clock)

        defaults = {"encryption.plan": "8,7,0", "strategy.evaluate-every": 0, "run.alone": False}
        defaults |= {"run.state-dir": str(self.folder / "state")}
        read = RunConfig.read({"strategy.num-versions": 5, **defaults, **config})
        read = replace(read, strategy=replace(read.strategy, snapshot_every=snapshot_every))
        speeds = [Speed(1e15, 0.0, seconds, 0.0) for seconds in compute]
        path = path or self.folder / f"run-{next(self.numbers)}"
        simulate_run(read, path, speeds, grid=grid, **given)
        return Done(open_run(path), read, len(compute))


@dataclass
class Done:
    """A run that ended."""

    run: Run
    config: RunConfig
    hospitals: int

    def __post_init__(self) -> None:
        last = self.config.schedule.versions
        assert [made.version for made in self.run.versions] == list(range(1, last + 1))
        opened = [bool(made.openers) for made in self.run.versions]
        assert opened == [self.config.encryption.scheme == COMMITTEE] * last
        assert {state.copy.version for state in self.states} == {last}
        assert len({state.copy.hash("any", b"key") for state in self.states}) == 1

    @property
    def states(self) -> list[NodeState]:
        """What each hospital keeps at the end."""
        encryption, lineage = self.config.encryption, self.config.run.state_root / self.run.lineage
        learner = ToyLearner(0, self.config.schedule)
        blocks = learner.sensitive_blocks(encryption.fraction) if encryption.policy == SENSITIVE else None
        layout = Vault(encryption, simulated_key(encryption), blocks).layout(learner.layout, len(learner.sizes))
        return [StateFolder(lineage / f"site-{number}").load(layout) for number in range(self.hospitals)]

    @property
    def made(self) -> list[Any]:
        """What versions were made of, whoever came first."""
        return [(sorted(zip(made.sites, made.weights, strict=True)), made.epoch) for made in self.run.versions]

    def same(self, other: Done) -> None:
        """The other run ended in the same bytes, by way of the same versions."""
        assert self.made == other.made
        plan, schedule, zeros = self.run.plan, self.config.schedule, np.zeros(16, np.float32)
        vectors = {s.copy.vector(zeros, plan, schedule).tobytes() for done in (self, other) for s in done.states}
        assert len(vectors) == 1 and vectors != {zeros.tobytes()}


@pytest.fixture
def hospitals(own_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hospitals:
    def toy(spec: Any, workers: Path) -> ToyLearner:
        return ToyLearner(spec.partition, spec.config.schedule, examples=10 * (spec.partition + 1))

    monkeypatch.setattr("client_app.builders.simulated.open_learner", toy)
    return Hospitals(tmp_path)


Compare = Callable[..., tuple[Done, Done]]


@pytest.fixture
def compare(hospitals: Hospitals, members: Members, monkeypatch: pytest.MonkeyPatch) -> Compare:
    """Runs a config under the committee and, with the same dither and weights, under BFV."""

    def run(config: Mapping[str, Any], before: Callable[[], None] = lambda: None, **given: Any) -> tuple[Done, Done]:
        before()
        one = hospitals.run({"encryption.scheme": COMMITTEE, **config}, **given)
        members.limit(monkeypatch)
        before()
        other = hospitals.run({"encryption.scheme": BFV, **config}, **given, dither=members.dither())
        one.same(other)
        return one, other

    return run


@pytest.mark.parametrize("feedback", [True, False])
def test_with_and_without_error_feedback(compare: Compare, feedback: bool) -> None:
    """Over three stretches of sealing keys."""
    one, other = compare({"train.error-feedback": feedback, "encryption.stretch": 2})
    left = [[state.residual is not None and state.residual.tobytes() for state in done.states] for done in (one, other)]
    assert left[0] == left[1] and any(left[0]) == feedback


@pytest.mark.parametrize("newcomer", [3, 4])
def test_a_newcomer_starts_from_a_snapshot(compare: Compare, monkeypatch: pytest.MonkeyPatch, newcomer: int) -> None:
    """Hospital 3 is on the committee, which opens versions without it until then; 4 is not."""
    taken: list[int] = []
    take = catch_up.from_snapshot

    def noted(head: Any, *args: Any) -> Accumulators:
        taken.append(head.version)
        return take(head, *args)

    monkeypatch.setattr(catch_up, "from_snapshot", noted)
    config = {"strategy.num-versions": 8, "strategy.min-nodes": 3}
    compute = (*STAGGERED[:3], 14.7, 17.3)
    one, other = compare(config, compute=compute, joins={newcomer: 62.0}, snapshot_every=2)
    assert len(taken) == 2 and taken[0] == taken[1] > 0
    for done in (one, other):
        assert any(isinstance(event, Snapshot) for event in done.run.events)
        assert any(f"toy-{newcomer}" in made.sites for made in done.run.versions)


def test_hospitals_noise_under_its_own_plan(hospitals: Hospitals, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the noise that nobody can draw again: all end with the same integers, of the widest values."""
    done = hospitals.run({"encryption.scheme": COMMITTEE, **HOSPITAL})
    assert done.run.plan.value_bits >= 14
    assert all(made.hospital_epsilon is not None for made in done.run.versions)


@pytest.mark.parametrize("name", ["async-hybrid", "fedavg"])
def test_hospitals_noise_goes_through_either_scheme_alike(
    compare: Compare, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def begin() -> None:
        source = np.random.default_rng(5).bytes
        monkeypatch.setattr(
            "client_app.builders.parts.HospitalNoise", lambda mechanism: HospitalNoise(mechanism, source)
        )

    config = {**HOSPITAL, "encryption.plan": "16,5,0", "strategy.name": name}
    config["strategy.buffer-size"] = {"async-hybrid": 3, "fedavg": 4}[name]
    one, other = compare(config, begin)
    assert one.run.plan == other.run.plan == FieldPlan(16, 5, 0)


@pytest.mark.parametrize(
    ("event", "count", "after", "policy"),
    [
        ("accepted", 6, True, "sensitive"),  # two updates of version 2 wait
        ("opening", 2, False, "all"),  # all four do
        ("opening", 2, True, "sensitive"),  # its list is in the ledger
        ("assisted", 11, True, "all"),  # a member has consented
        ("assisted", 15, True, "sensitive"),  # one has answered
        ("version", 2, False, "all"),  # all is there but its line
        ("version", 2, True, "all"),
    ],
)
def test_a_resumed_run_is_that_which_was_never_interrupted(
    hospitals: Hospitals,
    members: Members,
    monkeypatch: pytest.MonkeyPatch,
    event: str,
    count: int,
    after: bool,
    policy: str,
) -> None:
    """Every version is of all four, so what it holds does not depend on time; each was opened in one list.

    The hospitals go on from their disks, as new nodes.
    """
    config = {"encryption.policy": policy, "strategy.num-versions": 3}
    config |= {"strategy.name": "fedavg", "strategy.buffer-size": 0}
    path, kind = hospitals.folder / "resumed", interrupted(event, count, after)
    with pytest.raises(KeyboardInterrupt):
        hospitals.run({"encryption.scheme": COMMITTEE, **config}, path, folder=kind)
    left = open_run(path)
    assert left.state.version == (2 if after and event == "version" else 1)
    if event == "assisted":
        assert left.events[-1].kind == {11: CONSENT, 15: ANSWER}[count]  # type: ignore[attr-defined]
    resumed = hospitals.run({"encryption.scheme": COMMITTEE, **config}, path, resume=True, first_id=11)
    assert not any(isinstance(event, OpeningDropped) for event in resumed.run.events)
    members.limit(monkeypatch)
    other = hospitals.run({"encryption.scheme": BFV, **config}, dither=members.dither())
    resumed.same(other)
