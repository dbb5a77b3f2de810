"""Holder and aggregator: what the one seals and the other combines opens to exact integer arithmetic."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossward.encryption.aggregator import ClearArithmetic
from crossward.encryption.holder import ClearSealer
from crossward.encryption.packing import pack
from crossward.encryption.plan import FieldPlan

CLEAR_ARITHMETIC = ClearArithmetic()


@settings(deadline=None, derandomize=True, max_examples=100)
@given(st.data())
def test_a_combination_opens_to_numpys(data: st.DataObject) -> None:
    value_bits = data.draw(st.integers(2, 24))
    plan = FieldPlan(value_bits, data.draw(st.integers(4, min(20, 40 - value_bits))), 0)
    count, nodes = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 4))
    value = st.integers(-plan.q_max, plan.q_max)
    rows = [np.array(data.draw(st.lists(value, min_size=count, max_size=count))) for _ in range(nodes)]
    weights = [data.draw(st.integers(1, plan.total_weight // nodes)) for _ in range(nodes)]
    parts = [ClearSealer(plan).seal(row) for row in rows]
    assert all(CLEAR_ARITHMETIC.check(part, plan.update_bits, count) == "" for part in parts)
    bits = plan.sum_bits(1)
    total = CLEAR_ARITHMETIC.combine(parts, weights, [plan.update_bits] * nodes, bits, count)
    opened = ClearSealer(plan).open(total, bits, count, sum(weights))
    assert np.array_equal(opened, sum(w * row for w, row in zip(weights, rows, strict=True)))


@pytest.mark.parametrize("bits", [(2, 2, 0), (8, 6, 6), (24, 16, 16)])
@pytest.mark.parametrize("sign", [1, -1])
def test_v_versions_of_extreme_values_and_weights_fit_and_stay_exact(bits: tuple[int, int, int], sign: int) -> None:
    plan = FieldPlan(*bits)
    update = ClearSealer(plan).seal(np.array([sign * plan.q_max] * 3))
    version = CLEAR_ARITHMETIC.combine([update], [plan.total_weight], [plan.update_bits], plan.sum_bits(1), 3)
    versions = plan.max_versions  # a weight of V stands for V equal records
    summed = CLEAR_ARITHMETIC.combine([version], [versions], [plan.sum_bits(1)], plan.sum_bits(versions), 3)
    opened = ClearSealer(plan).open(summed, plan.sum_bits(versions), 3, versions * plan.total_weight)
    assert opened.tolist() == [sign * plan.q_max * plan.total_weight * versions] * 3


def test_a_combination_that_does_not_fit_is_refused_not_wrapped() -> None:
    part = pack(np.array([255, 0]), 8)
    with pytest.raises(ValueError, match="does not fit 8 unsigned bits"):
        CLEAR_ARITHMETIC.combine([part, part], [1, 1], [8, 8], 8, 2)


def test_parts_of_different_width_add_by_value() -> None:
    total = CLEAR_ARITHMETIC.combine([pack(np.array([3, 5]), 4), pack(np.array([100, 7]), 9)], [2, 1], [4, 9], 10, 2)
    assert total == pack(np.array([106, 17]), 10)


@pytest.mark.parametrize("size", [0, 5, 7])
def test_a_part_of_the_wrong_size_is_explained(size: int) -> None:
    assert f"has {size} bytes instead of 6" in CLEAR_ARITHMETIC.check(bytes(size), 16, 3)


def test_a_value_beyond_q_max_is_refused_by_the_holder() -> None:
    plan = FieldPlan(8, 6, 6)
    assert ClearSealer(plan).seal(np.array([-127, 127])) == bytes([1, 255])
    for wrong in (-128, 128):
        with pytest.raises(ValueError, match="exceeds q_max = 127"):
            ClearSealer(plan).seal(np.array([0, wrong]))
