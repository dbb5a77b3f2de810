"""Hospital-level epsilon: against two other accountants, never below the tight one, and what it does not claim."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from dp_accounting import dp_event, pld, rdp

from crossward.privacy.hospital import (
    DISTANCE,
    GRID,
    LEAST_BOUND,
    LEAST_SIGMA,
    MOST_VALUES,
    SET_ASIDE,
    HospitalMechanism,
    calibrate,
)

CASES = [(1.0, 1, 1e-5), (2.0, 10, 1e-5), (3.125, 24, 1e-5), (8.0, 24, 1e-6), (1.5, 3, 1e-3), (20.0, 100, 1e-5)]


@pytest.mark.parametrize(("z", "versions", "delta"), CASES)
def test_epsilon_is_within_one_per_cent_of_other_accountants_of_the_gaussian(
    z: float, versions: int, delta: float
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from opacus.accountants import RDPAccountant

    ours = HospitalMechanism(z, 2, 1.0).epsilon(versions, delta)
    google = rdp.RdpAccountant()
    google.compose(dp_event.GaussianDpEvent(z), versions)
    assert ours == pytest.approx(google.get_epsilon(delta), rel=0.01)
    opacus = RDPAccountant()
    opacus.history = [(z, 1.0, versions)]
    orders = [*(1 + x / 10 for x in range(1, 100)), *range(12, 400)]  # the default ends at 63
    assert ours == pytest.approx(opacus.get_epsilon(delta, alphas=orders), rel=0.01)


@pytest.mark.parametrize(("z", "versions", "delta"), CASES)
def test_epsilon_is_never_below_what_the_gaussian_itself_spends(z: float, versions: int, delta: float) -> None:
    least = pld.privacy_loss_distribution.from_gaussian_mechanism(
        z / math.sqrt(versions), pessimistic_estimate=False, value_discretization_interval=1e-3
    ).get_epsilon_for_delta(delta)
    ours = HospitalMechanism(z, 2, 1.0).epsilon(versions, delta)
    assert least <= ours <= 1.25 * least + 0.05  # the price of RDP


@pytest.mark.parametrize("honest", [2, 3])
def test_the_sum_of_shares_is_as_close_to_a_gaussian_as_is_said(honest: int) -> None:
    """Renyi divergence between the sum of discrete Gaussian shares and its shift, by adding up probabilities."""
    reach, bound = 120, 7
    x = np.arange(-reach, reach + 1)
    share = np.exp(-(x**2) / (2 * LEAST_SIGMA**2))
    share /= share.sum()
    total = share
    for _ in range(honest - 1):
        total = np.convolve(total, share)
    p, q = total[bound:], total[:-bound]
    kept = (p > 1e-70) & (q > 1e-70)  # beyond, the sums below get nothing and the shares end
    p, q = np.log(p[kept]), np.log(q[kept])
    for order in (1.5, 2.0, 4.0):
        divergence = np.log(np.sum(np.exp(order * p + (1 - order) * q))) / (order - 1)
        claimed = order * bound**2 / (2 * honest * LEAST_SIGMA**2)
        assert divergence <= claimed * (1 + 1e-9)
        assert divergence == pytest.approx(claimed, rel=1e-3)  # and the bound is no loose one


def test_the_calibrated_multiplier_is_the_least_on_the_grid() -> None:
    for epsilon, versions, honest in ((1.0, 24, 2), (8.0, 24, 2), (8.0, 1, 5), (20.0, 200, 1)):
        z = calibrate(epsilon, 1e-5, versions, honest)
        assert z * GRID == int(z * GRID)
        assert HospitalMechanism(z, honest, 1.0).epsilon(versions, 1e-5) <= epsilon
        assert HospitalMechanism(z - 1 / GRID, honest, 1.0).epsilon(versions, 1e-5) > epsilon
    with pytest.raises(ValueError, match="no noise keeps"):
        calibrate(1e-9, 1e-9, 10**6, 2)


def test_epsilon_grows_with_versions_and_falls_with_noise_and_is_0_before_the_first() -> None:
    one = HospitalMechanism(2.0, 2, 1.0)
    spent = [one.epsilon(versions, 1e-5) for versions in range(6)]
    assert spent[0] == 0.0 and spent == sorted(spent) and len(set(spent)) == 6
    assert HospitalMechanism(2.1, 2, 1.0).epsilon(3, 1e-5) < spent[3] < one.epsilon(3, 1e-6)


def test_where_the_sampler_could_not_keep_it_no_epsilon_is_claimed() -> None:
    """(1 + e^epsilon) times what the sampled values differ by must stay within what delta was given for it."""
    for z in np.geomspace(0.05, 3.0, 40):
        found = HospitalMechanism(float(z), 2, 1.0).epsilon(24, 1e-5)
        off = DISTANCE * MOST_VALUES * 2 * 24
        assert math.isinf(found) or (1 + math.exp(found)) * off <= SET_ASIDE * 1e-5
    assert math.isinf(HospitalMechanism(0.05, 2, 1.0).epsilon(24, 1e-5))
    assert HospitalMechanism(3.0, 2, 1.0).epsilon(24, 1e-5) < 10


def test_bound_and_tail_fit_the_field_and_the_noise_is_never_less_than_accounted() -> None:
    for z in (0.3, 1.0, 3.125, 19.8203125):
        for honest in (1, 2, 7, 100):
            mechanism = HospitalMechanism(z, honest, 0.37)
            least = mechanism.least_bits()
            for bits in range(least, 20):
                q_max = (1 << (bits - 1)) - 1
                shares = mechanism.shares(q_max)
                assert shares.bound + shares.tail <= q_max and shares.bound >= LEAST_BOUND
                assert shares.sigma**2 * honest >= (z * shares.bound) ** 2 and shares.sigma >= LEAST_SIGMA
                assert shares.tail >= 12 * shares.sigma
                unit = mechanism.clip * mechanism.reach / q_max
                assert shares.bound * unit <= mechanism.clip


def test_too_few_bits_are_refused_with_how_many_would_do() -> None:
    mechanism = HospitalMechanism(3.125, 2, 1.0)
    with pytest.raises(ValueError, match=r"8 value bits leave an update bounded to 4 units.*Use 12 value bits or more"):
        mechanism.shares(127)
    assert mechanism.least_bits() == 12
    assert mechanism.shares(2047).bound == 74


def test_who_reads_a_single_update_sees_its_own_share_only() -> None:
    mechanism = HospitalMechanism(4.0, 4, 1.0)
    alone = mechanism.alone()
    assert (alone.noise_multiplier, alone.honest) == (2.0, 1)
    assert alone.epsilon(5, 1e-5) > mechanism.epsilon(5, 1e-5)
    both = [m.shares(32767) for m in (mechanism, alone)]
    assert both[0].sigma / both[0].bound == pytest.approx(both[1].sigma / both[1].bound, rel=1e-4)


@pytest.mark.parametrize("wrong", [{"noise_multiplier": 0.0}, {"honest": 0}, {"clip": 0.0}])
def test_numbers_that_make_no_mechanism_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected numbers above 0"):
        HospitalMechanism(**({"noise_multiplier": 1.0, "honest": 1, "clip": 1.0} | wrong))  # type: ignore[arg-type]
