"""B_k: measured from transfers, smoothed, clamped; the unknown counts as the median."""

import pytest

from strategies.exchange.bandwidth import HIGHEST, LOWEST, SMOOTHING, Bandwidths


def test_megabits_a_second_by_hand() -> None:
    b = Bandwidths()
    b.observe(1, 5_000_000, round_trip=14.0, compute=10.0)  # 40 Mbit in 4 s
    assert b.value(1) == pytest.approx(10.0)
    b.observe(1, 5_000_000, round_trip=12.0, compute=10.0)  # 20 Mbit/s now
    assert b.value(1) == pytest.approx((1 - SMOOTHING) * 10 + SMOOTHING * 20)


def test_what_an_empty_message_costs_is_taken_off() -> None:
    b = Bandwidths()
    b.observe(1, 1000, round_trip=3.0, compute=1.0)
    assert b.empty_message == 2.0
    b.observe(2, 1000, round_trip=2.0, compute=1.0)
    assert b.empty_message == 1.0
    b.observe(3, 5_000_000, round_trip=15.0, compute=10.0)
    assert b.value(3) == pytest.approx(10.0)


def test_small_transfers_say_nothing_about_the_link() -> None:
    b = Bandwidths()
    b.observe(1, 999_999, 1.0, 0.0)
    assert b.value(1) == 1.0


def test_unknown_is_the_median_of_the_known() -> None:
    b = Bandwidths()
    assert b.value(9) == 1.0
    for node, mbit in ((1, 5.0), (2, 100.0), (3, 7.0)):
        b.configure(node, mbit)
    assert b.value(9) == 7.0


def test_values_are_clamped() -> None:
    b = Bandwidths()
    b.configure(1, 0.0)
    b.configure(2, 1e12)
    b.observe(3, 10**12, 1.0, 5.0)
    b.observe(4, 10**6, 1e9, 0.0)
    assert [b.value(n) for n in (1, 2, 3, 4)] == pytest.approx([LOWEST, HIGHEST, HIGHEST, LOWEST])


def test_a_configured_link_is_not_measured() -> None:
    b = Bandwidths()
    b.configure(1, 5.0)
    b.observe(1, 5_000_000, 14.0, 10.0)
    assert b.value(1) == 5.0


def test_a_node_that_claims_more_compute_than_its_round_trip_does_not_spoil_the_others() -> None:
    b = Bandwidths()
    b.observe(1, 1000, round_trip=1.0, compute=1e6)
    assert b.empty_message >= 0.0
    b.observe(2, 5_000_000, round_trip=14.0, compute=10.0)
    assert b.value(2) == pytest.approx(10.0)
