"""The aggregator's part: what does not fit is refused by name, and a member that lies is found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from crossward.encryption.committee import hospital
from crossward.encryption.committee.fields import pack, unpack
from crossward.encryption.committee.hospital import SealedUpdate, VersionError
from crossward.encryption.committee.opening import Answer, AnswerError, VersionRecord, check_update, liars, record
from crossward.encryption.committee.statements import TAG_PRIME, VersionList, box_digests
from tests.crossward.encryption.committee.consortium import Consortium, payloads

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


# ---------------------------------------------------------------------- liars


def alone(four: Consortium, listed: VersionList, updates: list[SealedUpdate], members: list[str]) -> list[Answer]:
    """Every subset from everyone of ``members`` that holds it."""
    return [
        four.opened(member, listed, updates).answer((subset,), COUNTS)
        for member in members
        for subset in four.roster.held(member)
    ]


def lie(four: Consortium, answer: Answer) -> Answer:
    fields = unpack(answer.blocks[1], 15, 27)
    fields[5] += 1
    return replace(answer, blocks=(answer.blocks[0], pack(fields, 15))).signed(four.keys[answer.member].sign)


def lie_about_the_tag(four: Consortium, answer: Answer) -> Answer:
    return replace(answer, tag=(answer.tag + 1) % TAG_PRIME).signed(four.keys[answer.member].sign)


def verdict(four: Consortium) -> Callable[[VersionRecord], bool]:
    def checks_out(found: VersionRecord) -> bool:
        try:
            four.open(found)
        except VersionError:
            return False
        return True

    return checks_out


@pytest.mark.parametrize("lied", [lie, lie_about_the_tag])
@pytest.mark.parametrize("liar", ["h00", "h02", "h03"])
def test_who_lies_is_named_and_the_version_is_made_without(
    four: Consortium,
    updates: list[SealedUpdate],
    listed: VersionList,
    liar: str,
    lied: Callable[[Consortium, Answer], Answer],
) -> None:
    parts, checks_out = payloads(listed, updates), verdict(four)
    together = four.answers(listed, updates, COUNTS, four.names)
    honest = record(four.roster, listed, COUNTS, parts, together)
    wrong = [lied(four, a) if a.member == liar else a for a in together]
    assert not checks_out(record(four.roster, listed, COUNTS, parts, wrong))
    separate = alone(four, listed, updates, four.names)
    # it lies wherever it is asked, in one subset only, or only in the answer that failed
    for said in (
        [lied(four, a) if a.member == liar else a for a in separate],
        [lied(four, a) if (a.member, a.subsets) == (liar, four.roster.held(liar)[-1:]) else a for a in separate],
        separate,
    ):
        named, found = liars(four.roster, listed, COUNTS, parts, [*said, *wrong], checks_out)
        assert named == (liar,) and found == honest


def test_a_liar_is_found_with_another_member_absent_where_an_honest_one_holds_its_subsets(
    four: Consortium, updates: list[SealedUpdate], listed: VersionList
) -> None:
    """Of three members, one lies: the subset it shares with the absent one has no second opinion."""
    said = alone(four, listed, updates, ["h00", "h01", "h02"])
    shared = four.roster.subsets.index(("h00", "h01"))
    one = [lie(four, a) if (a.member, a.subsets) == ("h01", (shared,)) else a for a in said]
    named, _ = liars(four.roster, listed, COUNTS, payloads(listed, updates), one, verdict(four))
    assert named == ("h01",)
    everywhere = [lie(four, a) if a.member == "h01" else a for a in said]
    with pytest.raises(AnswerError, match="under no choice of answers: h00, h01, h02 disagree"):
        liars(four.roster, listed, COUNTS, payloads(listed, updates), everywhere, verdict(four))
    with pytest.raises(AnswerError, match=r"no member answered subsets \[0, 1, 2, 3, 4, 5\] alone"):
        liars(four.roster, listed, COUNTS, payloads(listed, updates), [], verdict(four))


def test_a_hospital_whose_tag_is_wrong_spoils_a_version_and_no_member_is_blamed(
    four: Consortium, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    updates = [four.seal(name, four.values(rng, 13), four.values(rng, 27)) for name in four.names[:2]]
    with monkeypatch.context() as patch:
        patch.setattr(hospital, "tag", lambda key, blocks: 12345)
        updates.append(four.seal("h02", four.values(rng, 13), four.values(rng, 27)))
    listed = four.list(updates, WEIGHTS)
    parts = payloads(listed, updates)
    found = record(four.roster, listed, COUNTS, parts, four.answers(listed, updates, COUNTS, four.names))
    with pytest.raises(VersionError, match="is not the sum of the updates of h00, h01, h02 with weights"):
        four.open(found)
    with pytest.raises(AnswerError, match="members agree, so an update's own tag is wrong"):
        liars(four.roster, listed, COUNTS, parts, alone(four, listed, updates, four.names), verdict(four))
