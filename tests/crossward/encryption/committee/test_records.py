"""Records opened block by block: the sum of their versions, and an error at the end when they are not."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crossward.encryption.committee.fields import weighted_sum
from crossward.encryption.committee.hospital import SealedUpdate, VersionError
from crossward.encryption.committee.records import Claim, RecordOpener
from crossward.encryption.committee.spelling import Proof
from crossward.encryption.plan import FieldPlan
from tests.crossward.encryption.committee.consortium import LINEAGE, SECRET, Consortium

COUNTS, WEIGHTS = [40, 24, 9], [3, 2, 5]
PLAN = FieldPlan(8, 6, 2)


@pytest.fixture(params=[(4, 1), (4, 2), (3, 1)])
def own(request: pytest.FixtureRequest, tmp_path: Path) -> Consortium:
    members, threshold = request.param
    return Consortium(tmp_path, committee=members, threshold=threshold, plan=PLAN)


def opener(own: Consortium) -> RecordOpener:
    return RecordOpener(own.book, own.rules, SECRET, LINEAGE, PLAN)


def versions(own: Consortium, rng: np.random.Generator, number: int) -> tuple[Proof, list[bytes], np.ndarray]:
    """The sum of versions 1 to ``number``: its proof, its blocks and what it opens to."""
    lists, blocks, tags, wanted = [], [], 0, np.zeros(sum(COUNTS), np.int64)
    for version in range(1, number + 1):
        rows = [own.values(rng, sum(COUNTS)) for _ in WEIGHTS]
        cut = np.cumsum(COUNTS)[:-1]
        updates: list[SealedUpdate] = [
            own.seal(name, *np.split(row, cut)) for name, row in zip(own.names, rows, strict=False)
        ]
        record = own.record(updates, WEIGHTS, COUNTS, version=version)
        lists.append(record.version)
        blocks.append(record.blocks)
        tags += record.tag
        wanted += own.expected(rows, record.version, updates)
    ones = [1] * number
    summed = [
        weighted_sum(same, ones, PLAN.field_bits, n) for same, n in zip(zip(*blocks, strict=True), COUNTS, strict=True)
    ]
    return Proof(tuple(lists), tags), summed, wanted


def claim(number: int) -> Claim:
    return Claim(1, number, number * sum(WEIGHTS), 1, number)


@pytest.mark.parametrize("number", [1, 2, 4])
def test_a_record_opens_to_the_sum_of_its_versions(own: Consortium, rng: np.random.Generator, number: int) -> None:
    proof, blocks, wanted = versions(own, rng, number)
    given = zip(blocks, COUNTS, strict=True)
    found = list(opener(own).open(claim(number), proof, given, sum(COUNTS)))
    assert [block.size for block in found] == COUNTS and np.array_equal(np.concatenate(found), wanted)


def test_a_record_of_another_scale_epoch_is_refused(own: Consortium, rng: np.random.Generator) -> None:
    """What a unit of the sum is worth is part of the list that members consented to."""
    proof, blocks, _ = versions(own, rng, 1)
    given = list(zip(blocks, COUNTS, strict=True))
    with pytest.raises(VersionError, match=r"the record of version 1 is of scale epoch 1, its lists are of \[0\]"):
        list(opener(own).open(claim(1)._replace(epoch=1), proof, given, sum(COUNTS)))
    other = replace(proof, lists=(replace(proof.lists[0], epoch=1),))
    with pytest.raises(VersionError, match="is not the sum of the updates"):
        list(opener(own).open(claim(1)._replace(epoch=1), other, given, sum(COUNTS)))


@pytest.mark.parametrize("last", [2, 1 << 31, 1 << 62])
def test_a_claim_of_many_versions_costs_nothing(own: Consortium, rng: np.random.Generator, last: int) -> None:
    proof, blocks, _ = versions(own, rng, 1)
    tracemalloc.start()
    with pytest.raises(VersionError, match=r"is proved by the lists of versions \[1\]"):
        list(opener(own).open(claim(1)._replace(last=last), proof, zip(blocks, COUNTS, strict=True), sum(COUNTS)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1e6


def test_blocks_are_taken_and_handed_out_one_at_a_time_and_the_end_tells(
    own: Consortium, rng: np.random.Generator
) -> None:
    proof, blocks, wanted = versions(own, rng, 2)
    blocks[2] = bytes([blocks[2][0] ^ 1]) + blocks[2][1:]
    taken = []

    def given() -> Iterator[tuple[bytes, int]]:
        for number, pair in enumerate(zip(blocks, COUNTS, strict=True)):
            taken.append(number)
            yield pair

    opened = opener(own).open(claim(2), proof, given(), sum(COUNTS))
    for number in range(3):
        found = next(opened)
        assert taken == list(range(number + 1))
    assert (found != wanted[-9:]).sum() == 1  # it cannot be seen in the values
    with pytest.raises(VersionError, match="versions 1 to 2 is not the sum of the updates of h00, h01, h02"):
        next(opened)


def test_nothing_is_handed_out_of_a_record_whose_lists_are_wrong(own: Consortium, rng: np.random.Generator) -> None:
    proof, blocks, _ = versions(own, rng, 2)
    for wrong in (
        claim(2)._replace(first=2),
        claim(2)._replace(last=3),
        claim(2)._replace(weight_sum=19),
        claim(2)._replace(dithered=1),
        claim(2)._replace(sign=-1),
        claim(2)._replace(sign=2),
    ):
        with pytest.raises(VersionError):
            next(opener(own).open(wrong, proof, zip(blocks, COUNTS, strict=True), sum(COUNTS)))
    with pytest.raises(VersionError, match="is of 73 fields"):
        next(opener(own).open(claim(2), proof, zip(blocks, COUNTS, strict=True), 72))
