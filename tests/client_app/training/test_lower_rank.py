"""A hospital that trains fewer components than the run has: in every kind of training, and in no measure."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from client_app.builders.parts import NodeFiles, make_node
from client_app.guard.limits import Limits
from client_app.training.learner import LoraLearner, adapted_model, local_learner
from client_app.training.spec import LearnerSpec
from client_app.update.payloads import Vault
from crossward.adapters import ModelConfig
from crossward.adapters.ranks import Ranks
from crossward.config.run_config import RunConfig
from crossward.privacy.noise import Randomness
from data import Hospital, load_hospitals

CONFIG = RunConfig.read(
    {
        "model.device": "cpu",
        "encryption.policy": "none",
        "lora.rank": 2,
        "lora.ranks": "2,2,2,1",
        "data.synthetic-patients": 24,
        "data.max-tokens": 64,
        "data.min-patients": 2,
        "strategy.num-versions": 2,
        "train.local-steps": 2,
        "train.batch-size": 4,
    }
)
pytestmark = pytest.mark.usefixtures("own_home")


@pytest.fixture(scope="module")
def hospital(own_home: Path) -> Hospital:
    return load_hospitals(CONFIG.data, 3)[0]


def learner_of(hospital: Hospital, rank: int, **given: Any) -> LoraLearner:
    adapted = adapted_model(CONFIG.model, CONFIG.lora, 0)
    return LoraLearner(adapted, hospital, CONFIG.data, CONFIG.schedule, CONFIG.train, rank=rank, **given)


def beyond(learner: LoraLearner, rank: int = 1) -> np.ndarray:
    """Which values a hospital of ``rank`` does not train."""
    ranks = Ranks.of(learner.shapes, CONFIG.lora)
    assert ranks is not None
    return np.asarray(ranks.components(slice(0, sum(learner.sizes))) >= rank)


def start_of(learner: LoraLearner) -> np.ndarray:
    """As the others' components are no longer zero."""
    noise = np.random.default_rng(1).standard_normal(sum(learner.sizes), dtype=np.float32)
    return np.asarray(learner.initial() + np.float32(0.02) * noise)


def test_every_training_moves_its_components_alone(hospital: Hospital) -> None:
    low, full = learner_of(hospital, 1), learner_of(hospital, 0)
    start, others = start_of(low), beyond(low)
    made = {
        "train": low.train(start, 0, 1).vector,
        "alone": low.alone(start, 2, 1),
        "personal": low.personal(start, None, 4, 1).vector,
    }
    for name, vector in made.items():
        assert np.array_equal(vector[others], start[others]), name
        assert (vector[~others] != start[~others]).mean() > 0.9, name
    assert low.evaluate({"x": start}) == full.evaluate({"x": start})
    again = full.train(start, 0, 1).vector  # of the same model, whole again
    assert (again[others] != start[others]).mean() > 0.9


def test_it_trains_within_the_whole_adapter(hospital: Hospital) -> None:
    """What it does to its components depends on the others'."""
    low = learner_of(hospital, 1)
    start, others = start_of(low), beyond(low)
    bare = start.copy()
    bare[others] = 0.0
    within, without = low.train(start, 0, 1).vector, low.train(bare, 0, 1).vector
    assert not np.allclose(within[~others], without[~others], atol=1e-5)


def test_a_private_training_clips_and_noises_its_components_alone(hospital: Hospital) -> None:
    privacy = replace(CONFIG.privacy, unit="example", noise_multiplier=1.0, batch=4, clip=0.5)
    asked: list[int] = []

    def normals(count: int) -> np.ndarray:
        asked.append(count)
        return np.zeros(count)

    low = learner_of(hospital, 1, privacy=privacy, randomness=Randomness(normals, lambda: 7))
    start, others = start_of(low), beyond(low)
    got = low.train_private(start, 0, 1.0).vector
    assert np.array_equal(got[others], start[others]) and (got[~others] != start[~others]).any()
    assert asked == [int((~others).sum())] * CONFIG.schedule.local_steps


def test_its_node_says_so_and_divides(hospital: Hospital, tmp_path: Path) -> None:
    files = NodeFiles(tmp_path / "state", tmp_path / "identity.pem", tmp_path / "workers")
    node = make_node(CONFIG, files, Vault(CONFIG.encryption), learner_of(hospital, 1), Limits("none"), rank=1)
    assert node.sealer.rank == 1 and node.ranks is not None and node.ranks.hospitals == (2, 2, 2, 1)
    plain = replace(CONFIG, lora=replace(CONFIG.lora, ranks=""))
    assert make_node(plain, files, Vault(CONFIG.encryption), learner_of(hospital, 0), Limits("none")).ranks is None


def test_ranks_are_part_of_what_nodes_agree_on() -> None:
    """Nodes that divide differently would not hold the same adapter."""
    given = ({"ranks": ""}, {"ranks": "2,2,2,1"}, {"ranks": "2,2,2,1", "divided": True})
    layouts = [adapted_model(CONFIG.model, replace(CONFIG.lora, **one), 0).layout for one in given]
    assert len({layout.fingerprint for layout in layouts}) == 3
    assert layouts[0].blocks == layouts[1].blocks == layouts[2].blocks


def test_another_process_makes_the_same_learner(own_home: Path) -> None:
    spec = LearnerSpec(CONFIG, 0, 3, rank=1)
    assert LearnerSpec.from_json(spec.to_json()) == spec
    assert spec.group_key("code") == LearnerSpec(CONFIG, 0, 3).group_key("code")  # the model is the same
    assert local_learner(spec).rank == 1
    assert ModelConfig(device="cpu") == CONFIG.model
