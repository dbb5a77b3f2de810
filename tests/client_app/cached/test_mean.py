"""The cached mean beside the sums: however records are grouped the same bits, and what a plain recursion gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from client_app.cached.mean import CachedMean, Standing
from client_app.state.accumulators import Accumulators, from_snapshot, take_snapshot
from client_app.update.payloads import Payloads, Vault
from crossward.config.schedule import Schedule
from crossward.config.variance_reduction import FADE, PACE, Block
from crossward.encryption.plan import FieldPlan
from crossward.protocol.messages import HALVES, RecordHead
from crossward.protocol.parts import ProtocolError

PLAN, SCHEDULE = FieldPlan(8, 6, 6), Schedule(versions=60, server_rate=0.7)
INITIAL = np.linspace(-1, 1, 5, dtype=np.float32)
Row = tuple[Block, int, np.ndarray]


def history(count: int, seed: int, evaluated: int = 0) -> list[Row]:
    """Versions: block, scale epoch, opened sum."""
    rng, out, block = np.random.default_rng(seed), [], Block(3, 1, 1, 1)
    for version in range(1, count + 1):
        out.append((block, min(version // 5, 3), rng.integers(-5000, 5000, 5)))
        block = block.next(evaluated > 0 and version % evaluated == 0, min(3 + 2 * version, 11))
    return out


def add(a: Accumulators, rows: list[Row], sign: int = 1) -> None:
    """The record of ``rows``, versions of one block and epoch, after the version held."""
    block, epoch, _ = rows[0]
    head = RecordHead(a.version + 1, a.version + len(rows), epoch, 60 * len(rows), sign, block=block)
    a.add(head, iter([(slice(0, 5), np.sum([values for _, _, values in rows], axis=0))]), 5, PLAN, 60)


def one_by_one(rows: list[Row]) -> Accumulators:
    a = Accumulators()
    for row in rows:
        add(a, [row])
    return a


def replica(rows: list[Row]) -> np.ndarray:
    """``x += eta (H / N + D)`` and H by blocks, in plain floats: the adapter."""
    x, caches, recent, number, hospitals = np.zeros(5), np.zeros(5), np.zeros(5), 1, 1
    for block, epoch, values in rows:
        if block.number != number:
            caches, recent, number, hospitals = FADE * (caches + recent), np.zeros(5), block.number, block.hospitals
        mean = values * (SCHEDULE.value_range(epoch) / PLAN.q_max / PLAN.total_weight)
        x = x + SCHEDULE.server_rate * (caches / hospitals + mean)
        recent = recent + PACE * 3 * mean
    return INITIAL + x


def cached(a: Accumulators) -> CachedMean:
    assert a.cached is not None
    return a.cached


def vector(a: Accumulators) -> np.ndarray:
    return a.vector(INITIAL, PLAN, SCHEDULE)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.data())
def test_how_records_are_grouped_does_not_show(data: st.DataObject) -> None:
    rows = history(data.draw(st.integers(1, 40)), seed=1, evaluated=data.draw(st.sampled_from([0, 3, 8])))
    single, grouped = one_by_one(rows), Accumulators()
    while grouped.version < len(rows):
        first = last = grouped.version
        while (
            last + 1 < len(rows)
            and (rows[last + 1][0].number, rows[last + 1][1]) == (rows[first][0].number, rows[first][1])
            and data.draw(st.booleans())
        ):
            last += 1
        add(grouped, rows[first : last + 1])
    assert grouped.hash("l", b"k") == single.hash("l", b"k")
    assert vector(grouped).tobytes() == vector(single).tobytes()


@pytest.mark.parametrize("count", [1, 2, 5, 17, 40])
@pytest.mark.parametrize("evaluated", [0, 4])
def test_it_is_the_plain_recursion(count: int, evaluated: int) -> None:
    rows = history(count, seed=2, evaluated=evaluated)
    found = vector(one_by_one(rows))
    assert np.allclose(found, replica(rows), rtol=0, atol=1e-6)
    if count > 2:
        plain = Accumulators()
        for _, epoch, values in rows:
            add(plain, [(Block(), epoch, values)])
        assert not np.allclose(found, vector(plain), atol=1e-3)


@pytest.mark.parametrize(("count", "back_to"), [(13, 8), (16, 8), (9, 8), (3, 0), (17, 4), (1, 0)])
def test_taking_back_newest_first_leads_to_a_blocks_beginning(count: int, back_to: int) -> None:
    rows = history(count, seed=3, evaluated=4)
    before, a = one_by_one(rows[:back_to]), one_by_one(rows)
    for row in rows[:back_to:-1] if back_to == 0 else rows[: back_to - 1 : -1]:
        add(a, [row], sign=-1)
    if back_to == 0:
        add(a, [rows[0]], sign=-1)
    assert vector(a).tobytes() == vector(before).tobytes()
    # and goes on as if nothing had been, with versions in the places of those taken back
    for row in rows[back_to:]:
        add(a, [row])
        add(before, [row])
    assert np.allclose(vector(a), vector(before), rtol=0, atol=1e-6)
    assert np.allclose(cached(a).caches + cached(a).recent, cached(before).caches + cached(before).recent, atol=1e-6)


@pytest.mark.parametrize("gone", [5, 6, 8, 9])
def test_a_discarded_version_leaves_its_step_and_nothing_else(gone: int) -> None:
    """First, last or within a block: who leaves it out holds what an empty one would have made."""
    rows = history(16, seed=8, evaluated=4)
    assert [rows[number - 1][0].position for number in (5, 6, 8, 9)] == [1, 2, 4, 1]
    a = Accumulators()
    for number, row in enumerate(rows, start=1):
        if number == gone:
            a.skip(RecordHead(number, number, 0, 0, 1))
        else:
            add(a, [row])
    block, epoch, values = rows[gone - 1]
    rows[gone - 1] = (block, epoch, 0 * values)
    assert np.allclose(vector(a), replica(rows), rtol=0, atol=1e-6)


def test_taking_back_stops_in_the_middle_alike_at_every_node() -> None:
    rows = history(20, seed=4)
    back = [row for row in rows[::-1]][:5]
    copies = [one_by_one(rows), one_by_one(rows)]
    payloads = Payloads((3, 2), PLAN, Vault())
    for copy in copies:
        for row in back[:3]:
            add(copy, [row], sign=-1)
    copies[1] = from_snapshot(*take_snapshot(copies[1], payloads, 60, "l", "y"), payloads, 60, "l", "y")
    for copy in copies:
        for row in back[3:]:
            add(copy, [row], sign=-1)
        add(copy, [rows[15]])
    assert copies[0].hash("l", b"k") == copies[1].hash("l", b"k")


def test_a_snapshot_holds_it_bit_for_bit() -> None:
    a, payloads = one_by_one(history(23, seed=5)), Payloads((3, 2), PLAN, Vault())
    head, parts = take_snapshot(a, payloads, 60, "line", "layout")
    assert head.epochs[-len(HALVES) :] == HALVES and len(parts) == len(head.epochs)
    back = from_snapshot(head, parts, payloads, 60, "line", "layout")
    assert back.hash("l", b"k") == a.hash("l", b"k") and vector(back).tobytes() == vector(a).tobytes()
    for wrong in (head._replace(cached=()), head._replace(cached=(1, 1, 0, 1, 1, 0))):
        with pytest.raises(ProtocolError, match="snapshot of version 23 cannot be used: it lacks a part of the cached"):
            from_snapshot(wrong, parts, payloads, 60, "line", "layout")
    short = head._replace(epochs=head.epochs[:-1])
    with pytest.raises(ProtocolError, match="lacks a part"):
        from_snapshot(short, parts[:-1], payloads, 60, "line", "layout")


def test_a_snapshot_without_finite_numbers_is_refused() -> None:
    bad = CachedMean(np.array([1.0, np.nan]), np.zeros(2), np.zeros(2), Standing())
    with pytest.raises(ValueError, match="not finite"):
        CachedMean.from_halves(bad.halves(), bad.at)


def test_every_part_of_it_is_in_the_state_hash() -> None:
    rows = history(9, seed=6)
    seen = {one_by_one(rows).hash("l", b"k")}
    for change in range(4):
        a = one_by_one(rows)
        if change < 3:
            cached(a).arrays[change][2] += 1.0
        else:
            cached(a).at = cached(a).at._replace(versions=cached(a).at.versions + 1)
        seen.add(a.hash("l", b"k"))
    assert len(seen) == 5
    one = one_by_one(rows)
    cached(one).recent[:] = 0.0
    other = one_by_one(rows)
    cached(other).recent[:] = -0.0
    assert one.hash("l", b"k") == other.hash("l", b"k")


@pytest.mark.parametrize(
    "wrong",
    [
        {"gain": 0},
        {"number": -1},
        {"position": 0},
        {"hospitals": 0},
        {"number": 2, "closed": 0, "before": 3},
        {"number": 2, "closed": 1, "before": 0},
        {"closed": -1},
        {"hospitals": 1 << 60},
    ],
)
def test_a_block_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    block = Block(3, 1, 1, 1)._replace(**wrong)
    with pytest.raises(ProtocolError, match="impossible block"):
        add(Accumulators(), [(block, 0, np.zeros(5, np.int64))])
