"""The public schedule: warm-up, decay, scale epochs and ranges."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossward.config.schedule import MAX_EPOCH, Schedule
from crossward.config.settings import SettingsError, read_settings

schedules = st.builds(
    Schedule,
    versions=st.integers(1, 300),
    local_steps=st.integers(1, 20),
    peak=st.floats(1e-5, 1.0),
    kind=st.sampled_from(["cosine", "linear", "constant"]),
    warmup=st.floats(0.0, 0.5),
    floor=st.floats(0.0, 1.0),
)


def test_warm_up_rises_linearly_to_the_peak_and_decay_ends_at_the_floor() -> None:
    s = Schedule(versions=10, local_steps=10, peak=1.0, kind="linear", warmup=0.2, floor=0.1)
    # 20 of 100 steps warm up: step n has (n+1)/21 of the peak
    assert s.learning_rate(0, 0) == pytest.approx(1 / 21)
    assert s.learning_rate(1, 9) == pytest.approx(20 / 21)
    assert s.learning_rate(2, 0) == pytest.approx(1.0)
    assert s.learning_rate(6, 0) == pytest.approx(0.1 + 0.9 * 0.5)
    assert s.learning_rate(10, 0) == pytest.approx(0.1)
    assert s.learning_rate(10, 9) == pytest.approx(0.1)


def test_cosine_is_half_way_in_the_middle() -> None:
    s = Schedule(versions=10, local_steps=10, peak=0.02, kind="cosine", warmup=0.0, floor=0.5)
    assert s.learning_rate(0, 0) == pytest.approx(0.02)
    assert s.learning_rate(5, 0) == pytest.approx(0.02 * 0.75)
    assert s.learning_rate(10, 0) == pytest.approx(0.02 * 0.5)


def test_a_constant_rate_has_one_scale_epoch() -> None:
    s = Schedule(versions=10, kind="constant", warmup=0.0)
    assert {s.learning_rate(v, 0) for v in range(11)} == {s.peak}
    assert {s.epoch(v) for v in range(11)} == {0}


def test_epochs_of_a_linear_decay_by_hand() -> None:
    s = Schedule(versions=16, kind="linear", warmup=0.0, floor=0.0)
    # decay at v is 1 - v/16: halved at 8, quartered at 12, an eighth at 14, a sixteenth at 15, nothing at 16
    assert [s.epoch(v) for v in range(17)] == [0] * 8 + [1] * 4 + [2, 2, 3, 4, MAX_EPOCH]


@settings(deadline=None, derandomize=True, max_examples=60)
@given(schedules)
def test_rates_stay_within_the_peak_and_epochs_never_fall(s: Schedule) -> None:
    epochs = [s.epoch(v) for v in range(s.versions + 3)]
    assert epochs == sorted(epochs)
    assert epochs[0] == 0 and epochs[-1] <= MAX_EPOCH
    for version in range(s.versions + 1):
        rates = [s.learning_rate(version, step) for step in range(s.local_steps)]
        assert all(0 <= rate <= s.peak for rate in rates)
        # the range of the version's epoch holds what AdamW could move at the version's own rate
        assert s.local_steps * s.peak * s._decay(min(version / s.versions, 1)) <= (
            2 * s.value_range(s.epoch(version)) * (1 + 1e-9)
        )


@settings(deadline=None, derandomize=True, max_examples=60)
@given(schedules)
def test_warm_up_rises_and_decay_falls(s: Schedule) -> None:
    rates = [(v, step, s.learning_rate(v, step)) for v in range(s.versions) for step in range(s.local_steps)]
    warm = [r for v, step, r in rates if (v + step / s.local_steps) / s.versions < s.warmup]
    cold = [r for v, step, r in rates if (v + step / s.local_steps) / s.versions >= s.warmup]
    assert warm == sorted(warm)
    assert cold == sorted(cold, reverse=True)


@settings(deadline=None, derandomize=True)
@given(schedules, st.integers(0, MAX_EPOCH - 1))
def test_each_epochs_range_is_exactly_half_of_the_one_before(s: Schedule, epoch: int) -> None:
    assert s.value_range(epoch + 1) * 2 == s.value_range(epoch)
    assert s.value_range(0) == s.peak * s.local_steps


def test_a_share_beyond_its_range_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"train.warmup = 0.6"):
        read_settings(Schedule, {"train.warmup": 0.6})
