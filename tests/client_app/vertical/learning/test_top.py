"""The joint model: it uses all parties, does without those that are away, and says what it cannot learn from."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from client_app.vertical.learning.arrays import LearningError
from client_app.vertical.learning.blocks import Blocks, Part
from client_app.vertical.learning.bottoms.joined import Joined
from client_app.vertical.learning.fitting import FitSettings
from client_app.vertical.learning.metrics import metrics
from client_app.vertical.learning.splits import Split, split
from client_app.vertical.learning.top import JointModel, TopSettings
from tests.client_app.vertical.learning.parties import PATIENTS, opened, tables

EVERYONE = np.arange(PATIENTS)
FEW = TopSettings(hidden=16, fit=FitSettings(epochs=12, learning_rate=1e-2))
PARTS = split([str(number) for number in EVERYONE], seed=1)


@cache
def trained(shared: int = PATIENTS, other: bool = True) -> tuple[JointModel, Blocks]:
    """The first party's joint model, of whose patients the first ``shared`` are in common with the other party."""
    first, second, outcome = tables()
    rows = EVERYONE[:shared]
    parts = [Part(rows, opened(second).embed(rows))] if other else []
    blocks = Blocks.scatter(PATIENTS, parts)
    model = JointModel(opened(first), blocks.widths, FEW, seed=0)
    model.train(blocks, outcome, PARTS, seed=0)
    return model, blocks


def auroc(model: JointModel, blocks: Blocks) -> float:
    found = metrics(tables()[2][PARTS.test].astype(int), model.predict(blocks, PARTS.test), draws=2).auroc
    assert found is not None
    return found


def test_the_joint_model_tells_what_the_label_holder_cannot_alone() -> None:
    assert auroc(*trained()) > auroc(*trained(other=False)) + 0.1
    assert auroc(*trained()) > 0.85


def test_bottoms_of_one_party_side_by_side_reach_it_as_well() -> None:
    first, second, outcome = tables()
    both = Joined([opened(first), opened(second)])
    assert np.linalg.norm(both.embed(EVERYONE), axis=1).max() <= 1 + 1e-6
    model, none = JointModel(both, (), FEW, seed=0), Blocks.scatter(PATIENTS, [])
    model.train(none, outcome, PARTS, seed=0)
    assert auroc(model, none) > 0.85
    again = JointModel(Joined([opened(first, seed=8), opened(second, seed=8)]), (), FEW, seed=8)
    again.load(model.state())
    assert np.array_equal(again.predict(none, EVERYONE), model.predict(none, EVERYONE))


def test_a_party_that_left_costs_what_it_knew_and_no_more() -> None:
    model, blocks = trained()
    left = blocks.without(0)
    assert auroc(*trained()) > auroc(model, left) > auroc(*trained(other=False)) - 0.1
    assert not left.present.any() and blocks.present.all()


def test_patients_whom_no_other_party_has_are_learnt_from_too() -> None:
    model, blocks = trained(shared=30)
    assert auroc(model, blocks) > auroc(*trained(other=False)) - 0.1
    assert np.array_equal(blocks.common(), EVERYONE[:30])


def test_probabilities_are_calibrated() -> None:
    model, blocks = trained()
    predicted = model.predict(blocks, PARTS.test)
    assert abs(predicted.mean() - tables()[2][PARTS.test].mean()) < 0.1
    assert metrics(tables()[2][PARTS.test].astype(int), predicted, draws=2).brier < 0.2  # type: ignore[operator]


def test_a_saved_model_predicts_the_same_and_training_is_a_function_of_the_seed() -> None:
    model, blocks = trained()
    first, _, outcome = tables()
    again = JointModel(opened(first), blocks.widths, FEW, seed=0)
    again.train(blocks, outcome, PARTS, seed=0)
    assert np.array_equal(again.predict(blocks, EVERYONE), model.predict(blocks, EVERYONE))
    other = JointModel(opened(first, seed=9), blocks.widths, FEW, seed=9)
    assert not np.allclose(other.predict(blocks, EVERYONE), model.predict(blocks, EVERYONE))
    other.load(model.state())
    assert np.array_equal(other.predict(blocks, EVERYONE), model.predict(blocks, EVERYONE))


def test_what_cannot_be_learnt_from_is_refused() -> None:
    model, blocks = trained()
    outcome = tables()[2]
    with pytest.raises(LearningError, match=r"widths \[\]"):
        model.train(Blocks.scatter(PATIENTS, []), outcome, PARTS, seed=0)
    with pytest.raises(LearningError, match="from 0 to 1"):
        model.train(blocks, outcome + 1, PARTS, seed=0)
    with pytest.raises(LearningError, match="from 0 to 1"):
        model.train(blocks, np.full(PATIENTS, np.nan, np.float32), PARTS, seed=0)
    nobody = Split(EVERYONE[:0], EVERYONE[:0], EVERYONE)
    with pytest.raises(LearningError, match="no patient to learn from"):
        model.train(blocks, outcome, nobody, seed=0)


def test_without_patients_who_validate_it_trains_all_epochs_and_leaves_logits_as_they_are() -> None:
    first, _, outcome = tables()
    none = Blocks.scatter(PATIENTS, [])
    model = JointModel(opened(first), (), replace(FEW, fit=FitSettings(epochs=2)), seed=0)
    done = model.train(none, outcome, Split(EVERYONE, EVERYONE[:0], EVERYONE[:0]), seed=0)
    assert (done.epochs, done.best) == (2, 2) and model.calibration.slope == 1.0
    assert model.predict(none, EVERYONE[:0]).shape == (0,)


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        (Part(np.array([0, 1]), np.zeros((3, 2), np.float32)), "a row for each"),
        (Part(np.array([0, 1]), np.zeros((2, 2))), "float32"),
        (Part(np.array([0, 1]), np.full((2, 2), np.inf, np.float32)), "finite"),
        (Part(np.array([0, 0]), np.zeros((2, 2), np.float32)), "distinct positions"),
        (Part(np.array([0, 5]), np.zeros((2, 2), np.float32)), "distinct positions"),
    ],
)
def test_embeddings_that_do_not_fit_are_refused(part: Part, reason: str) -> None:
    with pytest.raises(LearningError, match=reason):
        Blocks.scatter(5, [part])
