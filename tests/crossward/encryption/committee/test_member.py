"""A member answers only for a list that is as it must be, once and for that list only, and always the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import chisquare

from crossward.encryption.committee.hospital import SealedUpdate
from crossward.encryption.committee.masks import Seeds
from crossward.encryption.committee.member import Member
from crossward.encryption.committee.statements import Consent, ListError, Statement, VersionList
from crossward.encryption.committee.stretch import Stretch, StretchError
from tests.crossward.encryption.committee.consortium import LINEAGE, SECRET, Consortium, boxes

WEIGHTS = [40, 42, 45]


def sealed(own: Consortium, names: list[str] | None = None, count: int = 20) -> list[SealedUpdate]:
    rng = np.random.default_rng(3)
    return [own.seal(name, own.values(rng, count)) for name in names or own.names[:3]]


def test_the_same_list_is_answered_again_with_the_same_bytes(strict: Consortium) -> None:
    updates = sealed(strict)
    listed = strict.list(updates, WEIGHTS)
    first = strict.opened("h01", listed, updates).answer((0, 3), [20])
    assert strict.opened("h01", listed, updates).answer((0, 3), [20]) == first  # a member that restarted in between
    shuffled = strict.list(updates[::-1], WEIGHTS[::-1])
    assert shuffled.digest == listed.digest
    assert strict.opened("h01", shuffled, updates).answer((0, 3), [20]) == first


def test_two_members_answer_a_subset_alike(strict: Consortium) -> None:
    updates = sealed(strict)
    listed = strict.list(updates, WEIGHTS)
    for number, subset in enumerate(strict.roster.subsets):
        a, b = (strict.opened(member, listed, updates).answer((number,), [20]) for member in subset)
        assert (a.blocks, a.tag) == (b.blocks, b.tag)


def test_a_subset_that_a_member_is_not_in_is_not_answered(strict: Consortium) -> None:
    updates = sealed(strict)
    opened = strict.opened("h00", strict.list(updates, WEIGHTS), updates)
    with pytest.raises(ListError, match=r"h00 does not hold subsets \[3, 5\]"):
        opened.answer((0, 3, 5), [20])
    for subsets, counts in (((0, 0), [20]), ((0,), [19]), ((0,), [21]), ((0,), [20, 0])):
        with pytest.raises(ListError, match=r"asked for .* fields of 20, or a subset twice"):
            opened.answer(subsets, counts)


@pytest.mark.parametrize(
    ("weights", "names"),
    [
        ([41, 41, 45], ["h00", "h01", "h02"]),  # other weights
        (WEIGHTS, ["h00", "h01", "h03"]),  # overlapping contributors
        (WEIGHTS, ["h02", "h03", "h04"]),
    ],
)
def test_an_update_is_opened_in_one_list_only(strict: Consortium, weights: list[int], names: list[str]) -> None:
    updates = {update.statement.signer: update for update in sealed(strict, strict.names)}
    chosen = [updates[name] for name in ("h00", "h01", "h02")]
    strict.opened("h01", strict.list(chosen, WEIGHTS), chosen)
    again = [updates[name] for name in names]
    with pytest.raises(StretchError, match=r"was opened before, in the list .*: an update is opened once"):
        strict.opened("h01", strict.list(again, weights), again)
    with pytest.raises(StretchError, match="was opened before"):  # the same updates as another version
        strict.opened("h01", strict.list(chosen, WEIGHTS, version=2), chosen)


def test_an_answer_is_on_the_disk_before_it_exists(strict: Consortium, monkeypatch: pytest.MonkeyPatch) -> None:
    updates = sealed(strict)
    listed, member = strict.list(updates, WEIGHTS), strict.member("h01")
    given = [strict.member(name).consent(listed, boxes(updates, name)) for name in ("h00", "h02")]

    def broken(self: Stretch, digest: str, names: list[str]) -> None:
        raise StretchError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(Stretch, "claim", broken)
        with pytest.raises(StretchError, match="the disk is full"):
            member.open(listed, boxes(updates, "h01"), given)
    record = strict.folder / "h01" / "1.opened"
    assert record.read_bytes().count(b"\n") == 1
    member.open(listed, boxes(updates, "h01"), given)
    assert record.read_bytes().count(b"\n") == 2 and listed.digest.encode() in record.read_bytes()


def test_checking_opens_nothing(strict: Consortium) -> None:
    updates = sealed(strict)
    strict.member("h01").check(strict.list(updates, WEIGHTS), boxes(updates, "h01"))
    strict.opened("h01", strict.list(updates, [41, 41, 45]), updates)


Change = Callable[[Consortium, list[SealedUpdate]], VersionList]


def resigned(own: Consortium, sealed_update: SealedUpdate, /, **changes: object) -> Statement:
    """What a hospital that lies signs."""
    statement = replace(sealed_update.statement, **changes)  # type: ignore[arg-type]
    return statement.signed(own.keys[sealed_update.statement.signer].sign)


def statements(own: Consortium, updates: list[SealedUpdate], first: Statement) -> VersionList:
    return VersionList.of(own.roster, 1, [first, *(u.statement for u in updates[1:])], WEIGHTS)


REFUSED: dict[str, tuple[Change, str]] = {
    "too few": (lambda o, u: o.list(u[:2], [60, 60]), "2 contributors, this hospital demands 3 or more"),
    "none": (lambda o, u: VersionList(LINEAGE, 1, o.roster.fingerprint, ()), "0 contributors"),
    "twice": (lambda o, u: o.list([*u, o.seal("h00", np.zeros(20, np.int8))], [30] * 4), "h00 contributes more than"),
    "the very same twice": (lambda o, u: o.list([*u, u[0]], [30] * 4), "h00 contributes more than once"),
    "too heavy": (lambda o, u: o.list(u, [43, 43, 43]), "sum to 129, the fields hold 128"),
    "one dominates": (
        lambda o, u: o.list(u, [60, 33, 34]),
        r"h00 weighs 60 of 127, this hospital allows 58 .max-share",
    ),
    "weight 0": (lambda o, u: o.list(u, [0, 40, 40]), r"weights \[0, 40, 40\]: expected whole numbers from 1"),
    "negative": (lambda o, u: o.list(u, [-1, 40, 40]), "expected whole numbers from 1"),
    "a fraction": (lambda o, u: o.list(u, [40.5, 40, 40]), "expected whole numbers from 1"),  # type: ignore[list-item]
    "a flag": (lambda o, u: o.list(u, [True, 40, 40]), "expected whole numbers from 1"),
    "version 0": (lambda o, u: o.list(u, WEIGHTS, version=0), "version 0: expected a whole number from 1"),
    "unsorted": (
        lambda o, u: replace(o.list(u, WEIGHTS), contributions=o.list(u, WEIGHTS).contributions[::-1]),
        "not in the order of its signers' names",
    ),
    "another roster": (lambda o, u: replace(o.list(u, WEIGHTS), roster="0" * 64), "the list is of roster 0000"),
    "another lineage": (lambda o, u: replace(o.list(u, WEIGHTS), lineage="x"), "sealed for another lineage or roster"),
    "changed on its way": (
        lambda o, u: statements(o, u, replace(u[0].statement, digest="0" * 64)),
        "the update of h00 is not signed by it: it was changed on its way or made up",
    ),
    "made up by the aggregator": (
        lambda o, u: statements(o, u, replace(u[0].statement, signer="h04").signed(o.keys["h00"].sign)),
        "the update of h04 is not signed by it",
    ),
    "a stranger's": (
        lambda o, u: statements(o, u, replace(u[0].statement, signer="x")),
        "x is not in roster",
    ),
    "sealed for another roster": (
        lambda o, u: statements(o, u, resigned(o, u[0], roster="0" * 64)),
        "was sealed for another lineage or roster",
    ),
    "another length": (
        lambda o, u: statements(o, u, resigned(o, u[0], count=21)),
        "has another plan or number of fields than that of h00",
    ),
    "another plan": (lambda o, u: statements(o, u, resigned(o, u[0], bits=(8, 6, 6))), "has another plan or number"),
    "no plan": (
        lambda o, u: VersionList.of(o.roster, 1, [resigned(o, x, bits=(80, 6, 6)) for x in u], WEIGHTS),
        "has no plan that can be used .encryption.plan: 80 value bits",
    ),
    "too wide": (
        lambda o, u: VersionList.of(o.roster, 1, [resigned(o, x, bits=(20, 10, 10)) for x in u], WEIGHTS),
        "fields of 40 bits, at most 32 can be opened",
    ),
    "a seed short": (
        lambda o, u: statements(o, u, resigned(o, u[0], seeds=u[0].statement.seeds[:5])),
        "has not one seed a subset and one box a member",
    ),
    "boxes for too few": (
        lambda o, u: statements(o, u, resigned(o, u[0], boxes=("", "", *u[0].statement.boxes[2:]))),
        "the update of h00 has no box for 2 members: of this committee 1 may be absent",
    ),
    "no box for this member": (
        lambda o, u: statements(
            o, u, resigned(o, u[0], boxes=(u[0].statement.boxes[0], "", *u[0].statement.boxes[2:]))
        ),
        "the seeds of h00 for h01 are not those that h00 signed",
    ),
    "a tag out of range": (lambda o, u: statements(o, u, resigned(o, u[0], tag=2**61 - 1)), "a tag or a number of"),
    "a name of its own making": (
        lambda o, u: statements(o, u, resigned(o, u[0], update="h01/0")),
        "the update of h00 has facts of another kind than expected, or a name that is not 32 hex digits",
    ),
    "a flag for a number": (lambda o, u: statements(o, u, resigned(o, u[0], stretch=True)), "facts of another kind"),
    "numbers for texts": (lambda o, u: statements(o, u, resigned(o, u[0], seeds=(1,) * 6)), "facts of another kind"),
    "somebody's update again": (
        lambda o, u: statements(o, u, resigned(o, u[0], update=u[1].statement.update)),
        "two updates of the list have the same name",
    ),
    "a stretch that is closed": (
        lambda o, u: statements(o, u, resigned(o, u[0], stretch=2)),
        "the seeds of h00 for h01 are of stretch 2, which is closed or not begun here",
    ),
    "the seeds of another update": (
        lambda o, u: statements(o, u, resigned(o, u[0], update="0" * 32)),
        "the seeds of h00 for h01 do not open",
    ),
}


@pytest.mark.parametrize("case", sorted(REFUSED))
def test_a_list_that_must_not_be_opened_is_refused_with_the_reason_and_nothing_is_written(
    strict: Consortium, case: str
) -> None:
    change, reason = REFUSED[case]
    updates = sealed(strict)
    listed, member = change(strict, updates), strict.member("h01")
    with pytest.raises(ListError, match=reason):
        member.open(listed, boxes(updates, "h01"), [])
    assert (strict.folder / "h01" / "1.opened").read_bytes().count(b"\n") == 1
    strict.opened("h01", strict.list(updates, WEIGHTS), updates)  # none of them counts as opened


def test_seeds_that_are_missing_or_swapped_are_refused(strict: Consortium) -> None:
    updates = sealed(strict)
    listed, own = strict.list(updates, WEIGHTS), dict(boxes(updates, "h01"))
    member = strict.member("h01")
    for given, reason in (
        ({k: v for k, v in own.items() if k != "h02"}, "the seeds of h02 for h01 are missing"),
        (own | {"h02": own["h00"]}, "the seeds of h02 for h01 are not those that h02 signed: they were swapped"),
        (own | {"h02": updates[2].boxes["h03"]}, "the seeds of h02 for h01 are not those that h02 signed"),
        (own | {"h02": b""}, "the seeds of h02 for h01 are not those that h02 signed"),
    ):
        with pytest.raises(ListError, match=reason):
            member.open(listed, given, [])


def test_who_is_not_on_the_committee_is_no_member(strict: Consortium) -> None:
    with pytest.raises(ListError, match="h04 is not on the committee"):
        Member("h04", strict.roster, strict.keys["h04"].sign, [], SECRET, strict.rules)


# ---------------------------------------------------------------------- consents


@pytest.fixture
def consenting(tmp_path: Path) -> Consortium:
    """Four members, two answers open a version, three consent to it."""
    return Consortium(tmp_path / "consenting", threshold=1)


def test_a_list_is_answered_once_a_quorum_consented_to_it(consenting: Consortium) -> None:
    own = consenting
    updates = sealed(own)
    listed, other = own.list(updates, WEIGHTS), own.list(updates, [41, 41, 45])
    given = {name: own.member(name).consent(listed, boxes(updates, name)) for name in own.names[:3]}
    member = own.member("h00")

    def refused(consents: list[Consent], reason: str) -> None:
        with pytest.raises(ListError, match=reason):
            member.open(listed, boxes(updates, "h00"), consents)

    refused([], r"1 members .h00. consented to this list, it takes 3")
    refused([given["h00"], given["h00"], given["h01"]], r"2 members .h00, h01. consented to this list, it takes 3")
    forged = replace(given["h02"], member="h03")
    refused([given["h01"], forged], "the consent of h03 is not signed by it: it was changed on its way or made up")
    refused([given["h01"], replace(given["h02"], digest=other.digest)], "the consent of h02 is to another list")
    refused([given["h01"], replace(given["h02"], member="x")], "x is not on the committee")
    moved = replace(given["h02"], digest=listed.digest, signature=own.keys["h02"].sign(other.digest.encode()))
    refused([given["h01"], moved], "the consent of h02 is not signed by it")
    member.open(listed, boxes(updates, "h00"), [given["h01"], given["h02"]])
    with pytest.raises(StretchError, match="was opened before"):
        own.member("h01").consent(other, boxes(updates, "h01"))
    assert own.member("h01").consent(listed, boxes(updates, "h01")) == given["h01"]


def test_a_consent_is_on_the_disk_before_it_exists_and_a_bad_list_gets_none(consenting: Consortium) -> None:
    updates = sealed(consenting)
    member, record = consenting.member("h01"), consenting.folder / "h01" / "1.opened"
    with pytest.raises(ListError, match="sum to 129"):
        member.consent(consenting.list(updates, [43, 43, 43]), boxes(updates, "h01"))
    assert record.read_bytes().count(b"\n") == 1
    listed = consenting.list(updates, WEIGHTS)
    member.consent(listed, boxes(updates, "h01"))
    assert listed.digest.encode() in record.read_bytes()


# ---------------------------------------------------------------------- the dither


def test_each_carrier_adds_a_uniform_dither_that_no_contributor_can_compute(four: Consortium) -> None:
    updates = [four.seal(name, np.zeros(60_000, dtype=np.int8)) for name in four.names[:3]]
    listed = four.list(updates, [40, 42, 45])
    carried = four.carried(listed, updates)
    assert len(carried) == 2
    for drawn in carried.values():
        assert drawn.min() == 0 and drawn.max() == 126
        assert chisquare(np.bincount(drawn, minlength=127)).pvalue > 1e-6
    a, b = carried.values()
    assert abs(np.corrcoef(a, b)[0, 1]) < 0.02
    found = four.open(four.record(updates, [40, 42, 45], [60_000]))
    assert np.array_equal(found, a + b - 2 * 63)
    assert abs(found.mean()) < 5 * found.std() / 60_000**0.5
    assert found.std() / 128 < 0.42


def test_the_dither_takes_every_contributors_seeds_of_the_subset(
    four: Consortium, monkeypatch: pytest.MonkeyPatch
) -> None:
    updates = sealed(four, count=1000)
    listed = four.list(updates, WEIGHTS)
    opened = four.opened("h00", listed, updates)
    carrier = next(number for number in four.roster.carriers if number in four.roster.held("h00"))
    base = opened._dither(carrier)(0, 1000)
    for place in range(3):
        guessed: list[Seeds] = list(opened.seeds)
        guessed[place] = replace(guessed[place], held={n: bytes(32) for n in guessed[place].held})
        assert np.mean(replace(opened, seeds=tuple(guessed))._dither(carrier)(0, 1000) == base) < 0.05
    other = replace(opened, version=four.list(updates, [41, 41, 45]))
    assert np.mean(other._dither(carrier)(0, 1000) == base) < 0.05


def test_no_single_member_knows_the_dither(tmp_path: Path) -> None:
    """Whatever a coalition that the roster allows for subtracts, a uniform dither stays."""
    for size, threshold, colluders in ((2, 1, 1), (3, 1, 1), (4, 1, 1), (4, 2, 1), (3, 2, 2)):
        own = Consortium(tmp_path / f"{size}-{threshold}", size, size, threshold, colluders=colluders)
        updates = sealed(own, own.names[:2], 20_000)
        listed = own.list(updates, [60, 64])
        carried = own.carried(listed, updates)
        coalition = own.names[: own.roster.colluders]
        known = {subset for member in coalition for subset in own.roster.held(member)}
        unknown = [drawn for subset, drawn in carried.items() if subset not in known]
        assert unknown and chisquare(np.bincount(unknown[0], minlength=127)).pvalue > 1e-6
