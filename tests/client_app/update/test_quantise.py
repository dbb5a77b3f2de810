"""Quantising: unbiased, within range, and nothing is lost between values and residual."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from client_app.update.quantise import quantise

floats = st.floats(-4.0, 4.0, width=32)


@settings(deadline=None, derandomize=True, max_examples=150)
@given(arrays(np.float32, 7, elements=floats), arrays(np.float32, 7, elements=floats), st.integers(1, 2**20))
def test_values_and_residual_make_up_what_was_wanted(delta: np.ndarray, before: np.ndarray, q_max: int) -> None:
    got = quantise(delta, before, 1.5, q_max, np.random.default_rng(0))
    unit = 1.5 / q_max
    wanted = delta.astype(np.float64) + before
    narrowest = np.int8 if q_max <= 128 else np.int16 if q_max <= 2**15 else np.int32
    assert got.values.dtype == narrowest and got.residual.dtype == np.float32
    assert np.abs(got.values.astype(np.int64)).max() <= q_max
    assert np.allclose(got.values * unit + got.residual, wanted, rtol=0, atol=1e-6)
    inside = np.abs(wanted) <= 1.5
    assert np.all(np.abs(got.residual[inside]) <= unit * (1 + 1e-4) + 1e-6)
    outside = ~inside
    assert np.array_equal(got.values[outside], np.sign(wanted[outside]) * q_max)
    assert got.clipped == pytest.approx(outside.mean())


def test_rounding_is_unbiased() -> None:
    delta = np.repeat(np.array([0.1, -0.73, 0.5, 0.999], dtype=np.float32), 40_000)
    got = quantise(delta, None, 4.0, 4, np.random.default_rng(1))
    means = got.values.reshape(4, -1).mean(axis=1)
    assert means == pytest.approx([0.1, -0.73, 0.5, 0.999], abs=4 * 0.5 / 200)
    assert set(np.unique(got.values[:40_000])) == {0, 1}
    assert set(np.unique(got.values[40_000:80_000])) == {-1, 0}


def test_whole_units_are_kept_as_they_are() -> None:
    delta = np.array([-1.0, 0.0, 0.25, 1.0], dtype=np.float32)
    got = quantise(delta, None, 1.0, 4, np.random.default_rng(0))
    assert got.values.tolist() == [-4, 0, 1, 4]
    assert got.residual.tolist() == [0, 0, 0, 0]
    assert got.clipped == 0.0


def test_what_is_cut_off_is_counted_and_kept() -> None:
    got = quantise(np.array([3.0, -5.0, 0.0, 1.0], dtype=np.float32), None, 1.0, 4, np.random.default_rng(0))
    assert got.values.tolist() == [4, -4, 0, 4]
    assert got.residual.tolist() == [2.0, -4.0, 0.0, 0.0]
    assert got.clipped == 0.5


def test_the_residual_comes_back_until_it_is_sent() -> None:
    """A value beyond the range is sent in instalments."""
    residual, sent = None, 0
    for _ in range(4):
        delta = np.array([2.5 if residual is None else 0.0], dtype=np.float32)
        got = quantise(delta, residual, 1.0, 2, np.random.default_rng(0))
        residual, sent = got.residual, sent + int(got.values[0])
    assert sent == 5 and residual is not None and residual[0] == 0.0


def test_the_same_generator_gives_the_same_integers() -> None:
    delta = np.random.default_rng(3).normal(0, 0.3, 100).astype(np.float32)
    runs = [quantise(delta, None, 1.0, 127, np.random.default_rng(5)).values.tolist() for _ in range(2)]
    assert runs[0] == runs[1]
    assert runs[0] != quantise(delta, None, 1.0, 127, np.random.default_rng(6)).values.tolist()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_delta_that_is_not_finite_is_refused(bad: float) -> None:
    with pytest.raises(ValueError, match=r"1 of 3 values .* not finite: .* lower train.learning-rate"):
        quantise(np.array([0.0, bad, 1.0], dtype=np.float32), None, 1.0, 4, np.random.default_rng(0))


def test_an_empty_delta_is_an_empty_update() -> None:
    got = quantise(np.zeros(0, np.float32), None, 1.0, 4, np.random.default_rng(0))
    assert got.values.size == got.residual.size == 0 and got.clipped == 0.0
