"""Every method under its name; fine-tuning goes as far as the validation patients gain, and no further."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from client_app.personal.fine_tune import fine_tune
from client_app.personal.methods import PERSONAL_METHODS
from client_app.personal.result import Personal
from client_app.personal.split import MANY, Ints, Split, validation_split
from client_app.personal.trainer import Given
from client_app.training.trained import Vector
from crossward.config.personal_settings import METHODS, NONE

START = np.zeros(2, np.float32)
GIVEN = Given(START, None, 10, 1e-2, 3)


@dataclass
class Line:
    """A trainer that always ends at (1, 0), where the loss is least at ``best`` of the way."""

    best: float
    count: int = 20
    trained_on: list[int] = field(default_factory=list)

    @property
    def split(self) -> Split | None:
        return validation_split(np.arange(self.count), np.full(self.count, 10), 1000, 3)

    def tune(self, given: Given, among: Ints | None = None) -> Vector:
        self.trained_on.append(self.count if among is None else len(among))
        return given.start + np.array([1.0, 0.0], np.float32)

    def loss(self, vector: Vector, among: Ints) -> float:
        assert len(among) == self.count - self.trained_on[0]  # never what was trained on
        return 1.0 + (float(vector[0]) - self.best) ** 2


def test_every_name_has_a_method() -> None:
    assert {NONE, *PERSONAL_METHODS} == set(METHODS)


@pytest.mark.parametrize(("best", "share"), [(1.0, 1.0), (3.0, 1.0), (0.74, 0.75), (0.45, 0.5), (0.2, 0.25)])
def test_it_goes_as_far_as_validation_patients_gain(best: float, share: float) -> None:
    trainer = Line(best)
    made = fine_tune(trainer, GIVEN)
    assert made.vector.tolist() == [share, 0.0] and made.vector.dtype == np.float32
    assert (made.method, made.steps, made.share) == ("fine-tune", 10, share)
    assert made.validation == pytest.approx({"global": 1.0 + best**2, "personal": 1.0 + (share - best) ** 2})
    assert trainer.trained_on == [16, 20]


@pytest.mark.parametrize("best", [0.0, -1.0, 0.1])
def test_where_no_step_helps_the_global_adapter_stays(best: float) -> None:
    trainer = Line(best)
    made = fine_tune(trainer, GIVEN)
    assert made.vector is START and (made.steps, made.share) == (0, 0.0)
    assert made.validation["global"] == made.validation["personal"] and trainer.trained_on == [16]
    assert "as no step helps" in made.line()


def test_with_many_patients_the_tenth_that_validates_is_not_trained_on_after_all() -> None:
    trainer = Line(1.0, count=MANY)
    assert fine_tune(trainer, GIVEN).share == 1.0 and trainer.trained_on == [MANY - MANY // 10]


def test_a_single_patient_cannot_validate_and_is_followed_half_of_the_way() -> None:
    trainer = Line(1.0, count=1)
    made = fine_tune(trainer, GIVEN)
    assert (made.share, made.validation, trainer.trained_on) == (0.5, {}, [1]) and made.vector.tolist() == [0.5, 0.0]
    assert "not validated" in made.line()


def test_a_result_comes_back_from_its_facts() -> None:
    made = Personal(START, "fine-tune", 3, 0.5, {"global": 2.0, "personal": 1.0})
    assert Personal.of(START, made.facts() | {"done": True}) == made
    assert made.line().endswith("loss on validation patients 1.0000, of the global adapter 2.0000")
