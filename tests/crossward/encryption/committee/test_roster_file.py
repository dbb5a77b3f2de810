"""A roster file is the hospitals' own: every one of them signed it, and whoever has no key can change nothing in it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from crossward.encryption.committee.roster import Roster, RosterError, default_committee
from crossward.encryption.committee.roster_file import RosterBook, make_book

NAMES = ["Årsta", "b", "St. Columba", "d", "e"]
KEYS = {name: Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32) for number, name in enumerate(NAMES)}
PUBLIC = {name: key.public_key().public_bytes_raw().hex() for name, key in KEYS.items()}


def signed(roster: Roster, *earlier: Roster) -> RosterBook:
    book = RosterBook(roster, {}, earlier)
    for name in roster.hospitals:
        book = book.signed(name, KEYS[name].sign)
    return book


FIRST = make_book({name: KEYS[name] for name in NAMES[:4]})
SECOND = signed(
    replace(FIRST.roster, hospitals=PUBLIC, revision=2, previous=FIRST.roster.fingerprint),
    FIRST.roster,
)
THIRD = signed(
    replace(SECOND.roster, committee=tuple(NAMES[:3]), revision=3, previous=SECOND.roster.fingerprint),
    *SECOND.revisions,
)


@pytest.mark.parametrize("book", [FIRST, SECOND, THIRD])
def test_it_reads_back_as_it_was_written(book: RosterBook, tmp_path: Path) -> None:
    path = tmp_path / "roster.json"
    path.write_bytes(book.to_bytes())
    found = RosterBook.load(path)
    assert found == RosterBook.from_bytes(book.to_bytes()) == book and found.to_bytes() == book.to_bytes()
    assert [one.revision for one in found.revisions] == list(range(1, book.roster.revision + 1))
    assert len(found.roster.fingerprint) == 64 and found.roster.fingerprint == book.roster.fingerprint


def test_every_revision_is_found_by_its_fingerprint() -> None:
    for one in (FIRST, SECOND, THIRD):
        assert THIRD.of(one.roster.fingerprint) == one.roster
    with pytest.raises(RosterError, match=r"roster [0-9a-f]{16} is not one of the 2 revisions up to"):
        SECOND.of(THIRD.roster.fingerprint)


def test_a_book_follows_what_it_goes_on_from_and_nothing_else() -> None:
    assert THIRD.follows(None) is THIRD and THIRD.follows(THIRD) is THIRD
    assert THIRD.follows(FIRST) is THIRD and THIRD.follows(SECOND) is THIRD
    fork = signed(replace(SECOND.roster, threshold=2), FIRST.roster)
    for book, before in ((FIRST, SECOND), (fork, SECOND), (THIRD, fork)):
        with pytest.raises(RosterError, match=r"does not follow revision 2 .*, the last one accepted here"):
            book.follows(before)


# ---------------------------------------------------------------------- signatures


def test_it_is_complete_when_every_hospital_has_signed() -> None:
    for name in NAMES:
        others = {n: data for n, data in SECOND.signatures.items() if n != name}
        for signatures in (
            others,
            {**others, name: bytes(64)},
            {**others, name: SECOND.signatures[NAMES[NAMES[0] == name]]},
        ):
            book = RosterBook(SECOND.roster, signatures, SECOND.earlier)
            assert book.missing == (name,)
            with pytest.raises(
                RosterError, match=rf"\(revision 2\) is not signed by {name}: every hospital in it must"
            ):
                RosterBook.from_bytes(book.to_bytes())
            draft = RosterBook.from_bytes(book.to_bytes(), complete=False)
            assert draft == book and draft.signed(name, KEYS[name].sign).check() == SECOND


def test_copies_that_were_signed_apart_are_joined() -> None:
    draft = RosterBook(SECOND.roster, {}, SECOND.earlier)
    one, other = draft.signed(NAMES[0], KEYS[NAMES[0]].sign), draft
    for name in NAMES[1:]:
        other = other.signed(name, KEYS[name].sign)
    assert one.joined(other).check() == other.joined(one).check() == SECOND
    damaged = RosterBook(SECOND.roster, {name: bytes(64) for name in NAMES}, SECOND.earlier)
    assert damaged.joined(SECOND) == SECOND.joined(damaged) == SECOND
    with pytest.raises(RosterError, match=r"\(revision 1\) is another than .* \(revision 2\): their signatures do not"):
        SECOND.joined(FIRST)


def test_whoever_has_no_key_can_change_nothing() -> None:
    intruder = Ed25519PrivateKey.generate()
    public = intruder.public_key().public_bytes_raw().hex()
    base, names = SECOND.roster, list(SECOND.roster.hospitals)
    for changed in (
        replace(base, hospitals={**base.hospitals, names[0]: public}),
        replace(base, hospitals={**base.hospitals, "x": public}),
        replace(base, hospitals={name: base.hospitals[name] for name in names[:4]}),
        replace(base, committee=base.committee[:3]),
        replace(base, committee=base.committee[::-1]),
        replace(base, threshold=3),
        replace(base, threshold=3, colluders=2),
    ):
        kept = {name: data for name, data in SECOND.signatures.items() if name in changed.hospitals}
        forged = RosterBook(changed, kept, SECOND.earlier)
        for name, key in changed.hospitals.items():
            if key == public:
                forged = forged.signed(name, intruder.sign)
        with pytest.raises(RosterError, match=r"is not signed by .*: every hospital in it must sign these very bytes"):
            forged.check()
    with pytest.raises(RosterError, match="has signatures of x, who are not in it"):
        SECOND.signed("x", intruder.sign)


# ---------------------------------------------------------------------- revisions


@pytest.mark.parametrize(
    "earlier",
    [
        (),
        (FIRST.roster,),
        (SECOND.roster,),
        (SECOND.roster, FIRST.roster),
        (FIRST.roster, replace(SECOND.roster, threshold=2)),
        (replace(FIRST.roster, threshold=2), SECOND.roster),
        (replace(FIRST.roster, previous="0" * 64), SECOND.roster),
        (FIRST.roster, FIRST.roster, SECOND.roster),
    ],
)
def test_a_chain_that_is_broken_anywhere_is_refused(earlier: tuple[Roster, ...]) -> None:
    with pytest.raises(RosterError, match=r"chain of revisions is broken at revision \d: .* another hospital"):
        RosterBook(THIRD.roster, THIRD.signatures, earlier)


def test_the_next_revision_keeps_what_is_not_given() -> None:
    made = FIRST.next(PUBLIC)
    assert made.roster == SECOND.roster and made.earlier == SECOND.earlier and made.missing == tuple(NAMES)
    made = SECOND.next(committee=NAMES[:3])
    assert made.roster == THIRD.roster and made.follows(SECOND).revisions == THIRD.revisions
    other = {**PUBLIC, "b": "99" * 32}
    assert SECOND.next(other).roster.hospitals == other and SECOND.next(other).roster.committee == tuple(NAMES[:4])
    made = SECOND.next(threshold=2, colluders=2)
    assert (made.roster.threshold, made.roster.colluders, made.roster.revision) == (2, 2, 3)


def test_who_leaves_the_committee_is_replaced_and_a_fourth_hospital_joins_it() -> None:
    without = {name: key for name, key in PUBLIC.items() if name != "b"}
    assert SECOND.next(without).roster.committee == ("Årsta", "St. Columba", "d", "e")
    assert THIRD.next(without).roster.committee == ("Årsta", "St. Columba", "d")  # as large as it was
    assert FIRST.next({name: PUBLIC[name] for name in NAMES[:3]}).roster.committee == tuple(NAMES[:3])
    three = make_book({name: KEYS[name] for name in NAMES[:3]})
    assert three.next({name: PUBLIC[name] for name in NAMES[:4]}).roster.committee == tuple(NAMES[:4])


def test_a_next_revision_that_cannot_be_is_refused() -> None:
    for book, changes, says in (
        (SECOND, {}, "nothing would change from revision 2"),
        (SECOND, {"hospitals": {"b": PUBLIC["b"]}}, "1 hospitals: encryption.scheme = 'committee' takes 3 or more"),
        (SECOND, {"committee": ["x", "b"]}, "the committee lists x, who are not in the roster"),
        (SECOND, {"threshold": 4}, "a committee of 4 with threshold 4"),
        (SECOND.next(threshold=2), {"threshold": 3}, r"\(revision 3\) is not signed by"),
    ):
        with pytest.raises(RosterError, match=says):
            book.next(**changes)  # type: ignore[arg-type]


# ---------------------------------------------------------------------- bytes


@settings(deadline=None, derandomize=True, max_examples=400)
@given(st.data())
def test_a_changed_byte_is_refused_or_changes_nothing(data: st.DataObject) -> None:
    """Changes nothing: white space, say, or the case of a signature's hexadecimal digits."""
    good = THIRD.to_bytes()
    at = data.draw(st.integers(0, len(good) - 1))
    kind = data.draw(st.sampled_from(["flip", "drop", "insert", "cut", "repeat"]))
    byte = bytes([data.draw(st.integers(0, 255))])
    changed = {
        "flip": good[:at] + byte + good[at + 1 :],
        "drop": good[:at] + good[at + 1 :],
        "insert": good[:at] + byte + good[at:],
        "cut": good[:at],
        "repeat": good[:at] + good[at : at + 40] + good[at:],
    }[kind]
    try:
        found = RosterBook.from_bytes(changed)
    except RosterError as error:
        assert str(error).isprintable() and len(str(error)) < 600
    else:
        assert found == THIRD and [one.canonical for one in found.revisions] == [o.canonical for o in THIRD.revisions]


