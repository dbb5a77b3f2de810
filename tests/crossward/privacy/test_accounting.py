"""Epsilon agrees with a second library's accountants, and noise is the least that keeps a budget."""

from __future__ import annotations

import warnings

import pytest
from opacus.accountants import PRVAccountant, RDPAccountant

from crossward.privacy.accounting import GRID, PLD, RDP, Spent, epsilon, noise_for

DELTA = 1e-5
# (sampling rate, noise multiplier, steps) from a cautious run to a careless one
CASES = [(0.02, 0.75, 240), (0.1, 1.0, 240), (0.25, 2.0, 240), (0.05, 0.8, 1000), (1.0, 20.0, 240), (0.01, 1.0, 5000)]


def second(kind: type, case: tuple[float, float, int]) -> float:
    rate, noise, steps = case
    other = kind()
    other.history = [(noise, rate, steps)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the best order is the largest, or the smallest
        return float(other.get_epsilon(DELTA))


@pytest.mark.parametrize("case", CASES)
def test_epsilon_is_within_one_per_cent_of_opacus(case: tuple[float, float, int]) -> None:
    assert epsilon([Spent(*case)], DELTA, RDP) == pytest.approx(second(RDPAccountant, case), rel=0.01)
    exact = epsilon([Spent(*case)], DELTA, PLD)
    assert exact == pytest.approx(second(PRVAccountant, case), rel=0.01)
    assert exact < epsilon([Spent(*case)], DELTA, RDP)


def test_epsilon_of_the_plain_gaussian_is_the_analytic_one() -> None:
    """Balle and Wang, arXiv 1805.06530, eq. 6: delta = Phi(1/(2s) - e s) - exp(e) Phi(-1/(2s) - e s)."""
    from math import exp

    from scipy.stats import norm

    noise, steps = 4.0, 10
    s = noise / steps**0.5  # steps of the same noise are one of less
    found = epsilon([Spent(1.0, noise, steps)], DELTA)
    delta = norm.cdf(1 / (2 * s) - found * s) - exp(found) * norm.cdf(-1 / (2 * s) - found * s)
    assert delta == pytest.approx(DELTA, rel=1e-2) and delta <= DELTA


@pytest.mark.parametrize("accountant", [RDP, PLD])
def test_epsilon_grows_with_rate_and_steps_and_falls_with_noise_and_delta(accountant: str) -> None:
    middle = epsilon([Spent(0.1, 1.5, 50)], DELTA, accountant)
    assert epsilon([Spent(0.2, 1.5, 50)], DELTA, accountant) > middle
    assert epsilon([Spent(0.1, 1.5, 60)], DELTA, accountant) > middle
    assert epsilon([Spent(0.1, 2.0, 50)], DELTA, accountant) < middle
    assert epsilon([Spent(0.1, 1.5, 50)], 1e-4, accountant) < middle
    assert epsilon([], DELTA, accountant) == 0.0 == epsilon([Spent(0.1, 1.5, 0)], DELTA, accountant)


def test_trainings_one_by_one_cost_what_all_of_them_cost_at_once() -> None:
    parts = [Spent(0.1, 1.5, 10) for _ in range(5)]
    assert epsilon(parts, DELTA) == epsilon([Spent(0.1, 1.5, 50)], DELTA)
    mixed = epsilon([Spent(0.1, 1.5, 40), Spent(0.2, 1.0, 10)], DELTA)
    assert epsilon([Spent(0.1, 1.5, 40)], DELTA) < mixed < epsilon([Spent(0.2, 1.0, 50)], DELTA)


@pytest.mark.parametrize(
    ("budget", "rate", "steps", "expected"),
    [(8.0, 0.1, 240, 1.1953125), (3.0, 0.1, 240, 2.3515625), (8.0, 1.0, 240, 9.3046875)],
)
def test_noise_is_the_least_of_the_grid_that_keeps_the_budget(
    budget: float, rate: float, steps: int, expected: float
) -> None:
    noise = noise_for(budget, DELTA, rate, steps)
    assert noise == expected and noise * GRID == int(noise * GRID)
    assert epsilon([Spent(rate, noise, steps)], DELTA) <= budget
    assert epsilon([Spent(rate, noise - 1 / GRID, steps)], DELTA) > budget
    assert noise_for(budget, DELTA, rate, steps, RDP) > noise


def test_careless_noise_is_accounted_for_in_reasonable_time() -> None:
    assert epsilon([Spent(0.5, 0.1, 100)], DELTA) > 3000.0


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Spent(0.0, 1.0, 1), "sampling rate of 0.0"),
        (lambda: Spent(1.5, 1.0, 1), "sampling rate of 1.5"),
        (lambda: Spent(0.5, 0.0, 1), "noise multiplier of 0.0"),
        (lambda: Spent(0.5, 1e-154, 1), "noise multiplier of 1e-154"),  # of which RDP would say that it costs nothing
        (lambda: Spent(0.5, float("inf"), 1), "noise multiplier of inf"),
        (lambda: Spent(0.5, 1.0, -1), "-1 steps"),
        (lambda: epsilon([], 0.0), "delta = 0.0"),
        (lambda: epsilon([], DELTA, "moments"), "'moments'"),
        (lambda: noise_for(0.0, DELTA, 0.1, 10), "epsilon = 0.0"),
        (lambda: noise_for(1e-9, DELTA, 1.0, 10**9, RDP), "no noise multiplier up to 8192"),
    ],
)
def test_what_cannot_be_accounted_for_is_refused(make: object, says: str) -> None:
    assert callable(make)
    with pytest.raises(ValueError, match=says):
        make()


def test_settings_refuse_what_accounting_does() -> None:
    from crossward.config import privacy_settings
    from crossward.privacy.accounting import LEAST_NOISE

    assert LEAST_NOISE == privacy_settings.LEAST_NOISE


@pytest.mark.parametrize("accountant", [RDP, PLD])
def test_the_least_noise_that_is_allowed_costs_more_than_twice_as_much_noise(accountant: str) -> None:
    from crossward.privacy.accounting import LEAST_NOISE

    costs = [epsilon([Spent(0.1, noise * LEAST_NOISE, 5)], DELTA, accountant) for noise in (1, 2, 4, 8)]
    assert costs == sorted(costs, reverse=True) and costs[0] > 1000 and costs[-1] > 50
