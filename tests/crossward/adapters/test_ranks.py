"""Which component a value belongs to, and what its sum is divided by."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from crossward.adapters import AdapterError
from crossward.adapters import ranks as module
from crossward.adapters.ranks import Ranks
from crossward.config.model_settings import LoraSettings

SETTINGS = LoraSettings(rank=3, ranks="3,3,1,2", divided=True)
SHAPES = (("x.q.lora_A.weight", (3, 2)), ("x.q.lora_B.weight", (2, 3)), ("x.q.lora_core.weight", (3, 3)))
COMPONENTS = [0, 0, 1, 1, 2, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 1, 1, 2, 2, 2, 2]


def ranks() -> Ranks:
    made = Ranks.of(SHAPES, SETTINGS)
    assert made is not None
    return made


def test_every_value_has_its_component() -> None:
    assert ranks().components(slice(0, 21)).tolist() == COMPONENTS


def test_a_part_has_the_components_of_the_whole() -> None:
    for start in range(21):
        for stop in (start + 1, min(start + 7, 21), 21):
            assert ranks().components(slice(start, stop)).tolist() == COMPONENTS[start:stop]


def test_a_sum_is_divided_by_the_hospitals_that_have_the_component() -> None:
    """Of four hospitals four have the first, three the second, two the third."""
    found = ranks().factors(slice(0, 21))
    assert found.dtype == np.float64
    assert found.tolist() == [[1.0, 4 / 3, 2.0][component] for component in COMPONENTS]


def test_a_sum_is_left_as_it_is_unless_the_run_divides() -> None:
    made = Ranks.of(SHAPES, replace(SETTINGS, divided=False))
    assert made is not None and made.factors(slice(3, 21)).tolist() == [1.0] * 18


def test_what_a_hospital_does_not_train_is_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_STRETCH", 4)
    for rank in (1, 2, 3):
        values = np.ones(21, np.float32)
        ranks().confine(values, rank)
        assert values.tolist() == [float(component < rank) for component in COMPONENTS]


def test_where_all_train_the_same_there_is_nothing_to_divide_by() -> None:
    assert Ranks.of(SHAPES, LoraSettings(rank=3)) is None
    assert [ranks().own(hospital) for hospital in range(4)] == [0, 0, 1, 2]


@pytest.mark.parametrize("name", ["x.experts.lora_A.weight", "x.router.weight"])
def test_factors_of_several_experts_are_refused(name: str) -> None:
    with pytest.raises(AdapterError, match=r"lora.ranks needs factors of linear layers: x\..* is \[12, 2\], of rank 3"):
        Ranks.of([(name, (12, 2))], SETTINGS)