def edited(change: Callable[[dict[str, Any]], object]) -> bytes:
    read = json.loads(THIRD.to_bytes())
    change(read)
    return json.dumps(read).encode()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "not JSON: expected a JSON file of format crossward-roster/1"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "not a roster"),
        (b"{}", "not a roster"),
        (b'{"format": 1}', "not a roster"),
        (b'{"format": "crossward-roster/1"}', "not a roster"),
        (b'{"format": "crossward-roster/2", "roster": {}}', "format 'crossward-roster/2', expected .* one release"),
        (b" " * (1 << 22) + b" ", "more than 4194304 bytes, too many for a roster"),
        (edited(lambda r: r.update(extra=1)), "not a roster"),
        (edited(lambda r: r["roster"].update(threshold=2.0)), "not a roster"),
        (edited(lambda r: r["roster"].update(colluders=True)), "not a roster"),
        (edited(lambda r: r["roster"].update(revision="3")), "not a roster"),
        (edited(lambda r: r["roster"].update(threshold=10**4000)), "not a roster"),
        (edited(lambda r: r["roster"].update(colluders=-1)), "not a roster"),
        (edited(lambda r: r["roster"].update(previous=None)), "not a roster"),
        (edited(lambda r: r["roster"].update(hospitals=[])), "not a roster"),
        (edited(lambda r: r["roster"].update(committee=3)), "not a roster"),
        (edited(lambda r: r["roster"].update(committee=[3])), "not a roster"),
        (edited(lambda r: r["roster"].update(extra=1)), "not a roster"),
        (edited(lambda r: r["roster"].pop("previous")), "not a roster"),
        (edited(lambda r: r.update(earlier="xy")), "not a roster"),
        (edited(lambda r: r.update(earlier=[])), "broken at revision 1"),
        (edited(lambda r: r["signatures"].update(b="zz")), "not a roster"),
        (edited(lambda r: r["signatures"].update(b=5)), "not a roster"),
        (edited(lambda r: r.update(signatures={})), "is not signed by Årsta, b, St. Columba, d, e"),
    ],
)
def test_what_is_no_roster_is_refused_with_its_place(data: bytes, says: str, tmp_path: Path) -> None:
    path = tmp_path / "roster.json"
    path.write_bytes(data)
    with pytest.raises(RosterError, match=f"^{path}: .*{says}"):
        RosterBook.load(path)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(RosterError, match=r"there is no roster at .*none.json: .* `crossward members init` makes"):
        RosterBook.load(tmp_path / "none.json")
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(RosterError, match="not a regular file, so no roster"):
            RosterBook.load(path)
    with pytest.raises(RosterError, match=r"cannot be read \(File name too long\)"):
        RosterBook.load(tmp_path / ("n" * 300))


# ---------------------------------------------------------------------- defaults


def test_the_committee_is_the_first_four_or_all_of_three() -> None:
    assert default_committee(NAMES) == tuple(NAMES[:4]) and default_committee(NAMES[:3]) == tuple(NAMES[:3])
    assert default_committee(NAMES, NAMES[2:]) == (*NAMES[2:], NAMES[0])
    assert default_committee(NAMES[1:], NAMES[:3], 3) == tuple(NAMES[1:4])
    assert default_committee(NAMES, NAMES, 3) == tuple(NAMES)
    assert FIRST.roster.absent == 1 and make_book({name: KEYS[name] for name in NAMES[:3]}).roster.absent == 0


@pytest.mark.parametrize("few", range(3))
def test_fewer_than_three_hospitals_are_pointed_to_another_scheme(few: int) -> None:
    with pytest.raises(RosterError, match=r"takes 3 .*or more; with fewer, set encryption.scheme = 'bfv'"):
        default_committee(NAMES[:few])
    with pytest.raises(RosterError, match=r"takes 3 .*or more; with fewer, set encryption.scheme = 'bfv'"):
        make_book({name: KEYS[name] for name in NAMES[:few]}, committee=NAMES[:few])
