"""What the aggregator checks: an update or answer that does not fit is refused, and its hospital named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from crossward.encryption.committee.hospital import SealedUpdate
from crossward.encryption.committee.opening import AnswerError, check_update
from crossward.encryption.committee.statements import TAG_PRIME, VersionList, box_digests
from tests.crossward.encryption.committee.consortium import Consortium

COUNTS, WEIGHTS = [13, 27], [40, 42, 45]


@pytest.fixture
def updates(four: Consortium, rng: np.random.Generator) -> list[SealedUpdate]:
    return [four.seal(name, four.values(rng, 13), four.values(rng, 27)) for name in four.names[:3]]


@pytest.fixture
def listed(four: Consortium, updates: list[SealedUpdate]) -> VersionList:
    return four.list(updates, WEIGHTS)


# ---------------------------------------------------------------------- updates

Spoil = Callable[[SealedUpdate, SealedUpdate], SealedUpdate]
SPOILED: dict[str, tuple[Spoil, str]] = {
    "a bit": (
        lambda u, o: replace(u, blocks=(u.blocks[0][:-1] + bytes([u.blocks[0][-1] ^ 1]), u.blocks[1])),
        "the update of h00: its sealed blocks are not those that it signed",
    ),
    "truncated": (
        lambda u, o: replace(u, blocks=(u.blocks[0], u.blocks[1][:-1])),
        "the update of h00, block 1: 50 bytes",
    ),
    "a block short": (lambda u, o: replace(u, blocks=u.blocks[:1]), "has 40 fields, the layout 40 in 2 blocks"),
    "another's blocks": (lambda u, o: replace(u, blocks=o.blocks), "its sealed blocks are not those that it signed"),
    "another's seeds": (lambda u, o: replace(u, boxes=o.boxes), "its sealed seeds are not those that it signed"),
    "seeds swapped": (
        lambda u, o: replace(u, boxes={**u.boxes, "h00": u.boxes["h01"], "h01": u.boxes["h00"]}),
        "its sealed seeds are not those that it signed",
    ),
    "seeds missing": (
        lambda u, o: replace(u, boxes={k: v for k, v in u.boxes.items() if k != "h03"}),
        "its sealed seeds are not those that it signed",
    ),
    "another's name": (
        lambda u, o: replace(u, statement=replace(u.statement, signer="h01")),
        "the update of h01 is not signed by it",
    ),
}


@pytest.mark.parametrize("case", sorted(SPOILED))
def test_an_update_that_is_not_what_its_hospital_signed_is_refused(
    four: Consortium, updates: list[SealedUpdate], case: str
) -> None:
    change, reason = SPOILED[case]
    update = updates[0]
    check_update(four.roster, update.statement, update.blocks, COUNTS, update.boxes)
    wrong = change(update, updates[1])
    with pytest.raises(AnswerError, match=reason):
        check_update(four.roster, wrong.statement, wrong.blocks, COUNTS, wrong.boxes)


def test_an_update_may_lack_the_boxes_of_as_many_members_as_may_be_absent(four: Consortium) -> None:
    """Four members with t = 2, of whom one may be absent."""
    everybody, block = dict(four.certificates), np.zeros(8, np.int64)
    four.certificates.pop("h03")
    update = four.seal("h00", block)
    assert update.statement.boxes[3] == "" and "" not in update.statement.boxes[:3]
    check_update(four.roster, update.statement, update.blocks, [8], update.boxes)
    with pytest.raises(AnswerError, match="its sealed seeds are not those that it signed"):  # made up by the aggregator
        check_update(four.roster, update.statement, update.blocks, [8], {**update.boxes, "h03": update.boxes["h02"]})
    four.certificates = everybody
    whole = four.seal("h01", block)
    without = {name: box for name, box in whole.boxes.items() if name in ("h00", "h01")}
    said = replace(whole.statement, boxes=box_digests(four.roster, without)).signed(four.keys["h01"].sign)
    with pytest.raises(AnswerError, match="of h01 has no seeds for 2 members, of this committee 1 may be absent"):
        check_update(four.roster, said, whole.blocks, [8], without)
    check_update(four.roster, whole.statement, whole.blocks, [8], whole.boxes)


# ---------------------------------------------------------------------- answers


def test_an_answer_that_is_not_what_was_asked_is_refused(
    four: Consortium, updates: list[SealedUpdate], listed: VersionList
) -> None:
    answer = four.opened("h00", listed, updates).answer((0, 1), COUNTS)
    answer.check(four.roster, listed, (0, 1), COUNTS)
    short, key = (answer.blocks[0], answer.blocks[1][:-1]), four.keys["h00"]
    for wrong, reason in (
        (replace(answer, blocks=short).signed(key.sign), r"the answer of h00, block 1: 50 bytes are not 27 fields"),
        (replace(answer, blocks=answer.blocks[:1]).signed(key.sign), "the answer of h00 has 1 blocks, expected 2"),
        (replace(answer, tag=TAG_PRIME).signed(key.sign), "or a tag out of range"),
        (replace(answer, tag=answer.tag ^ 1), "the answer of h00 is not signed by it"),
        (replace(answer, blocks=(answer.blocks[0], bytes(51))), "the answer of h00 is not signed by it"),
        (replace(answer, member="h01"), "the answer of h01 is not signed by it"),
        (replace(answer, member="x"), "x is not on the committee"),
        (replace(answer, subsets=(0, 2)), "is for another list or other subsets"),
        (replace(answer, digest="0" * 64), "is for another list or other subsets"),
    ):
        with pytest.raises(AnswerError, match=reason):
            wrong.check(four.roster, listed, (0, 1), COUNTS)
