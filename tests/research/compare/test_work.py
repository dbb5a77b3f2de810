"""Jobs by the product's own parts at minuscule size: exact equality, costs, kept results, what is not there."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from client_app.training.trained import Trained
from crossward.config.data_settings import NOTES
from crossward.config.run_config import RunConfig
from crossward.config.schedule import Schedule
from crossward.evaluation.replay import EvaluationError
from crossward.launcher.overrides import app_defaults
from crossward.simulation.toy import ToyLearner
from research.compare import frontier, work
from research.compare.federation import UnavailableError, epsilon_of
from research.compare.frontier import point
from research.compare.memory import Memory, Remembering
from research.compare.methods import CHECKS, ENCRYPTED, ENCRYPTED_SYNC, FL, HE_FL, LOCAL, METHODS, PERSONAL
from research.compare.settings import FRACTIONS, FULL, QUICK
from research.compare.work import Workplace
from tests.ledger_lines import made

ROOT = Path(__file__).resolve().parents[3]
GIVEN = (("lora.rank", 2), ("node.threads", 1))
TINY = replace(
    QUICK,
    name="tiny",
    seeds=1,
    hospitals=3,
    rounds=2,
    local_steps=1,
    label_rounds=1,
    label_steps=1,
    patients=24,
    label_patients=36,
    max_tokens=64,
    batch_size=2,
    dp_batch=2,
    given=GIVEN,
)
DEFAULTS = app_defaults(ROOT)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("comparison")


@pytest.fixture
def place(folder: Path) -> Workplace:
    return Workplace(TINY, folder, DEFAULTS)


def test_the_sealed_run_ends_in_the_clear_runs_adapter(place: Workplace) -> None:
    fl = place.job(METHODS[FL], 0)
    he, sealed = place.job(METHODS[HE_FL], 0, label=False), place.job(CHECKS[ENCRYPTED_SYNC], 0, label=False)
    assert he["adapter"] == sealed["adapter"] == fl["adapter"] and fl["loss"] == he["loss"]
    assert he["train_seconds_per_round"] == fl["train_seconds_per_round"] > 0  # one training, its seconds in both
    assert he["trainings"] == fl["trainings"] == 6 and set(fl["steps"].values()) == {2}
    assert he["bytes_per_round"] > sealed["bytes_per_round"] > fl["bytes_per_round"] > fl["values"] * 3
    assert he["crypto_seconds_per_round"] > fl["crypto_seconds_per_round"] > 0
    for name in ("seal", "open", "add"):
        assert sealed[f"{name}_seconds_per_round"] > 0
    assert fl["epsilon"] is None and 0 < fl["loss"] < 10 and len(fl["sites"]) == 3
    assert set(fl["auroc_sites"]) == set(fl["sites"]) and "auroc_mean" not in he


def test_personal_adapters_start_from_the_encrypted_runs_and_stay_at_home(place: Workplace) -> None:
    local, made = (place.job(METHODS[name], 0, label=False) for name in (LOCAL, PERSONAL))
    shared = place.job(METHODS[ENCRYPTED], 0, label=False)
    assert made["adapter"] not in (shared["adapter"], local["adapter"]) and set(made["sites"]) == set(shared["sites"])
    assert made["bytes_per_round"] == shared["bytes_per_round"] > 0 and made["loss_elsewhere"] > 0
    both = shared["train_seconds_per_round"] + local["train_seconds_per_round"]
    assert made["train_seconds_per_round"] > both - 1e-9  # the same trainings, and the personal ones
    assert made["loss"] <= shared["loss"] + 0.05


def test_a_kept_result_is_not_made_again(place: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    made = place.job(METHODS[LOCAL], 0, label=False)
    assert made["bytes_per_round"] == 0 and made["loss_elsewhere"] > 0 and made["train_seconds_per_round"] > 0
    again = Workplace(replace(TINY, seeds=9), place.out, DEFAULTS)
    monkeypatch.setattr(again, "_notes", lambda *args: pytest.fail("trained again"))
    assert again.done(METHODS[LOCAL], 0) and again.job(METHODS[LOCAL], 0) == json.loads(json.dumps(made))


@pytest.mark.parametrize("rubbish", [b"", b"[1]", b"{", b"\xff"])
def test_a_damaged_file_of_the_folder_is_named(tmp_path: Path, rubbish: bytes) -> None:
    place = Workplace(TINY, tmp_path, DEFAULTS)
    path = place.path(METHODS[LOCAL], 0)
    path.parent.mkdir()
    for damaged, act in ((path, lambda: place.job(METHODS[LOCAL], 0)), (tmp_path / "settings.json", None)):
        damaged.write_bytes(rubbish)
        with pytest.raises(EvaluationError, match=rf"{damaged.name} is no file of a comparison .*: delete it"):
            act() if act else Workplace(TINY, tmp_path, DEFAULTS)


def test_a_file_in_the_folders_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    with pytest.raises(EvaluationError, match=r"out is a file: give --out a folder"):
        Workplace(TINY, tmp_path / "out", DEFAULTS)


def test_a_folder_with_somebody_elses_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "leakage.png").write_text("mine")
    with pytest.raises(EvaluationError, match=r"is no comparison and not empty \(it holds leakage.png\)"):
        Workplace(TINY, tmp_path, DEFAULTS)
    assert [path.name for path in tmp_path.iterdir()] == ["leakage.png"]


def test_another_comparison_in_the_folder_is_refused(place: Workplace) -> None:
    with pytest.raises(EvaluationError, match=r"other settings: rounds \(2, now 3\)"):
        Workplace(replace(TINY, rounds=3), place.out, DEFAULTS)


def test_jobs_made_under_other_defaults_are_not_gone_on_with(tmp_path: Path) -> None:
    Workplace(TINY, tmp_path, DEFAULTS)
    Workplace(TINY, tmp_path, dict(reversed(DEFAULTS.items())))
    with pytest.raises(EvaluationError, match="under other defaults of the app"):
        Workplace(TINY, tmp_path, DEFAULTS | {"train.learning-rate": 0.123})


def test_a_private_run_without_a_stated_epsilon_has_no_figures(
    place: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("research.compare.federation.epsilon_of", lambda events: None)
    with pytest.raises(UnavailableError, match="no epsilon"):
        place.job(METHODS["dp-fl"], 0, label=False)
    assert not place.done(METHODS["dp-fl"], 0)


def test_the_same_adapters_label_quality_is_measured_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, trained = [], {FL: 1.0, HE_FL: 1.0, LOCAL: 2.0}
    monkeypatch.setattr(work, "label_quality", lambda learners, home: asked.append(home[0][0]) or {"auroc_mean": 0.5})
    place = Workplace(TINY, tmp_path, DEFAULTS)
    monkeypatch.setattr(place, "learners", lambda *args: [])
    monkeypatch.setattr(place, "_train", lambda m, *args: work.Trained([np.full(3, trained[m.name])] * 3, work.Cost()))
    monkeypatch.setattr(place, "_notes", lambda method, seed: {})
    for seed in (0, 1):  # another seed's initial adapter and notes' order are others
        for name in trained:
            assert place.job(METHODS[name], seed)["auroc_mean"] == 0.5
    assert asked == [1.0, 2.0] * 2


def test_the_epsilon_of_a_run_is_the_largest_stated() -> None:
    events = [
        made("accepted"),
        made("version", hospital_epsilon=1.5),
        made("version", hospital_epsilon=3),
        made("version", reverts=1),
        made("accepted", local_epsilon=0.0),
    ]
    assert epsilon_of(events) == 3.0 and epsilon_of(events[:1]) is epsilon_of(events[-1:]) is None


def test_the_frontiers_costs_rise_with_the_fraction(place: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    learner = place.learners(METHODS[FL], 0, NOTES)[0]
    most = tuple(number < 0.6 * len(learner.sizes) for number in range(len(learner.sizes)))
    monkeypatch.setattr(learner, "sensitive_blocks", lambda fraction: most)
    clear, half, whole = (point(learner, fraction, 3) for fraction in (0.0, 0.5, 1.0))
    assert clear["sealed_share"] == 0 and 0.4 <= half["sealed_share"] < 1 and whole["sealed_share"] == 1
    assert clear["bytes_per_round"] < half["bytes_per_round"] < whole["bytes_per_round"]
    assert clear["leakage"]["how"] == "not attacked"


def test_leakage_is_measured_at_the_fractions_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frontier, "point", lambda learner, f, hospitals, attack=None: {"at": f, "attack": attack})
    made = frontier.frontier(None, 4, attack := object(), QUICK.attacked)  # type: ignore[arg-type]
    assert [p["at"] for p in made] == list(FRACTIONS) == list(FULL.attacked)
    assert [p["at"] for p in made if p["attack"] is attack] == list(QUICK.attacked)
    assert METHODS["hybrid"].fraction in QUICK.attacked


def test_a_training_is_remembered_by_everything_that_decides_it() -> None:
    toy, memory, seconds = ToyLearner(0, Schedule(versions=4, local_steps=2)), Memory(), list[float]()
    learner = Remembering(toy, RunConfig.read({"encryption.policy": "all"}), memory, seconds)
    start = toy.initial()
    first = learner.train(start, 0, 1)
    first.vector[:] = 9.0  # the node works in it
    assert isinstance(learner.train(start, 0, 1), Trained) and len(memory.trained) == 1
    assert not np.array_equal(learner.train(start, 0, 1).vector, first.vector)
    sealed = Remembering(toy, RunConfig.read({"encryption.policy": "none"}), memory, seconds)
    sealed.train(start, 0, 1)
    assert len(memory.trained) == 1 and len(seconds) == 4 and len(set(seconds)) == 1
    Remembering(toy, RunConfig.read({"train.batch-size": 8}), memory, seconds).train(start, 0, 1)
    for version, seed, vector in ((1, 1, start), (0, 2, start), (0, 1, start + np.float32(1))):
        learner.train(vector, version, seed)
    assert len(memory.trained) == 5


def test_a_private_training_is_made_every_time() -> None:
    class Private(ToyLearner):
        units = 7

        def train_private(self, start: np.ndarray, version: int, noise_multiplier: float) -> Trained:
            return Trained(start + np.random.default_rng().normal(0, noise_multiplier, start.shape), 7, 1, 0.0, 1)

    toy, seconds = Private(0, Schedule(versions=4, local_steps=2)), list[float]()
    learner = Remembering(toy, RunConfig.read({}), Memory(), seconds)
    one, two = (learner.train_private(toy.initial(), 0, 2.0).vector for _ in range(2))
    assert not np.array_equal(one, two) and len(seconds) == 2 and learner.units == 7
