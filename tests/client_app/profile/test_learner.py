"""A profile run on the virtual clock: exact sums under encryption, once, of enough hospitals; noise where it is due."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from client_app.builders.parts import NodeFiles, open_limits
from client_app.guard.budget import BudgetError
from client_app.guard.demands import check_demands
from client_app.profile.coding import Coding, ProfileError
from client_app.profile.learner import ProfileLearner, comparison, sensitivity
from client_app.training.trained import Trained, Vector
from client_app.update.payloads import Vault
from crossward.config.encryption_settings import EncryptionSettings
from crossward.config.node_config import NodeConfig
from crossward.config.privacy_settings import PrivacySettings
from crossward.config.run_config import RunConfig
from crossward.config.settings import SettingsError
from crossward.encryption.key_format import ConsortiumKey
from crossward.encryption.secret import Secret
from crossward.ledger.events import Accepted, Refused, Version
from crossward.privacy.noise import Randomness
from crossward.simulation.strategy import Simulated, simulate
from crossward.simulation.virtual_grid import Speed
from data.profile import Layout, Notes, layout_of
from strategies.history.state import RunError

KEY = ConsortiumKey(Secret(bytes(range(32))))


def config(**given: Any) -> RunConfig:
    changed = {"run.profile": True, "strategy.min-nodes": 4, "strategy.max-wait": 50.0}
    return RunConfig.read(changed | {k.replace("__", ".").replace("_", "-"): v for k, v in given.items()})


LAYOUT, CODING = layout_of(config().data), Coding.of(config())


def notes(seed: int, count: int, layout: Layout = LAYOUT) -> Notes:
    rng = np.random.default_rng(seed)
    groups = {group: rng.integers(0, len(names), count) for group, names in layout.groups[1:]}
    return Notes(rng.integers(0, max(count // 3, 1), count), groups)


def learners(*sizes: int) -> list[ProfileLearner]:
    return [ProfileLearner(notes(k, size), LAYOUT, CODING, f"site-{k}") for k, size in enumerate(sizes)]


def run(hospitals: list[Any], scheme: str = "bfv", given: RunConfig | None = None, **more: Any) -> Simulated:
    read = given or config()
    vault = Vault(EncryptionSettings(policy="all", scheme=scheme, plan=read.encryption.plan, workers=1), KEY)
    return simulate(hospitals, read.strategy, read.schedule, plan=CODING.plan, vault=vault, **more)


@pytest.mark.parametrize("scheme", ["bfv", "committee"])
def test_all_hospitals_hold_the_exact_sum_and_nobody_is_asked_twice(
    scheme: str, caplog: pytest.LogCaptureFixture
) -> None:
    hospitals = learners(70, 3000, 45_000, 900)
    with caplog.at_level("INFO", "crossward.node"):
        done = run(hospitals, scheme)
    stated = [CODING.rounded(one.notes.counts(LAYOUT)) for one in hospitals]
    for number in range(4):
        found = CODING.decode(done.vector(number))
        assert found.hospitals == 4 and (found.counts == sum(stated)).all()
        assert (found.having == np.sum([one > 0 for one in stated], axis=0)).all()
    assert [type(event) for event in done.events].count(Version) == 1
    assert [type(event) for event in done.events].count(Accepted) == 4
    assert not any(event.loss_sum for event in done.events if isinstance(event, Accepted))
    assert caplog.text.count("profile of 4 hospitals: 48,970 notes") == 4


def test_fewer_hospitals_than_are_demanded_open_nothing() -> None:
    silent, three = [Speed(), Speed(), Speed(compute=1e9)], config(strategy__min_nodes=3, strategy__task_timeout=10.0)
    with pytest.raises(RunError):
        run(learners(100, 100, 100), given=three, speeds=silent)
    with pytest.raises(SettingsError, match="min-contributors"):
        check_demands(config(strategy__min_contributors=2), NodeConfig())
    check_demands(config(), NodeConfig())


def test_a_hospital_that_does_not_answer_leaves_the_sum_of_the_others() -> None:
    speeds = [Speed(), Speed(), Speed(), Speed(compute=10_000.0)]
    found = CODING.decode(run(learners(100, 200, 300, 400), speeds=speeds).vector())
    assert found.hospitals == 3 and found.counts[0] == 600


def test_counts_in_other_cells_are_refused() -> None:
    labelled = layout_of(config(data__task="label", data__label="mortality", data__source="mimic-iii").data)
    other = ProfileLearner(notes(9, 100, labelled), labelled, CODING, "other")
    done = run([*learners(100, 200, 300), other], speeds=[Speed(compute=5.0)] * 3 + [Speed(compute=20.0)])
    refused = [event for event in done.events if isinstance(event, Refused)]
    assert refused[0].name == "wrong-layout"
    assert CODING.decode(done.vector()).counts[0] == 600


class Liar(ProfileLearner):
    """States values that are no counts."""

    def train(self, start: Vector, version: int, seed: int) -> Trained:
        honest = super().train(start, version, seed)
        return Trained(-honest.vector, 1, 1, 0.0, 1)


def test_a_lie_that_is_no_count_is_seen_when_the_sum_is_opened(caplog: pytest.LogCaptureFixture) -> None:
    hospitals = learners(100, 200, 300, 400)
    done = run([*hospitals[:3], Liar(notes(3, 400), LAYOUT, CODING, "liar")])
    with pytest.raises(ProfileError):
        CODING.decode(done.vector())
    assert "the profile cannot be used" in caplog.text


def test_a_second_profile_is_not_given_in_the_same_run() -> None:
    (one,) = learners(100)
    one.train(one.initial(), 0, 0)
    with pytest.raises(ValueError, match="once"):
        one.train(one.initial(), 1, 0)


def test_the_log_compares_a_hospital_with_the_others() -> None:
    own, other = np.zeros(LAYOUT.size, dtype=np.int64), np.zeros(LAYOUT.size, dtype=np.int64)
    place = {name: at for group, name, at in LAYOUT.places() if group == "category"}
    own[[0, 1, place["nursing"]]] = 100, 30, 100
    other[[0, 1, place["nursing"], place["radiology"]]] = 400, 50, 100, 300
    one = Coding(2, CODING.plan)
    found = one.decode((one.encode(own) + one.encode(other)) * np.float32(0.5))
    whole, categories = comparison(LAYOUT, found, own)
    assert whole == "profile of 2 hospitals: 500 notes of 80 patients"
    assert categories == (
        "category here (and at the others): nursing 100% (25%), radiology 0% (75%); 75% of the notes lie elsewhere"
    )


def test_private_counts_have_the_noise_of_the_budget_and_few_notes_of_a_patient() -> None:
    private = PrivacySettings("patient", epsilon=1.0, notes_per_patient=2)
    heavy = Notes(np.array([0] * 50 + [1, 2, 2]), {g: np.zeros(53, dtype=np.int64) for g, _ in LAYOUT.groups[1:]})
    assert sensitivity(LAYOUT, private) == pytest.approx(np.sqrt(4 * 3 + 1))

    def stated(normal: float) -> np.ndarray:
        known = Randomness(normals=lambda count: np.full(count, normal), seed=lambda: 3)
        one = ProfileLearner(heavy, LAYOUT, CODING, "North", private, known)
        assert one.units == 3
        return one.train_private(one.initial(), 0, 100.0).vector

    exact = np.zeros(LAYOUT.size, dtype=np.int64)
    exact[:2] = 5, 3  # two of the fifty notes of the first patient
    exact[[2, 2 + len(LAYOUT.groups[1][1])]] = 5
    for normal in (2.0, 4.0):
        noise = normal * 100.0 * sensitivity(LAYOUT, private)
        expected = np.rint(exact + noise).astype(np.int64) if normal > 3 else np.zeros_like(exact)
        assert (stated(normal) == CODING.encode(expected)).all()


def test_a_private_profile_is_accounted_as_one_release_of_everybody(tmp_path: Path) -> None:
    private = config(privacy__unit="patient", privacy__epsilon=1.0, strategy__min_nodes=3)
    (one,) = learners(300)
    one = ProfileLearner(one.notes, LAYOUT, CODING, "North", private.privacy)
    limits = open_limits(private, NodeFiles(tmp_path / "run", tmp_path / "identity.pem", tmp_path), "run", one)
    assert limits.budget is not None and limits.budget.rate == 1.0
    cost = limits.spend()
    assert cost is not None and 0.99 < cost.total <= 1.0 and cost.alone == cost.total
    with pytest.raises(BudgetError):
        limits.spend()


def test_sensitivity_bounds_what_one_patient_changes() -> None:
    private, rng = PrivacySettings("patient", epsilon=1.0, notes_per_patient=3), np.random.default_rng(1)
    for _ in range(200):
        held = notes(int(rng.integers(1 << 30)), 40)
        mine = np.flatnonzero(held.patients == held.patients[0])[: private.notes_per_patient]
        rest = np.flatnonzero(held.patients != held.patients[0])
        difference = held.counts(LAYOUT, np.concatenate([rest, mine])) - held.counts(LAYOUT, rest)
        assert np.linalg.norm(difference) <= sensitivity(LAYOUT, private)
    one_cell = Notes(np.zeros(3, dtype=np.int64), {g: np.zeros(3, dtype=np.int64) for g, _ in LAYOUT.groups[1:]})
    assert np.linalg.norm(one_cell.counts(LAYOUT)) == pytest.approx(sensitivity(LAYOUT, private))
