"""Blocks pass through every role one at a time: the same bytes, and memory for little beyond inputs and outputs."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from crossward.encryption import packing
from crossward.encryption.committee.fields import weighted_sum
from crossward.encryption.committee.hospital import SealedUpdate, seal_update
from crossward.encryption.committee.masks import Seeds, open_seeds, pad, tag_pad
from crossward.encryption.committee.records import Claim, RecordOpener
from crossward.encryption.committee.spelling import Proof
from crossward.encryption.committee.statements import TAG_PRIME
from crossward.encryption.committee.tags import tag, tag_key
from crossward.encryption.keystream import keystream
from tests.crossward.encryption.committee.consortium import LENIENT, LINEAGE, SECRET, Consortium

COUNTS = [140_003, 1, 65_536]
WEIGHTS = [3, 5, 7]
FIRSTS = [0, 140_003, 140_004]


def all_seeds(own: Consortium, update: SealedUpdate) -> Seeds:
    """Of all subsets, as who has every member's key puts them together."""
    held: dict[int, bytes] = {}
    for member, stretch in own.stretches.items():
        found = open_seeds(stretch.key, own.roster, member, update.statement, update.boxes[member])
        held |= found.held
    return replace(found, held=held)


def streams(seeds: Seeds, subsets: tuple[int, ...], first: int, count: int) -> NDArray[np.int64]:
    """The sum of the subsets' keystreams as whole numbers, each in one call."""
    kind = np.dtype("<u2")
    return sum(keystream(seeds.mask_key(s), kind, first, count).astype(np.int64) for s in subsets)  # type: ignore[return-value]


def packed(values: NDArray[np.int64]) -> bytes:
    return packing.pack(values % (1 << 15), 15)


def test_bytes_are_those_of_the_construction(four: Consortium, rng: np.random.Generator) -> None:
    """Every sealed block and every answer, computed again from the seeds in whole numbers."""
    values = [[four.values(rng, count) for count in COUNTS] for _ in WEIGHTS]
    updates = [four.seal(name, *blocks) for name, blocks in zip(four.names, values, strict=False)]
    seeds, everything = [all_seeds(four, update) for update in updates], tuple(range(len(four.roster.subsets)))
    for update, found, blocks in zip(updates, seeds, values, strict=True):
        for block, plain, first in zip(update.blocks, blocks, FIRSTS, strict=True):
            mask = streams(found, everything, first, plain.size)
            assert block == packed(plain + four.plan.q_max + mask)
    listed = four.list(updates, WEIGHTS)
    carried, key = four.carried(listed, updates), tag_key(SECRET, LINEAGE)
    for name in four.names:
        subsets = four.roster.held(name)
        answer = four.opened(name, listed, updates).answer(subsets, COUNTS)
        dithers = [carried[subset] for subset in subsets if subset in carried]
        for block, first, count in zip(answer.blocks, FIRSTS, COUNTS, strict=True):
            share = sum(w * streams(found, subsets, first, count) for w, found in zip(WEIGHTS, seeds, strict=True))
            if 0 in subsets:
                share -= pad(SECRET, listed.digest, 15, first, count).astype(np.int64)
            assert block == packed(share - sum(dither[first : first + count] for dither in dithers))
        numbers = sum(w * s.tag_mask(subset) for w, s in zip(WEIGHTS, seeds, strict=True) for subset in subsets)
        numbers -= tag_pad(SECRET, listed.digest) if 0 in subsets else 0
        numbers -= sum(tag(key, [(0, dither.astype(np.uint16))]) for dither in dithers)
        assert answer.tag == numbers % TAG_PRIME


@pytest.fixture
def traced() -> Iterator[Callable[[Callable[[], Any]], float]]:
    """MiB at most that a call had in use at once beyond what was there before it."""

    def peak(call: Callable[[], Any]) -> float:
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        call()
        return (tracemalloc.get_traced_memory()[1] - before) / 2**20

    tracemalloc.start()
    yield peak
    tracemalloc.stop()


def test_memory_is_for_what_comes_out_and_a_block(four: Consortium, traced: Callable[..., float]) -> None:
    """Twenty blocks of 2**18 values, each 0.47 MiB sealed and 2 MiB opened; one more array of them all is 9 MiB."""
    counts, sealed, room = [1 << 18] * 20, 20 * 2**18 * 15 / 8 / 2**20, 4.0
    rng = np.random.default_rng(0)
    kept: dict[str, Any] = {}

    def seal(name: str) -> None:
        made = (four.values(rng, count).astype(np.int8) for count in counts)  # 2 MiB of int64 while it is made
        facts = (four.roster, LINEAGE, 1, name, four.keys[name].sign, four.certificates, four.plan, SECRET)
        kept[name] = seal_update(*facts, made)

    for name in four.names[:3]:
        assert traced(lambda name=name: seal(name)) < sealed + 2 + room
    updates = [kept[name] for name in four.names[:3]]
    listed = four.list(updates, WEIGHTS)
    asked = {"h00": (0, 1, 2), "h03": (4, 5), "h01": (3,)}
    for name, subsets in asked.items():
        opened = four.opened(name, listed, updates)
        assert traced(lambda o=opened, s=subsets, n=name: kept.update({n: o.answer(s, counts)})) < sealed + room
        shares = opened.shares(subsets, counts)
        assert traced(lambda s=shares: sum(len(block) for block, _ in s)) < room
    columns, weights = zip(*(update.blocks for update in updates), strict=True), [*WEIGHTS, *(-1 for _ in asked)]
    answers = [kept[name] for name in asked]

    def add() -> None:
        for number, column in enumerate(columns):
            parts = [*column, *(answer.blocks[number] for answer in answers)]
            kept[f"sum {number}"] = weighted_sum(parts, weights, 15, counts[number])

    assert traced(add) < sealed + room
    proof = Proof((listed,), sum(answer.tag for answer in answers) % TAG_PRIME)
    opener = RecordOpener(four.book, LENIENT, SECRET, LINEAGE, four.plan)
    sums = ((kept[f"sum {number}"], count) for number, count in enumerate(counts))

    def open_all() -> None:
        for block in opener.open(Claim(1, 1, sum(WEIGHTS), 1, 1), proof, sums, sum(counts)):
            block.max()

    assert traced(open_all) < 2 * 2.0 + room  # one is looked at while the next is made
