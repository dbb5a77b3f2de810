"""A strategy over learners in one process: times by hand, the same run twice, wrong arguments named."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from client_app.update.payloads import Vault
from crossward.config.encryption_settings import EncryptionSettings
from crossward.config.schedule import Schedule
from crossward.config.strategy_settings import StrategySettings
from crossward.encryption.committee.roster import RosterError
from crossward.encryption.key_format import ConsortiumKey
from crossward.encryption.secret import Secret
from crossward.ledger.events import CommitteeMet
from crossward.simulation.strategy import Simulated, simulate
from crossward.simulation.toy import ToyLearner
from crossward.simulation.virtual_grid import Speed
from strategies.fedavg import FedAvg

KEY = ConsortiumKey(Secret(bytes(range(32))))
SCHEDULE = Schedule(versions=6, local_steps=5, peak=0.05)
SPEEDS = [Speed(mbit, 0.0, compute) for mbit, compute in ((1e9, 10.0), (1e8, 10.0), (1e7, 15.0), (1e6, 40.0))]


def run(speeds: list[Speed] = SPEEDS, hospitals: int = 4, **given: Any) -> Simulated:
    settings = StrategySettings(**({"evaluate_every": 0} | given.pop("settings", {})))
    learners = [ToyLearner(number, SCHEDULE) for number in range(hospitals)]
    return simulate(learners, settings, SCHEDULE, speeds, **given)


def test_versions_are_made_as_updates_arrive() -> None:
    """By hand: 10, 10 and 15 s make version 1; whoever contributed starts again from it."""
    made = run().versions
    assert [version.version for version in made] == [1, 2, 3, 4, 5, 6]
    assert [(round(version.time, 3), sorted(version.sites)) for version in made[:3]] == [
        (15.0, ["toy-0", "toy-1", "toy-2"]),
        (30.0, ["toy-0", "toy-1", "toy-2"]),
        (40.0, ["toy-0", "toy-1", "toy-3"]),
    ]
    assert made[2].staleness[made[2].sites.index("toy-3")] == 2
    assert dict(zip(made[0].sites, made[0].bandwidths, strict=True)) == dict.fromkeys(
        ("toy-0", "toy-1", "toy-2"), 100_000.0
    )


def test_every_hospital_ends_with_the_same_adapter_and_a_rerun_with_the_same_run() -> None:
    done, again, other = run(), run(), run(seed=1)
    vectors = [done.vector(hospital).tobytes() for hospital in range(4)]
    assert set(vectors) == {again.vector().tobytes()} and done.events == again.events
    assert other.vector().tobytes() not in vectors  # updates are rounded otherwise
    learner = done.nodes[0].learner
    before, after = (learner.evaluate({"it": vector})["it"].loss for vector in (learner.initial(), done.vector()))
    assert after < before


@pytest.mark.parametrize("policy", ["all", "sensitive"])
@pytest.mark.parametrize("scheme", ["committee", "bfv"])
def test_what_a_vault_says_is_encrypted(scheme: str, policy: str) -> None:
    done = run(vault=Vault(EncryptionSettings(policy=policy, scheme=scheme, workers=1), KEY))
    kinds = {kind for made in done.versions for kind, _ in made.shape}
    assert kinds == {scheme} | ({"clear"} if policy == "sensitive" else set())
    assert [made.version for made in done.versions] == [1, 2, 3, 4, 5, 6]
    assert {made.key for made in done.versions} == {KEY.fingerprint}
    assert len({done.vector(hospital).tobytes() for hospital in range(4)}) == 1
    met = [event.members for event in done.events if isinstance(event, CommitteeMet)]
    assert met == ([("site-0", "site-1", "site-2", "site-3")] if scheme == "committee" else [])


def test_the_settings_choose_the_strategy_unless_a_class_is_given() -> None:
    for done in (run(settings={"name": "fedavg", "buffer_size": 0}), run(kind=FedAvg, settings={"buffer_size": 4})):
        assert all(len(made.sites) == 4 and set(made.staleness) == {0} for made in done.versions)
        assert [round(made.time) for made in done.versions] == [40, 80, 120, 160, 200, 240]


def test_no_file_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert np.isfinite(run().vector()).all()
    assert not list(tmp_path.iterdir())


def test_what_cannot_run_is_refused() -> None:
    with pytest.raises(ValueError, match="4 speeds for 5 learners: give one for each, or none"):
        run(hospitals=5)
    with pytest.raises(ValueError, match=r"strategy\.buffer-size = 3 cannot be met by 2 hospitals"):
        run([], hospitals=2, settings={"min_nodes": 1, "min_contributors": 1})
    two = {"min_nodes": 1, "min_contributors": 1, "buffer_size": 2}
    with pytest.raises(RosterError, match=r"2 hospitals: encryption\.scheme = 'committee' takes 3 or more"):
        run([], hospitals=2, settings=two, vault=Vault(EncryptionSettings(scheme="committee"), KEY))
