"""The field plan: arithmetic by hand, presets, refusals that name the numbers that clash."""

import math
from dataclasses import astuple

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from crossward.config.encryption_schemes import BFV, COMMITTEE
from crossward.config.encryption_settings import EncryptionSettings
from crossward.config.settings import SettingsError, read_settings
from crossward.encryption.plan import PRESETS, FieldPlan, PlanError
from crossward.encryption.settings import bytes_per_update, field_plan


def test_a_plan_of_8_6_6_bits() -> None:
    plan = FieldPlan(8, 6, 6)
    assert (plan.offset, plan.q_max, plan.total_weight, plan.max_versions, plan.update_bits) == (128, 127, 64, 64, 8)
    assert [plan.sum_bits(v) for v in (1, 2, 3, 4, 5, 63, 64)] == [14, 15, 16, 16, 17, 20, 20]


def test_the_presets_are_those_of_the_design() -> None:
    assert {name: (p.value_bits, p.total_weight, p.max_versions) for name, p in PRESETS.items()} == {
        "compact": (8, 128, 1),
        "balanced": (8, 64, 64),
        "precise": (12, 1024, 1),
    }


@settings(deadline=None, derandomize=True)
@given(st.integers(2, 24), st.integers(2, 20), st.integers(0, 16), st.data())
def test_a_sum_of_versions_at_its_extremes_fits_and_is_exact(v: int, w: int, g: int, data: st.DataObject) -> None:
    assume(v + w <= 40)
    plan = FieldPlan(v, w, g)
    versions = data.draw(st.integers(1, plan.max_versions))
    largest = versions * plan.total_weight * (plan.q_max + plan.offset)
    assert largest < 1 << plan.sum_bits(versions)
    assert plan.sum_bits(versions) <= 60


@pytest.mark.parametrize("versions", [0, -1, 65])
def test_a_sum_beyond_the_guard_bits_is_refused(versions: int) -> None:
    with pytest.raises(PlanError, match=rf"sum of {versions} versions does not fit 6 guard bits \(at most 64\)"):
        FieldPlan(8, 6, 6).sum_bits(versions)


@pytest.mark.parametrize(
    ("bits", "key"),
    [
        ((1, 6, 6), "encryption.plan: 1 value"),
        ((25, 6, 6), "encryption.plan: 25 value"),
        ((8, 1, 6), "encryption.plan: 1 weight"),
        ((8, 21, 6), "encryption.plan: 21 weight"),
        ((8, 6, -1), "encryption.plan: -1 guard"),
        ((8, 6, 17), "encryption.plan: 17 guard"),
    ],
)
def test_bits_out_of_range_are_refused_by_their_key(bits: tuple[int, int, int], key: str) -> None:
    with pytest.raises(PlanError, match=key):
        FieldPlan(*bits)


def test_a_buffer_is_at_most_a_quarter_of_w() -> None:
    FieldPlan(8, 6, 0).check_buffer(16)
    with pytest.raises(PlanError, match=r"strategy.buffer-size = 17 .* W = 64 .*6 weight bits.* at most 16"):
        FieldPlan(8, 6, 0).check_buffer(17)


@pytest.mark.parametrize(
    ("scheme", "nodes", "buffer", "fine", "bits"),
    [
        (BFV, 4, 3, 0, (6, 1)),
        (BFV, 100, 10, 0, (8, 4)),
        (BFV, 1000, 10, 110, (8, 7)),
        (COMMITTEE, 4, 3, 0, (8, 1)),
        (COMMITTEE, 100, 10, 0, (8, 4)),
        (COMMITTEE, 100, 10, 513, (10, 4)),
        (COMMITTEE, 400, 300, 0, (11, 1)),
    ],
)
def test_auto_moves_few_bytes_with_a_w_fine_enough(
    scheme: str, nodes: int, buffer: int, fine: int, bits: tuple[int, int]
) -> None:
    chosen = field_plan(EncryptionSettings(scheme=scheme), nodes, buffer, fine=fine)
    assert chosen == FieldPlan(8, *bits)
    assert chosen.total_weight >= max(4 * buffer, fine)
    fitting = [p for p in PRESETS.values() if p.value_bits == 8 and p.total_weight >= max(4 * buffer, fine)]
    least = min((bytes_per_update(p, nodes, buffer, scheme) for p in fitting), default=math.inf)
    assert bytes_per_update(chosen, nodes, buffer, scheme) <= 1.15 * least


