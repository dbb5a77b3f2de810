"""A roster is the hospitals' own: every one of them signed it, and whoever has no key can change nothing in it."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from crossward.encryption.committee.roster import Roster, RosterError, SignedRoster
from tests.crossward.encryption.committee.consortium import Consortium

KEYS = {f"h{number}": bytes([number]) * 32 for number in range(8)}
HEX = {name: key.hex() for name, key in KEYS.items()}


def roster(size: int, threshold: int, colluders: int = 1) -> Roster:
    return Roster(HEX, tuple(sorted(HEX)[:size]), threshold, colluders)


SIZES = [(size, t, c) for size in range(2, 8) for t in range(1, size) for c in range(1, t + 1)]


@pytest.mark.parametrize(("size", "threshold"), sorted({(size, t) for size, t, _ in SIZES}))
def test_any_t_plus_1_members_hold_every_subset_and_any_t_lack_one(size: int, threshold: int) -> None:
    made = roster(size, threshold)
    everything = set(range(len(made.subsets)))

    def together(members: tuple[str, ...]) -> set[int]:
        return {subset for member in members for subset in made.held(member)}

    assert all(together(group) == everything for group in itertools.combinations(made.committee, threshold + 1))
    assert all(len(everything - together(group)) == 1 for group in itertools.combinations(made.committee, threshold))
    assert made.openers == threshold + 1


@pytest.mark.parametrize(("size", "threshold", "colluders"), SIZES)
def test_two_quorums_share_an_honest_member(size: int, threshold: int, colluders: int) -> None:
    """So no two lists that share an update can both be opened, whoever of ``colluders`` answers both."""
    made = roster(size, threshold, colluders)
    quorums = list(itertools.combinations(made.committee, made.quorum))
    fewest = min(len(set(a) & set(b)) for a, b in itertools.product(quorums, quorums))
    assert fewest > colluders
    assert 2 * (made.quorum - 1) - size <= colluders  # and no smaller quorum would do
    assert made.quorum <= size and made.absent == size - max(made.quorum, made.openers)


@pytest.mark.parametrize(("size", "threshold", "colluders"), SIZES)
def test_every_coalition_that_is_allowed_for_lacks_a_carrier_whole(size: int, threshold: int, colluders: int) -> None:
    made = roster(size, threshold, colluders)
    for group in itertools.combinations(made.committee, made.colluders):
        assert any(not set(group) & set(made.subsets[carrier]) for carrier in made.carriers)
    assert len(made.carriers) <= len(made.subsets)


@pytest.mark.parametrize(
    ("shape", "subsets", "openers", "quorum", "absent", "carriers"),
    [
        ((4, 2, 1), 6, 3, 3, 1, 2),
        ((4, 1, 1), 4, 2, 3, 1, 4),
        ((3, 1, 1), 3, 2, 3, 0, 3),
        ((3, 2, 1), 3, 3, 3, 0, 2),
        ((3, 2, 2), 3, 3, 3, 0, 3),
        ((2, 1, 1), 2, 2, 2, 0, 2),
        ((7, 2, 2), 21, 3, 5, 2, 21),
    ],
)
def test_what_follows_from_a_committees_shape(
    shape: tuple[int, int, int], subsets: int, openers: int, quorum: int, absent: int, carriers: int
) -> None:
    made = roster(*shape)
    assert (len(made.subsets), made.openers, made.quorum, made.absent) == (subsets, openers, quorum, absent)
    assert len(made.carriers) == carriers


@pytest.mark.parametrize(
    ("size", "threshold", "colluders"),
    [(1, 1, 1), (2, 0, 1), (2, 2, 1), (3, 1, 2), (3, 3, 1), (4, 1, 0), (4, 2, 3), (4, 2, -1), (0, 0, 0)],
)
def test_committees_that_protect_nothing_or_cannot_be_are_refused(size: int, threshold: int, colluders: int) -> None:
    with pytest.raises(RosterError, match=f"a committee of {size} with threshold {threshold} against {colluders}"):
        roster(size, threshold, colluders)


def test_nonsense_is_refused() -> None:
    for changes, reason in (
        ({"committee": ("h0", "h1", "h1")}, "the committee lists a hospital twice"),
        ({"committee": ("h0", "h1", "x")}, "the committee lists x, who are not in the roster"),
        ({"hospitals": HEX | {"h7": HEX["h6"]}}, "h6, h7 have the same identity key"),
        ({"hospitals": HEX | {"h7": "zz"}}, "the identity key of h7 is not 64"),
    ):
        with pytest.raises(RosterError, match=reason):
            replace(roster(4, 2), **changes)  # type: ignore[arg-type]
    many = {f"n{number:02}": bytes([number]).hex() * 32 for number in range(20)}
    with pytest.raises(RosterError, match=r"subsets .at most 128.: use a smaller one"):
        Roster(many, tuple(many), 10)


@pytest.fixture
def four(tmp_path: Path) -> Consortium:
    return Consortium(tmp_path)


def test_it_travels_as_a_file_and_reads_the_same(four: Consortium) -> None:
    found = SignedRoster.from_bytes(four.signed.to_bytes())
    assert found.check() == four.roster and found.roster.fingerprint == four.roster.fingerprint
    assert len(four.roster.fingerprint) == 64


def test_whoever_has_no_key_can_change_nothing(four: Consortium) -> None:
    intruder = Ed25519PrivateKey.generate()
    public = intruder.public_key().public_bytes_raw().hex()
    base, names = four.roster, sorted(four.roster.hospitals)
    forged = [
        replace(base, hospitals={**base.hospitals, "h00": public}),
        replace(base, hospitals={**base.hospitals, "x": public}),
        replace(base, committee=base.committee[:3]),
        replace(base, threshold=3),
        replace(base, threshold=3, colluders=2),
        replace(base, revision=2),
        replace(base, previous="0" * 64),
    ]
    for changed in forged:
        with pytest.raises(RosterError, match=r"is not signed by .*: every hospital in it must sign these very bytes"):
            SignedRoster(changed, four.signed.signatures).signed("x", intruder.sign).check()
    swapped = SignedRoster(forged[0], four.signed.signatures).signed("h00", intruder.sign)
    with pytest.raises(RosterError, match="is not signed by h01, h02, h03"):
        swapped.check()
    for name in names:
        missing = {n: s for n, s in four.signed.signatures.items() if n != name}
        with pytest.raises(RosterError, match=f"is not signed by {name}:"):
            SignedRoster(base, missing).check()


def test_revisions_follow_one_another(four: Consortium) -> None:
    def signed(made: Roster) -> SignedRoster:
        out = SignedRoster(made, {})
        for name in made.hospitals:
            out = out.signed(name, four.keys[name].sign)
        return out

    base = four.roster
    following = replace(base, committee=base.committee[:3], revision=2, previous=base.fingerprint)
    assert signed(following).check(base) == following and signed(base).check(base) == base
    for wrong in (base, replace(following, revision=3), replace(following, previous="0" * 64)):
        with pytest.raises(RosterError, match=r"does not follow revision"):
            signed(wrong).check(following if wrong is base else base)


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[]", b"\xff", b'{"format": "crossward-roster/1"}', b'{"format": "x", "roster": {}}']
)
def test_what_is_no_roster_is_refused(data: bytes) -> None:
    with pytest.raises(RosterError, match="not a roster: expected a JSON file of format crossward-roster/1"):
        SignedRoster.from_bytes(data)


def test_fields_of_another_kind_are_refused(four: Consortium) -> None:
    for field, value in (
        ("threshold", 2.0),
        ("colluders", True),
        ("revision", True),
        ("hospitals", []),
        ("committee", 3),
        ("extra", 1),
    ):
        read = json.loads(four.signed.to_bytes())
        read["roster"][field] = value
        with pytest.raises(RosterError):
            SignedRoster.from_bytes(json.dumps(read).encode())
