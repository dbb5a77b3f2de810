"""What a node that missed versions is sent: exact sums, as few as the guard bits allow, at O(log V) a request."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import groupby

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossward.encryption.aggregator import clear_arithmetic
from crossward.encryption.holder import ClearSealer
from crossward.encryption.packing import pack
from crossward.encryption.plan import FieldPlan
from crossward.ledger.state import VersionFacts
from crossward.protocol.parts import Part, PartHead, Payload, join
from strategies.aggregation import catchup
from strategies.aggregation.catchup import CatchUp, version_name
from strategies.aggregation.combine import combine
from strategies.history.journal import Facts, MemoryJournal

SIZES = (3, 2)


def record(values: np.ndarray, weight_sum: int, plan: FieldPlan) -> Payload:
    """A version's payload that opens to ``values`` (int64 [5])."""
    bits, parts, start = plan.sum_bits(1), [], 0
    for size in SIZES:
        data = pack(values[start : start + size] + plan.offset * weight_sum, bits)
        parts.append(Part(PartHead("clear", size, bits, len(data)), data))
        start += size
    return join(parts)


def opened(head: catchup.RecordHead, payload: Payload, plan: FieldPlan) -> np.ndarray:
    pieces = [ClearSealer(plan).open(p.data, p.head.bits, p.head.length, head.weight_sum) for p in payload]
    return np.concatenate(pieces) * head.sign


class Counting(MemoryJournal):
    """Counts what is opened and kept."""

    def __init__(self) -> None:
        super().__init__()
        self.opens = self.keeps = 0

    def open(self, name: str) -> tuple[Facts, Payload]:
        self.opens += 1
        return super().open(name)

    def keep(self, name: str, facts: Facts, parts: Iterable[Part]) -> str:
        self.keeps += 1
        return super().keep(name, facts, parts)


def history(kinds: list[tuple[int, int]], plan: FieldPlan, kept: int = 64) -> tuple[CatchUp, list[np.ndarray]]:
    """Versions of the given (epoch, sign) with values from a fixed seed; and what each adds."""
    journal, rng = Counting(), np.random.default_rng(len(kinds))
    versions: dict[int, VersionFacts] = {}
    catch_up, added = CatchUp(versions, journal, plan, clear_arithmetic(), kept), []
    for version, (epoch, sign) in enumerate(kinds, start=1):
        weight_sum = int(rng.integers(4, plan.total_weight + 1))
        values = rng.integers(-plan.q_max * weight_sum, plan.q_max * weight_sum + 1, sum(SIZES))
        journal.keep(version_name(version), {}, record(values, weight_sum, plan))
        versions[version] = VersionFacts(epoch, weight_sum, sign)
        added.append(values * sign)
    journal.opens = journal.keeps = 0
    return catch_up, added


@settings(deadline=None, derandomize=True, max_examples=80)
@given(st.data(), st.integers(0, 4), st.integers(1, 8))
def test_the_records_sum_to_the_single_versions_and_are_as_few_as_can_be(
    data: st.DataObject, guard: int, kept: int
) -> None:
    plan = FieldPlan(4, 3, guard)
    signs = data.draw(st.lists(st.sampled_from([1, 1, 1, 1, -1]), min_size=1, max_size=40))
    steps = data.draw(st.lists(st.sampled_from([0, 0, 0, 0, 1]), min_size=len(signs), max_size=len(signs)))
    kinds = list(zip(np.cumsum(steps).tolist(), signs, strict=True))
    catch_up, added = history(kinds, plan, kept)
    for _ in range(4):
        held = data.draw(st.integers(0, len(kinds)))
        version = data.draw(st.integers(held, len(kinds)))
        records = catch_up.records(held, version)
        runs = [(kind, len(list(group))) for kind, group in groupby(kinds[held:version])]
        assert len(records) == sum(math.ceil(n / plan.max_versions) for _, n in runs)
        assert catch_up.count(held, version) == len(records)
        at = held
        for head, payload in records:
            assert head.first == at + 1
            at = head.last
            assert {kinds[v - 1] for v in range(head.first, head.last + 1)} == {(head.epoch, head.sign)}
            assert np.array_equal(opened(head, payload, plan), sum(added[head.first - 1 : head.last]))
        assert at == version


