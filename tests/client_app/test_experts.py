"""A hospital's learner over a mixture of experts: it trains, and what experts cannot do is refused early."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from client_app.guard.refusals import redacted
from client_app.training.learner import LoraLearner, adapted_model
from crossward.adapters import AdapterError, LoraSettings, ModelConfig
from crossward.adapters.embedded import unpack_model
from crossward.config.privacy_settings import PrivacySettings
from crossward.config.schedule import Schedule
from crossward.config.train_settings import TrainSettings
from data import DataConfig, Hospital, load_hospitals
from tests.crossward.adapters.mixtures import save_mixture

LORA = LoraSettings(rank=2)
DATA = DataConfig(synthetic_patients=24, max_tokens=48, min_patients=2)
SCHEDULE = Schedule(versions=2, local_steps=3, peak=1e-2)
SETTINGS = TrainSettings(batch_size=4)

pytestmark = pytest.mark.usefixtures("own_home")


@pytest.fixture(scope="module")
def hospital(own_home: Path) -> Hospital:
    return load_hospitals(DATA, 3)[0]


@pytest.fixture(scope="module")
def model(own_home: Path, tmp_path_factory: pytest.TempPathFactory) -> ModelConfig:
    """Mixtral's shape with the embedded model's tokenizer."""
    folder = save_mixture(tmp_path_factory.mktemp("mixtral"), "Mixtral", vocab_size=2048)
    for path in unpack_model().glob("tokenizer*"):
        shutil.copy(path, folder)
    return ModelConfig(name=str(folder), device="cpu")


def made(model: ModelConfig, hospital: Hospital, lora: LoraSettings = LORA, **given: Any) -> LoraLearner:
    return LoraLearner(adapted_model(model, lora, 0), hospital, DATA, SCHEDULE, SETTINGS, **given)


@pytest.mark.parametrize("changed", [{}, {"gradient_checkpointing": True}, {"accumulation": 2, "batch_size": 2}])
def test_it_trains_and_measures(model: ModelConfig, hospital: Hospital, changed: dict[str, Any]) -> None:
    plain = made(model, hospital)
    start = plain.initial()
    wanted = plain.train(start, 0, 7)
    learner = made(model, hospital)
    learner.settings = replace(SETTINGS, **changed)
    got = learner.train(start, 0, 7)
    assert got.num_tokens == wanted.num_tokens
    if "accumulation" not in changed:
        assert np.allclose(got.vector, wanted.vector, atol=1e-5)
    before, after = (learner.evaluate({"a": vector})["a"].loss for vector in (start, got.vector))
    assert after < before
    blocks = learner.adapted.layout.blocks
    moved = [not np.array_equal(*(v[b.offset :][: b.size] for v in (got.vector, start))) for b in blocks]
    assert all(moved) and any(".experts." in block.name for block in blocks)


@pytest.mark.parametrize("unit", ["patient", "example"])
def test_a_unit_that_hospitals_protect_is_refused_before_a_step(
    model: ModelConfig, hospital: Hospital, unit: str
) -> None:
    privacy = PrivacySettings(unit, noise_multiplier=1.0, batch=3, notes_per_patient=2, clip=2.0)
    with pytest.raises(AdapterError) as error:
        made(model, hospital, privacy=privacy)
    message = redacted(error.value)  # it is of settings and the model alone
    assert f"privacy.unit = '{unit}'" in message and "model.layers.0.mlp.experts.gate_up_proj" in message
    assert message.endswith("lora.target-modules = 'k_proj,o_proj,q_proj,v_proj'.")
    lora = LoraSettings(rank=2, target_modules="k_proj,o_proj,q_proj,v_proj")
    learner = made(model, hospital, lora, privacy=privacy)
    got = learner.train_private(learner.initial(), 0, 1.0)
    assert not np.array_equal(got.vector, learner.initial())


def test_sharding_and_measured_sealing_are_refused(model: ModelConfig, hospital: Hospital) -> None:
    with pytest.raises(AdapterError, match=r"node\.sharding = 'fsdp' needs linear layers: .*experts"):
        adapted_model(model, LORA, 0, sharded=True)
    with pytest.raises(AdapterError, match=r"experts.*Set encryption\.policy to 'all'"):
        made(model, hospital).sensitive_blocks(0.3)
