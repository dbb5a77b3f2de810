"""Committee, BFV and clear: with equal dithers and weights runs end in the same bytes, at every node.

What the dithers are is decided by the committee's run (``tests.equal_dither``).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest

from client_app.state.accumulators import Accumulators
from client_app.update.payloads import Vault
from crossward.config.encryption_settings import EncryptionSettings
from crossward.config.schedule import Schedule
from crossward.config.strategy_settings import StrategySettings
from crossward.encryption.key_format import ConsortiumKey
from crossward.encryption.plan import FieldPlan
from crossward.encryption.secret import Secret
from crossward.ledger.events import Accepted
from crossward.simulation.strategy import Simulated, simulate
from crossward.simulation.toy import ToyLearner
from crossward.simulation.virtual_grid import Speed
from tests.equal_dither import Members, members
from tests.toy_ranks import LOW, SlicedToy, ranks_of

KEY = ConsortiumKey(Secret(bytes(range(32))))
COMMITTEE, BFV, CLEAR = "committee", "bfv", "clear"
NAMES, POLICIES = ("async-hybrid", "fedavg"), ("all", "sensitive")
__all__ = ["members"]


def run(scheme: str, policy: str, hospitals: int, versions: int, name: str, **given: Any) -> Simulated:
    """A run of toy hospitals; no two answer at the same moment, and links and questions take no time."""
    schedule = Schedule(versions=versions, local_steps=5, peak=0.05)
    buffer = 0 if name == "fedavg" else min(hospitals - 1, 10)
    own = {"buffer_size": buffer, "evaluate_every": 0} | given.pop("settings", {})
    settings = StrategySettings(name=name, **own)
    kind = ToyLearner if (ranks := given.get("ranks")) is None else partial(SlicedToy, ranks)
    learners = [kind(number, schedule, examples=10 * (number % 4 + 1)) for number in range(hospitals)]
    speeds = given.pop("speeds", [10.0 + 0.37 * number for number in range(hospitals)])
    vault = None if scheme == CLEAR else Vault(EncryptionSettings(policy=policy, scheme=scheme, workers=1), KEY)
    given.setdefault("plan", FieldPlan(8, 7 if hospitals < 33 else 9, 2))  # a run would choose by the scheme's bytes
    return simulate(learners, settings, schedule, [Speed(1e15, 0.0, s, 0.0) for s in speeds], vault=vault, **given)


def all_three(members: Members, patch: pytest.MonkeyPatch, *what: Any, **given: Any) -> list[Simulated]:
    """The run under each scheme, alike in all but that; equal in everything that does not name the scheme."""
    policy = what[0]
    first = run(COMMITTEE, *what, **given)
    members.limit(patch)
    others = [run(scheme, *what, **given, dither=members.dither()) for scheme in (BFV, CLEAR)]
    runs = [first, *others]
    check_sealed(runs, policy)
    check_same(runs)
    return runs


def check_sealed(runs: Sequence[Simulated], policy: str) -> None:
    """Each run did what it is here for."""
    for scheme, done in zip((COMMITTEE, BFV, CLEAR), runs, strict=True):
        kinds = {kind for made in done.versions for kind, _ in made.shape}
        assert kinds == {scheme} | ({CLEAR} if policy == "sensitive" else set())
        assert all(bool(made.openers) == (scheme == COMMITTEE) for made in done.versions)
        assert [made.dithered for made in done.versions] == [1 if scheme == COMMITTEE else 4] * len(done.versions)


def check_same(runs: Sequence[Simulated]) -> None:
    first = runs[0]
    last = len(first.versions)
    for done in runs:
        assert [made.version for made in done.versions] == list(range(1, last + 1))
        for one, other in zip(first.versions, done.versions, strict=True):
            for fact in ("sites", "weights", "staleness", "epoch", "losses"):
                assert getattr(one, fact) == getattr(other, fact), (one.version, fact)
    nodes = range(len(first.nodes))
    vectors = {done.vector(number).tobytes() for done in runs for number in nodes}
    assert vectors == {first.vector().tobytes()} != {first.nodes[0].learner.initial().tobytes()}
    copies = [node.store.load("").copy for done in runs for node in done.nodes]
    assert {copy.version for copy in copies} == {last}
    assert len({copy.hash("any", b"key") for copy in copies}) == 1
    said = [hashes(done) for done in runs]
    assert len(said[0]) >= last and said[0] == said[1]  # under one key: every state that a hospital trained from
    assert not set(said[0].values()) & set(said[2].values())


def hashes(done: Simulated) -> dict[tuple[str, int], str]:
    """Site and version -> the hash of the state that it trained from, as it said with its update."""
    found = [event for event in done.events if isinstance(event, Accepted)]
    return {(event.site, event.version): event.state_hash for event in found}


FEW = [(n, v, name, policy) for n, v in ((4, 8), (8, 5)) for name in NAMES for policy in POLICIES]
MANY = [(40, 3, "async-hybrid", "all"), (40, 2, "async-hybrid", "sensitive"), (40, 1, "fedavg", "all")]


@pytest.mark.parametrize(("hospitals", "versions", "name", "policy"), FEW + MANY)
def test_every_scheme_ends_in_the_same_bytes(
    members: Members, monkeypatch: pytest.MonkeyPatch, hospitals: int, versions: int, name: str, policy: str
) -> None:
    runs = all_three(members, monkeypatch, policy, hospitals, versions, name)
    if hospitals == 4:
        assert len({made.epoch for made in runs[0].versions}) > 1
        other = run(BFV, policy, hospitals, versions, name)  # the dither makes the difference
        assert other.vector().tobytes() != runs[0].vector().tobytes()


def test_sums_of_several_versions_travel_alike(members: Members, monkeypatch: pytest.MonkeyPatch) -> None:
    travelled: dict[int, int] = {}
    add = Accumulators.add

    def noted(self: Accumulators, head: Any, *args: Any) -> None:
        travelled[head.last - head.first + 1] = travelled.get(head.last - head.first + 1, 0) + 1
        add(self, head, *args)

    monkeypatch.setattr(Accumulators, "add", noted)
    given = {"plan": FieldPlan(8, 6, 3), "speeds": [1.0, 1.13, 1.31, 9.7], "settings": {"max_staleness": 20}}
    all_three(members, monkeypatch, "all", 4, 16, "async-hybrid", **given)
    assert {1, 2, 8} <= set(travelled), travelled


def test_hospitals_of_several_ranks_end_in_the_same_bytes(members: Members, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is opened is multiplied by public numbers alone; every version is of three that train all, or of none."""
    ranks, given = ranks_of(4, 4, 4, 1, 1, 1), {"buffer_size": 3, "weighting": "equal"}
    runs = all_three(members, monkeypatch, "all", 6, 4, "async-hybrid", ranks=ranks, settings=given)
    trained = {event.task: event.rank for event in runs[0].events if isinstance(event, Accepted)}
    found = {tuple(sorted(trained[task] for task in made.tasks)) for made in runs[0].versions}
    assert all(ranks.count(0) in (0, 3) for ranks in found) and len(found) > 1
    alike = run(CLEAR, "all", 6, 4, "async-hybrid", settings=given)  # of hospitals that train all
    assert alike.vector().tobytes() != runs[0].vector().tobytes()
    assert runs[0].vector()[~LOW].any()
