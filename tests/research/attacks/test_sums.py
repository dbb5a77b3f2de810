"""The view of a version's members: single updates come out of exact sums, and do not come out of dithered ones."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from research.attacks.controls import LEAST_EXACT, broken
from research.attacks.integers import Run
from research.attacks.laboratory import Laboratory
from research.attacks.margins import BITS, EXACT
from research.attacks.members import (
    ALIKE,
    APART,
    ROUNDED,
    UNROUNDED,
    Case,
    Found,
    attack,
    cases,
    name_of,
    other_weights,
    views,
    weights_right,
)
from research.attacks.scores import INFERRED, KNOWN, MEMBER, SEPARATION, Score, Separation
from research.attacks.separation import NOTHING, dithered
from research.attacks.suite import attack as attack_all
from research.attacks.sums import BESIDE, Table

FIELDS = ["attack", "unknown", "weights", "dither", "exact", "bits_left", "bits_before"]
EVERY = 28  # two of 56 blocks


def light(run: Run) -> Case:
    """The first version as the member with the least weight has it: the others weigh 45 and 58."""
    return min(cases(run.versions[0]), key=lambda case: case.weight)


@pytest.fixture(scope="module")
def found(three: Run) -> dict[str, Found]:
    return views(three, light(three), EVERY, np.random.default_rng(0))


def test_a_member_holds_the_weighted_sum_of_the_others(three: Run) -> None:
    for version in three.versions:
        for me, case in enumerate(cases(version)):
            assert np.array_equal(case.own, version.values[me]) and case.weight == version.weights[me]
            assert tuple(sorted(case.weights)) == case.weights and sum(case.weights) + case.weight == 128
            assert np.array_equal(case.exact, version.exact - case.weight * case.own)
            noise = dithered(128)
            assert noise.first <= (case.sums - case.exact).min() < (case.sums - case.exact).max() <= noise.last


def test_without_a_dither_single_updates_come_out(found: dict[str, Found]) -> None:
    plain = found[KNOWN]
    assert plain.exact > 0.5 > 0.02 > plain.guessed
    assert plain.left < 0.3 * plain.before and plain.before > 5.5
    assert abs(plain.code - plain.left) < 0.5  # the attacker's beliefs are about right


def test_the_weights_need_not_be_told(three: Run, found: dict[str, Found]) -> None:
    assert weights_right(three, light(three)) == (True, True)
    assert found[INFERRED] == found[KNOWN]


def test_with_the_dither_they_do_not_come_out_and_no_more_is_told_than_by_real_numbers(
    found: dict[str, Found],
) -> None:
    hidden, steps, real = found[name_of(KNOWN, True)], found[ROUNDED], found[UNROUNDED]
    assert hidden.exact < 0.03 and found[name_of(INFERRED, True)].exact < 0.03
    assert hidden.left > found[KNOWN].left + 3.0
    assert abs(hidden.exact - steps.exact) < EXACT and abs(hidden.left - steps.left) < BITS
    assert hidden.exact < real.exact + EXACT and hidden.left > real.left - BITS


def test_wrong_weights_do_not_separate(three: Run) -> None:
    case = light(three)
    assert case.weights == (45, 58)
    wrong = attack(three, case, case.exact, (46, 57), NOTHING, EVERY)
    assert wrong.exact < 0.1 and wrong.code > wrong.left + 3.0


def test_equal_weights_need_no_dither_and_nearly_equal_ones_do(three: Run) -> None:
    found = other_weights(three, light(three), EVERY)
    assert found[str(ALIKE)].exact < 0.05 and found[str(ALIKE)].left > 5.0
    assert found[str(APART)].exact > 0.4 and found[str(APART)].left < 2.0


def test_members_of_one_version_are_one_sample() -> None:
    low, high = (Found(exact, 0.0, 2.0, 7.0, 2.0) for exact in (0.4, 0.6))
    made = [[{"x": low}, {"x": high}], [{"x": high}, {"x": high}]]
    table = Table(2, made, np.random.default_rng(0))
    assert np.allclose(table.values("x", "exact"), [0.5, 0.6])
    exact, bits = table.circumstance("x", SEPARATION, "no dither", "weights known")
    assert exact.samples == bits.samples == 2 and exact.value == pytest.approx(0.55)
    assert exact.low <= exact.gain <= exact.high and (bits.value, bits.guess) == (2.0, 7.0)


def row(exact: float, left: float, weights: str = KNOWN, dither: bool = False) -> Separation:
    plain = Score(SEPARATION, MEMBER, "", "", "", exact, 0.0, exact, exact, exact, 2)
    return Separation(**dataclasses.asdict(plain), unknown=2, weights=weights, dither=dither,
                      bits_left=left, bits_before=7.0)  # fmt: skip


def test_a_control_that_is_not_reached_is_named() -> None:
    assert broken([row(0.5, 1.8), row(0.001, 6.0, dither=True), row(0.1, 6.0, INFERRED)]) == {}
    for bad in (row(LEAST_EXACT - 0.01, 1.8), row(0.5, 3.6)):
        assert "without a dither" in broken([bad])[SEPARATION]


def test_the_command_writes_the_rows_and_reaches_its_control(
    lab: Laboratory, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("research.attacks.laboratory.Laboratory", lambda size, seed, rank: lab)  # made once
    where = tmp_path / "found.json"
    assert attack_all("sums", seed=3, json_file=where, size=lab.size) == 0
    every = json.loads(where.read_text())["scores"]
    rows = [each for each in every if each["attack"] == SEPARATION]
    assert all(list(each) == FIELDS for each in rows)
    kinds = [(each["unknown"], each["dither"], each["weights"]) for each in rows]
    assert sorted(kinds) == sorted((u, d, w) for u in (2, 3) for d in (False, True) for w in (KNOWN, INFERRED))
    known = {(each["unknown"], each["dither"]): each for each in rows if each["weights"] == KNOWN}
    assert known[2, False]["exact"] > LEAST_EXACT and known[2, False]["bits_left"] < known[2, False]["bits_before"] / 2
    for unknown in (2, 3):
        hidden = known[unknown, True]
        assert hidden["exact"] < 0.03 and hidden["bits_left"] > 0.8 * hidden["bits_before"]
    rest = [each for each in every if each["attack"] != SEPARATION]
    assert {each["view"] for each in rest} == {MEMBER}
    beside = [each for each in rest if each["attack"] == BESIDE]
    assert [each["equivalent"] for each in beside] == [True, True, None, None] * 2
    assert [each["margin"] for each in beside] == [EXACT, BITS, None, None] * 2
    settings = {each["setting"] for each in rest}
    assert {"2 unknown, weights 43 and 43", "2 unknown, others' weights", "2 unknown, own weight, too"} <= settings
    assert "View: a member of a version" in capsys.readouterr().out
