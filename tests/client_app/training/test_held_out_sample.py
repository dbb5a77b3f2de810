"""The sample of held-out notes: bounded, the same in a whole run, a window a patient, measured as the model has it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import Dataset

from client_app.training.held_out_sample import FEWEST, LONGEST, SHORTEST, HeldOutSample, budget
from client_app.training.losses import token_losses
from crossward.adapters import BaseModel, ModelConfig, load_base
from crossward.config.train_settings import TrainSettings
from data import DataConfig, TokenDataset, tokenise

PATIENTS = 14


@pytest.fixture(scope="module")
def base(own_home: Path) -> BaseModel:
    return load_base(ModelConfig(device="cpu"))


@pytest.fixture(scope="module")
def tokens(base: BaseModel) -> TokenDataset:
    rows = [
        {
            "note_id": str(i),
            "patient_id": f"p{i % PATIENTS}",
            "text": f"{i}: chest clear, stable. " * (1 + i),
            "label": "",
        }
        for i in range(2 * PATIENTS)
    ]
    return tokenise(Dataset.from_list(rows), base.tokenizer, DataConfig(packing=False))


def test_a_twentieth_of_the_trainings_time_is_spent() -> None:
    trained = 10 * 4 * 256  # tokens, each as long as three in a forward pass
    assert budget(TrainSettings(batch_size=4), 10, 256) == int(0.05 * 3 * trained)


def test_windows_are_one_a_patient_within_the_budget_and_always_the_same(tokens: TokenDataset) -> None:
    drawn = HeldOutSample.draw(tokens, 12 * SHORTEST, 8192, seed=1)
    again = HeldOutSample.draw(tokens, 12 * SHORTEST, 8192, seed=1)
    assert len(drawn.windows) == 12
    assert all(np.array_equal(a, b) for a, b in zip(drawn.windows, again.windows, strict=True))
    assert sum(len(window) - 1 for window in drawn.windows) <= 12 * SHORTEST
    plenty = HeldOutSample.draw(tokens, 10**6, 8192, seed=1)
    assert len(plenty.windows) == PATIENTS and max(map(len, plenty.windows)) <= LONGEST + 1


def test_too_few_patients_are_not_measured(base: BaseModel, tokens: TokenDataset) -> None:
    for allowed in (0, (FEWEST - 1) * SHORTEST):
        drawn = HeldOutSample.draw(tokens, allowed, 8192, seed=1)
        assert drawn.windows == () and drawn.losses(base.model, "no").size == 0
    labelled = dataclasses.replace(tokens, frame=dataclasses.replace(tokens.frame, answers=(tokens.ids[:1],)))
    assert HeldOutSample.draw(labelled, 10**6, 8192, seed=1).windows == ()


def test_losses_are_the_models_by_patient(base: BaseModel, tokens: TokenDataset) -> None:
    drawn = HeldOutSample.draw(tokens, 10**6, 130, seed=1)  # two windows a pass
    found = drawn.losses(base.model, "no")
    assert found.shape == (PATIENTS,)
    for number in (0, 5, PATIENTS - 1):
        ids = torch.from_numpy(drawn.windows[number].astype(np.int64))[None]
        with torch.no_grad():
            losses, predicted, _ = token_losses(
                base.model, {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": ids}
            )
        assert found[number] == pytest.approx(float(losses.sum() / predicted.sum()), rel=1e-4)
