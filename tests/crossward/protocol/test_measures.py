"""Held-out measures: sums that add over hospitals, variances over patients, by hand."""

import math

import pytest

from crossward.protocol.measures import Measure, difference, measure


def test_two_patients_by_hand() -> None:
    m = measure([(10.0, 20.0, 5.0), (30.0, 40.0, 5.0)])
    assert (m.patients, m.tokens, m.loss_sum, m.correct) == (2, 40, 60, 10)
    assert m.loss == 1.5 and m.token_accuracy == 0.25
    assert m.perplexity == pytest.approx(math.exp(1.5))
    # mean 1.5: residuals 20-15 = 5 and 40-45 = -5, 2/(2-1) * 50 = 100
    assert m.loss_var == pytest.approx(100.0)
    # mean .25: residuals 5-2.5 and 5-7.5, 2 * 12.5 = 25
    assert m.correct_var == pytest.approx(25.0)
    half = 1.959963984540054 * 10 / 40
    assert m.perplexity_interval() == pytest.approx((math.exp(1.5 - half), math.exp(1.5 + half)))
    half = 1.959963984540054 * 5 / 40
    assert m.accuracy_interval() == pytest.approx((0.25 - half, 0.25 + half))


def test_hospitals_add_up() -> None:
    a, b = measure([(10.0, 20.0, 5.0), (30.0, 40.0, 5.0)]), measure([(5.0, 5.0, 5.0)])
    both = a + b
    assert (both.tokens, both.loss_sum, both.correct, both.patients) == (45, 65, 15, 3)
    assert (both.loss_var, both.correct_var) == pytest.approx((100.0, 25.0))


def test_patients_without_tokens_do_not_count_and_nobody_measures_nothing() -> None:
    assert measure([(0.0, 0.0, 0.0)]) == measure([]) == Measure()
    assert measure([(0.0, 0.0, 0.0), (4.0, 2.0, 1.0)]).patients == 1


def test_an_enormous_loss_has_a_finite_perplexity() -> None:
    assert math.isfinite(Measure(1, 1.0, 1e9).perplexity)


def test_a_difference_is_paired_by_patient() -> None:
    """Patients differ by nats, the adapters by a tenth of one: only pairing shows it."""
    one = [(10.0, 10.0, 5.0), (30.0, 90.0, 5.0), (20.0, 100.0, 1.0)]
    other = [(n, loss + 0.1 * n + extra, right) for (n, loss, right), extra in zip(one, (0.1, -0.1, 0.0), strict=True)]
    found = difference(one, other)
    assert found.loss == pytest.approx(-0.1) and found.tokens == 60 and found.patients == 3
    # residuals -.1, .1, 0: 3/2 * .02 = .03, and Student's quantile at 2 degrees of freedom
    half = 4.302652729911275 * math.sqrt(0.03) / 60
    assert found.half_width() == pytest.approx(half) and half < 0.1
    assert found.interval() == pytest.approx((-0.1 - half, -0.1 + half))
    unpaired = math.sqrt(measure(one).loss_var + measure(other).loss_var) / 60
    assert unpaired > 1.0


def test_differences_of_hospitals_add_up() -> None:
    a = difference([(10.0, 20.0, 0.0), (30.0, 40.0, 0.0)], [(10.0, 25.0, 0.0), (30.0, 30.0, 0.0)])
    b = difference([(5.0, 5.0, 0.0)], [(5.0, 5.0, 0.0)])
    assert b.half_width() is None and b.interval() == (-math.inf, math.inf)
    both = a + b
    assert (both.loss_sum, both.tokens, both.degrees) == (5.0, 45.0, 1.0)
    assert both.half_width() == pytest.approx(12.706204736174694 * math.sqrt(a.loss_var) / 45)


def test_only_the_same_notes_are_compared() -> None:
    with pytest.raises(ValueError, match="different notes"):
        difference([(10.0, 20.0, 0.0)], [(11.0, 20.0, 0.0)])
    with pytest.raises(ValueError, match="shorter"):
        difference([(10.0, 20.0, 0.0)], [])
