"""How long nodes will take: deadlines from measured times, doubled after silence; the pace of versions."""

from __future__ import annotations

from typing import Any

import pytest

from crossward.config.strategy_settings import StrategySettings
from strategies.exchange.bandwidth import Bandwidths
from strategies.exchange.forecast import Forecast

MB = 1_000_000


def forecast(**settings: Any) -> Forecast:
    return Forecast(StrategySettings(**settings), Bandwidths())


def test_a_node_not_measured_yet_has_the_configured_time_and_twice_that_after_silence() -> None:
    f = forecast(task_timeout=100.0)
    assert f.expected(1, "train") is None
    assert f.deadline(1, "train", 0) == 100.0
    for doubled in (200.0, 400.0, 800.0):
        f.unanswered(1, "train")
        assert f.deadline(1, "train", 0) == doubled
    assert f.deadline(2, "train", 0) == 100.0, "another node's silence"
    for _ in range(50):
        f.unanswered(1, "train")
    assert f.deadline(1, "train", 0) == 100.0 * 2**8


def test_times_are_smoothed_by_hand() -> None:
    f = forecast(timeout_factor=3.0, min_timeout=1.0)
    f.observe(1, "train", 100.0, 0)
    assert f.expected(1, "train") == 100.0
    assert f.deadline(1, "train", 0) == 3 * (100 + 4 * 50)
    f.observe(1, "train", 180.0, 0)
    # deviation 50 + (|180 - 100| - 50) / 4 = 57.5, mean 100 + 80 / 8 = 110
    assert f.expected(1, "train") == 110.0
    assert f.deadline(1, "train", 0) == 3 * (110 + 4 * 57.5)


def test_a_steady_nodes_deadline_falls_to_its_factor_but_not_below_the_floor() -> None:
    f = forecast(timeout_factor=3.0, min_timeout=120.0, task_timeout=3600.0)
    for _ in range(60):
        f.observe(1, "train", 100.0, 0)
        f.observe(2, "train", 1.0, 0)
    assert f.deadline(1, "train", 0) == pytest.approx(300.0, rel=1e-3)
    assert f.deadline(2, "train", 0) == 120.0


def test_the_floor_is_never_above_the_configured_time() -> None:
    f = forecast(min_timeout=120.0, task_timeout=30.0)
    f.observe(1, "train", 1.0, 0)
    for _ in range(60):
        f.observe(1, "train", 1.0, 0)
    assert f.deadline(1, "train", 0) == 30.0


def test_an_answer_ends_the_doubling_and_kinds_of_task_have_their_own_times() -> None:
    f = forecast(timeout_factor=1.0, min_timeout=1.0, task_timeout=50.0)
    f.observe(1, "train", 10.0, 0)
    f.unanswered(1, "train")
    assert f.deadline(1, "train", 0) == 2 * 30
    assert f.deadline(1, "evaluate", 0) == 2 * 50, "a link that is silent is silent for every kind"
    f.observe(1, "evaluate", 4.0, 0)
    assert f.deadline(1, "train", 0) == 30 and f.deadline(1, "evaluate", 0) == 12


def test_a_larger_download_than_usual_is_given_the_time_it_takes_on_a_slow_link() -> None:
    f = forecast(timeout_factor=2.0, min_timeout=1.0)
    f.bandwidths.configure(1, 8.0)  # a MB a second
    f.observe(1, "train", 60.0, 5 * MB)
    assert f.expected(1, "train", 5 * MB) == f.expected(1, "train") == 60.0
    assert f.expected(1, "train", 505 * MB) == pytest.approx(560.0)
    assert f.deadline(1, "train", 505 * MB) == pytest.approx(2 * (60 + 4 * 30 + 500))
    assert f.deadline(1, "train", 0) == 2 * (60 + 4 * 30), "a smaller one takes nothing off"


def test_what_is_left_of_a_run_is_the_pace_so_far() -> None:
    f = forecast()
    assert f.remaining(10, 5.0) == float("inf")
    f.version(30.0)
    f.version(10.0)
    assert f.remaining(10, 0.0) == 200.0
    assert f.remaining(1, 5.0) == 15.0


def test_what_is_overdue_is_expected_to_take_as_long_again() -> None:
    f = forecast()
    f.version(20.0)
    assert [f.remaining(1, since) for since in (12.0, 20.0, 50.0, 1000.0)] == [12.0, 20.0, 50.0, 1000.0]
    assert f.remaining(0, 0.0) == 10.0
