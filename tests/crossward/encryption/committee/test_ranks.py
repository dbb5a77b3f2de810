"""Hospitals that train fewer components: what a list must have, and that it says nothing new where all train all."""

from __future__ import annotations

import json
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crossward.encryption.committee.hospital import SealedUpdate, VersionError
from crossward.encryption.committee.opening import AnswerError, check_update
from crossward.encryption.committee.spelling import SealedFacts, SpellingError, _spell
from crossward.encryption.committee.statements import ListError, Rules, Statement
from tests.crossward.encryption.committee.consortium import Consortium, boxes

RULES = Rules(min_contributors=3, max_share=0.45)


@pytest.fixture
def seven(tmp_path: Path) -> Consortium:
    """Seven hospitals, three contributors and 0.45 demanded."""
    return Consortium(tmp_path, hospitals=7, rules=RULES)


def sealed(own: Consortium, *ranks: int) -> list[SealedUpdate]:
    """Updates of the first hospitals, of these ranks."""
    rng = np.random.default_rng(3)
    return [own.seal(name, own.values(rng, 4), rank=rank) for name, rank in zip(own.names, ranks, strict=False)]


@pytest.mark.parametrize(
    ("ranks", "weights", "expected"),
    [
        ((0, 0, 2), [20] * 3, "2 contributors train all components, this hospital demands 3"),
        ((0, 2, 2, 2), [20] * 4, "1 contributors train all components"),
        ((4, 2, 2, 2), [20] * 4, "1 contributors train 4 components"),
        ((0, 0, 4, 2, 2), [20] * 5, "2 contributors train all components"),
        ((0, 0, 0, 2, 2), [24, 12, 12, 24, 24], r"h00 weighs 24 of 48 of those that train all components.* allows 22"),
        ((0, 0, 0, 2), [10, 10, 10, 90], r"h03 weighs 90 of 120, this hospital allows 54"),
    ],
)
def test_components_of_too_few_hospitals_are_not_opened(
    seven: Consortium, ranks: tuple[int, ...], weights: list[int], expected: str
) -> None:
    """By no member, and by no node that reads a record of such a list."""
    updates = sealed(seven, *ranks)
    listed = seven.list(updates, weights)
    with pytest.raises(ListError, match=expected):
        seven.member("h01").consent(listed, boxes(updates, "h01"))
    with pytest.raises(ListError, match=expected):
        listed.check(seven.roster, RULES)


@pytest.mark.parametrize("ranks", [(0, 0, 0), (2, 2, 2), (0, 0, 0, 2, 2), (0, 0, 0, 4, 2)])
def test_enough_hospitals_for_every_component_are_opened(seven: Consortium, ranks: tuple[int, ...]) -> None:
    updates, weights = sealed(seven, *ranks), [25] * len(ranks)
    record = seven.record(updates, weights, [4])
    assert record.version.weights == tuple(weights)
    assert seven.member("h02").consent(record.version, boxes(updates, "h02"))


def test_a_rank_is_signed(seven: Consortium) -> None:
    """The aggregator cannot say that a hospital trains all components."""
    update = sealed(seven, 2)[0]
    for rank in (0, 4):
        changed = replace(update.statement, rank=rank)
        with pytest.raises(AnswerError, match="the update of h00 is not signed by it"):
            check_update(seven.roster, changed, update.blocks, [4], update.boxes)
    others = sealed(seven, 2, 0, 0)
    listed = seven.list([replace(others[0], statement=replace(others[0].statement, rank=0)), *others[1:]], [20] * 3)
    with pytest.raises(ListError, match="the update of h00 is not signed by it"):
        seven.member("h01").consent(listed, boxes(others, "h01"))


@pytest.mark.parametrize("rank", [-1, 100_000])
def test_a_rank_out_of_range_is_refused(seven: Consortium, rank: int) -> None:
    with pytest.raises(ListError, match=rf"the update of h00 is of rank {rank}: expected 0"):
        seven.list(sealed(seven, rank, 0, 0), [20] * 3).check(seven.roster, RULES)


def test_where_all_train_all_components_nothing_new_is_said(seven: Consortium) -> None:
    """Statements are signed and spelled as before hospitals could train fewer."""
    whole, low = (update.statement for update in sealed(seven, 0, 2))
    assert b"rank" not in whole.canonical and b"rank" in low.canonical
    texts = [SealedFacts(statement, {}).to_bytes() for statement in (whole, low)]
    rows = [json.loads(zlib.decompress(text[4 : 4 + int.from_bytes(text[:4], "big")]))[0][0] for text in texts]
    assert [len(row) for row in rows] == [12, 13]
    assert [SealedFacts.from_bytes(text).statement for text in texts] == [whole, low]


@pytest.mark.parametrize("rank", ["2", 2.0, True, None])
def test_a_rank_of_another_type_is_refused(seven: Consortium, rank: object) -> None:
    statement: Statement = sealed(seven, 2)[0].statement
    text = SealedFacts(statement, {}).to_bytes()
    row = json.loads(zlib.decompress(text[4 : 4 + int.from_bytes(text[:4], "big")]))[0][0]
    with pytest.raises(SpellingError, match="'rank' of a statement is"):
        SealedFacts.from_bytes(_spell([[*row[:-1], rank], []]))


def test_a_record_opens_to_the_sum_of_slices(seven: Consortium) -> None:
    """And to nothing else: a sum that was changed is found out as ever."""
    updates, weights = sealed(seven, 0, 0, 0, 2), [20, 20, 20, 20]
    record = seven.record(updates, weights, [4])
    rng = np.random.default_rng(3)
    values = [seven.values(rng, 4) for _ in updates]
    assert seven.open(record).tolist() == seven.expected(values, record.version, updates).tolist()
    block = bytearray(record.blocks[0])
    block[0] ^= 1
    with pytest.raises(VersionError, match="is not the sum of the updates of h00, h01, h02, h03"):
        seven.open(replace(record, blocks=(bytes(block),)))