def test_the_exactness_condition_is_the_one_of_the_design() -> None:
    """60 > k * field + 1 + log2((21.5 W + 0.5) V), by hand."""
    assert FieldPlan(8, 7, 0).margin(3) == pytest.approx(60 - (45 + 1 + math.log2(21.5 * 128 + 0.5)))
    assert FieldPlan(8, 6, 6).margin(2) == pytest.approx(60 - (40 + 1 + math.log2((21.5 * 64 + 0.5) * 64)))
    assert {name: plan.fields_per_slot for name, plan in PRESETS.items()} == {"compact": 3, "balanced": 2, "precise": 2}
    assert FieldPlan(24, 16, 6).fields_per_slot == 0


def test_a_plan_that_bfv_could_not_add_exactly_is_refused_at_start_with_its_numbers() -> None:
    with pytest.raises(PlanError, match=r"20 value \+ 20 weight \+ 0 guard bits needs 66\.4 bits .* has 60: lower"):
        field_plan(EncryptionSettings(scheme=BFV, plan="20,20,0"), 4, 4)
    clear = EncryptionSettings(policy="none", plan="20,20,0")
    assert field_plan(clear, 4, 4) == FieldPlan(20, 20, 0)


@pytest.mark.parametrize("key", ["x", "0123456789ABCDEF", "0123456789abcde", "0123456789abcdef0"])
def test_a_key_that_is_no_fingerprint_is_refused(key: str) -> None:
    with pytest.raises(SettingsError, match=r"encryption.key = .* is no fingerprint: expected 16 hex digits"):
        read_settings(EncryptionSettings, {"encryption.key": key})


def test_a_plan_given_replaces_the_preset() -> None:
    assert field_plan(EncryptionSettings(preset="precise", plan="12, 8,3"), 4, 4) == FieldPlan(12, 8, 3)


@pytest.mark.parametrize("plan", ["8", "8,7", "8,7,x", "8,7,-1", "8,7,2,1", "8,7,2.0"])
def test_a_plan_that_is_no_three_numbers_is_refused(plan: str) -> None:
    with pytest.raises(SettingsError, match=r"encryption.plan = .*: expected three whole numbers of bits"):
        read_settings(EncryptionSettings, {"encryption.plan": plan})


def test_a_buffer_too_large_for_the_preset_is_refused() -> None:
    with pytest.raises(PlanError, match="buffer-size = 33 is more than a quarter of W = 128"):
        field_plan(EncryptionSettings(preset="compact"), 33, 33)


def test_an_unknown_preset_is_refused_at_the_door() -> None:
    with pytest.raises(SettingsError, match=r"encryption.preset = 'tiny'.*'compact', 'balanced', 'precise'"):
        read_settings(EncryptionSettings, {"encryption.preset": "tiny"})


@pytest.mark.parametrize(
    ("nodes", "buffer", "plan", "fields"),
    [
        (4, 3, (18, 4, 1), 2),
        (8, 8, (18, 5, 0), 2),
        (16, 16, (18, 6, 0), 2),
        (30, 30, (16, 7, 0), 2),
        (64, 64, (15, 8, 0), 2),
        (100, 3, (15, 4, 4), 2),
        (1000, 200, (18, 10, 3), 1),
    ],
)
def test_with_noise_values_are_as_wide_as_the_fewest_bytes_let_them(
    nodes: int, buffer: int, plan: tuple[int, int, int], fields: int
) -> None:
    chosen = field_plan(EncryptionSettings(scheme=BFV), nodes, buffer, noised=True)
    assert astuple(chosen) == plan and chosen.fields_per_slot == fields
    chosen.check_sealable()
    given = field_plan(EncryptionSettings(scheme=BFV, plan="20,7,0"), 4, 3, noised=True)
    assert astuple(given) == (20, 7, 0)
