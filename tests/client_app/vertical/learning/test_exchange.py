"""What goes back to the other parties helps, and says no more of a patient than a direction."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from client_app.vertical.learning.blocks import Blocks, Part
from client_app.vertical.learning.exchange import BATCH, ExchangeSettings, targets
from client_app.vertical.learning.top import JointModel
from tests.client_app.vertical.learning.parties import PATIENTS, tables
from tests.client_app.vertical.learning.test_top import PARTS, trained

SHARED = np.arange(0, PATIENTS, 2)


def loss(model: JointModel, blocks: Blocks, rows: np.ndarray) -> float:
    logits, labels = torch.from_numpy(model.logits(blocks, rows)), torch.from_numpy(tables()[2][rows]).double()
    return float(torch.nn.functional.binary_cross_entropy_with_logits(logits, labels))


def moved(blocks: Blocks, part: Part) -> Blocks:
    block = blocks.parts[0].copy()
    block[part.rows] = part.embeddings
    return Blocks((block,), blocks.present)


@pytest.mark.parametrize("norm", ["row", BATCH])
def test_embeddings_at_their_targets_have_a_lower_loss_and_the_opposite_a_higher_one(norm: str) -> None:
    model, blocks = trained()
    (found,) = targets(model, blocks, tables()[2], PARTS.train, ExchangeSettings(step=0.3, norm=norm))
    before = loss(model, blocks, PARTS.train)
    assert loss(model, moved(blocks, found), PARTS.train) < before
    away = Part(found.rows, 2 * blocks.parts[0][found.rows] - found.embeddings)
    assert loss(model, moved(blocks, away), PARTS.train) > before


def test_only_training_patients_whom_the_party_has_get_targets() -> None:
    model, blocks = trained(shared=100)
    (found,) = targets(model, blocks, tables()[2], PARTS.train, ExchangeSettings())
    assert np.array_equal(found.rows, PARTS.train[PARTS.train < 100]) and found.embeddings.dtype == np.float32
    assert not np.isin(found.rows, np.concatenate([PARTS.validation, PARTS.test])).any()


def test_by_row_all_targets_are_as_far_and_by_batch_the_distance_tells_how_wrong_the_model_is_of_a_patient() -> None:
    model, blocks = trained()
    labels = tables()[2]

    def far(norm: str) -> np.ndarray:
        (found,) = targets(model, blocks, labels, PARTS.train, ExchangeSettings(norm=norm))
        return np.linalg.norm(found.embeddings - blocks.parts[0][found.rows], axis=1)

    alike = far("row")
    assert np.allclose(alike, alike[0], rtol=1e-3) and alike[0] > 0
    wrong = np.abs(1 / (1 + np.exp(-model.logits(blocks, PARTS.train))) - labels[PARTS.train])
    assert spearmanr(far(BATCH), wrong).statistic > 0.8  # the control
