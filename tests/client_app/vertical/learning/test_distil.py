"""Students predict alone what the joint model knows of patients in common, and carry it to others."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from client_app.vertical.learning.arrays import LearningError
from client_app.vertical.learning.distil import Student, soft_labels, student_split
from tests.client_app.vertical.learning.parties import PATIENTS, opened, tables
from tests.client_app.vertical.learning.test_top import FEW, trained

EVERYONE = np.arange(PATIENTS)


def test_a_feature_party_without_outcomes_predicts_patients_whom_it_alone_has() -> None:
    _, second, outcome = tables()
    model, blocks = trained()
    common, elsewhere = EVERYONE[:200], EVERYONE[200:]
    bottom = opened(second)
    before = bottom.embed(EVERYONE)
    student = Student(bottom, FEW, seed=0)
    student.train(soft_labels(PATIENTS, common, model.predict(blocks, common)), student_split(common, 0), seed=0)
    assert roc_auc_score(outcome[elsewhere], student.predict(elsewhere)) > 0.7
    assert np.array_equal(bottom.embed(EVERYONE), before)  # the student's weights are its own


def test_a_student_of_predictions_that_say_nothing_knows_nothing() -> None:
    _, second, outcome = tables()
    common = EVERYONE[:200]
    noise = np.random.default_rng(3).random(200)
    student = Student(opened(second), FEW, seed=0)
    student.train(soft_labels(PATIENTS, common, noise), student_split(common, 0), seed=0)
    assert 0.35 < roc_auc_score(outcome[200:], student.predict(EVERYONE[200:])) < 0.65


def test_soft_labels_stand_for_the_outcome_where_there_are_both() -> None:
    rows, outcome = np.array([1, 3]), np.array([0, 1, 1, 0], np.uint8)
    assert soft_labels(4, rows, np.array([0.25, 0.5]), outcome).tolist() == [0, 0.25, 1, 0.5]
    assert np.isnan(soft_labels(4, rows, np.array([0.25, 0.5]))[[0, 2]]).all()
    with pytest.raises(LearningError, match="1 predictions for 2 patients"):
        soft_labels(4, rows, np.array([0.5]))
    with pytest.raises(LearningError, match="from 0 to 1"):
        soft_labels(4, rows, np.array([0.5, np.nan]))


def test_a_students_split_is_of_the_patients_in_common() -> None:
    rows = EVERYONE[::3]
    found = student_split(rows, 0)
    assert len(found.validation) == 20 and not len(found.test)
    assert np.array_equal(np.union1d(found.train, found.validation), rows)