def test_sums_of_the_largest_values_fit_their_guard_bits() -> None:
    plan = FieldPlan(4, 3, 4)
    journal = MemoryJournal()
    versions: dict[int, VersionFacts] = {}
    catch_up = CatchUp(versions, journal, plan, clear_arithmetic())
    top = np.full(5, plan.q_max * plan.total_weight)
    for version in range(1, 17):
        journal.keep(version_name(version), {}, record(top, plan.total_weight, plan))
        versions[version] = VersionFacts(0, plan.total_weight, 1)
    ((head, payload),) = catch_up.records(0, 16)
    assert payload.heads[0].bits == 4 + 3 + 4
    assert opened(head, payload, plan).tolist() == [16 * 7 * 8] * 5


def test_a_request_costs_a_few_additions_however_long_the_run_is() -> None:
    """Steady state: each version, a node that missed 64 of them asks."""
    plan = FieldPlan(4, 3, 6)
    catch_up, _ = history([(0, 1)] * 1024, plan)
    journal = catch_up.journal
    assert isinstance(journal, Counting)
    costs = []
    for version in range(64, 1025):
        before = journal.opens
        assert catch_up.count(version - 64, version) == 1
        catch_up.records(version - 64, version)
        costs.append(journal.opens - before)
    quarter = len(costs) // 4
    first, last = costs[quarter : 2 * quarter], costs[-quarter:]
    assert sum(last) == pytest.approx(sum(first), rel=0.05)
    # 2 log2 V pieces a request, plus 2 opens for each of the few new sums a version makes (one a version on average)
    assert sum(costs) / len(costs) <= 2 * 6 + 2 * 2
    assert max(costs[64:]) <= 2 * 6 + 2 * 2 * 6


def test_a_long_way_back_costs_its_length_over_v_once_the_sums_are_there() -> None:
    plan = FieldPlan(4, 3, 6)
    catch_up, added = history([(0, 1)] * 1024, plan)
    journal = catch_up.journal
    assert isinstance(journal, Counting)
    catch_up.records(0, 1024)
    assert isinstance(catch_up.versions, dict)
    catch_up.versions[1025] = VersionFacts(0, 8, 1)
    catch_up.forget()
    journal.keep(version_name(1025), {}, record(np.zeros(5, np.int64), 8, plan))
    before = journal.opens
    records = catch_up.records(0, 1025)
    assert len(records) == 17
    assert journal.opens - before <= 2 * 17
    assert np.array_equal(sum(opened(h, p, plan) for h, p in records), sum(added))


def test_kept_sums_are_bounded() -> None:
    plan = FieldPlan(4, 3, 3)
    catch_up, _ = history([(0, 1)] * 200, plan, kept=5)
    catch_up.records(0, 200)
    journal = catch_up.journal
    assert isinstance(journal, MemoryJournal)
    assert sum(name.startswith("sums/") for name in journal.payloads) <= 3 * 5  # of 2, 4 and 8 versions


def test_a_second_node_with_the_same_gap_costs_nothing() -> None:
    plan = FieldPlan(4, 3, 3)
    catch_up, _ = history([(0, 1)] * 20, plan)
    journal = catch_up.journal
    assert isinstance(journal, Counting)
    first = catch_up.records(3, 20)
    before = journal.opens
    assert catch_up.records(3, 20) is first
    assert journal.opens == before


def test_a_node_that_is_there_needs_nothing() -> None:
    catch_up, _ = history([(0, 1)] * 3, FieldPlan(4, 3, 3))
    assert catch_up.records(3, 3) == [] and catch_up.count(3, 3) == 0


def test_payloads_of_different_shape_are_not_added() -> None:
    one = join([Part(PartHead("clear", 2, 8, 2), b"ab")])
    two = join([Part(PartHead("clear", 1, 8, 1), b"a")] * 2)
    with pytest.raises(ValueError, match="different shapes"):
        list(combine([one, two], [1, 1], 10, clear_arithmetic()))
