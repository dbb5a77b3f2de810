"""What observers and dishonest parties try, each beside a case in which it succeeds."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from crossward.alignment import AlignmentError, Given, Party
from crossward.alignment.points import POINT_BYTES, identifier_points, keyed, raised, scalar
from tests.crossward.alignment.run import (
    PEPPER,
    RULES,
    carry,
    declare,
    exchange,
    forged,
    given_of,
    parties,
    ring_of,
)

EVERY_NUMBER = [str(number) for number in range(1, 200)]  # record numbers have few digits: all of them can be tried
PATIENTS = EVERY_NUMBER[20:60]


def split(points: bytes) -> list[bytes]:
    return [points[at : at + POINT_BYTES] for at in range(0, len(points), POINT_BYTES)]


def blinded(party: Party) -> set[bytes]:
    return set(split(b"".join(party._own.points().all())))


def dictionary(seen: Iterable[bytes], guess: Callable[[str], bytes]) -> list[str]:
    """Every number whose guessed image was seen."""
    seen = set(seen)
    return [number for number in EVERY_NUMBER if guess(number) in seen]


# ---------------------------------------------------------------------- dictionaries


def test_plain_hashes_are_read_by_trying_every_number() -> None:
    """What is shared in place of identifiers in many a protocol: the positive control of those that follow."""

    def plain(number: str) -> bytes:
        return hashlib.sha256(number.encode()).digest()

    assert dictionary(map(plain, PATIENTS), plain) == PATIENTS


def test_hashes_under_a_pepper_hide_from_those_who_lack_it_alone() -> None:
    def under(pepper: bytes) -> Callable[[str], bytes]:
        return lambda number: keyed(pepper, b"identifier", "run-1", number.encode())

    seen = list(map(under(PEPPER), PATIENTS))
    assert dictionary(seen, under(bytes(32))) == []
    assert dictionary(seen, under(PEPPER)) == PATIENTS  # every party has it


def test_blinded_points_hide_from_those_who_have_the_pepper(tmp_path: Path) -> None:
    """Another party tries every number under the pepper, also with a scalar; with the blinding one it reads them."""
    ring = ring_of(2)
    side = Party(tmp_path, ring, "heart")
    side.prepare(Given(tuple(PATIENTS), PEPPER, RULES))
    for secret, read in ((None, []), (scalar(), []), (side._secret.scalar, PATIENTS)):

        def guess(number: str, secret: bytes | None = secret) -> bytes:
            point = identifier_points([number], PEPPER, ring.lineage)
            return raised(point, secret) if secret else point

        assert dictionary(blinded(side), guess) == read


# ---------------------------------------------------------------------- what one run says of another


def test_two_runs_with_the_same_patients_have_no_point_in_common(tmp_path: Path) -> None:
    """Nor have two parties. Scalar and lineage alike would give the same points (positive control)."""
    given = Given(tuple(PATIENTS), PEPPER, RULES)
    sides = [
        Party(tmp_path / str(number), ring_of(2, lineage=lineage), name)
        for number, (lineage, name) in enumerate((("run-1", "heart"), ("run-2", "heart"), ("run-1", "vitals")))
    ]
    for side in sides:
        side.prepare(given)
    first, second, other = map(blinded, sides)
    assert not first & second and not first & other
    again = identifier_points(PATIENTS, PEPPER, "run-1")
    assert set(split(raised(again, sides[0]._secret.scalar))) == first


# ---------------------------------------------------------------------- sets that were seen


def test_a_set_recorded_in_another_run_is_refused(tmp_path: Path) -> None:
    given = given_of(set(range(1, 8)), {1, 2})
    for lineage in ("run-1", "run-2"):
        sides = parties(tmp_path / lineage, ring_of(2, lineage=lineage))
        declare(sides, given)
    old = parties(tmp_path / "run-1", ring_of(2, lineage="run-1"))
    with pytest.raises(AlignmentError, match="from another run"):
        sides["vitals"].receive(next(old["heart"].messages("heart")))
    sides["vitals"].receive(next(sides["heart"].messages("heart")))  # the run's own (positive control)


@pytest.mark.parametrize("honest", [True, False])
def test_the_label_holders_own_points_sent_back_to_it_match_nothing(tmp_path: Path, honest: bool) -> None:
    """A party that has no patients returns the label holder's set as its own, raised by a scalar of its choice.

    Points would match only if it raised them to the label holder's scalar. Honest parties have all in common.
    """
    ring, numbers = ring_of(2), set(range(1, 8))
    sides, given = parties(tmp_path, ring), given_of(numbers, numbers)
    own, theirs = (sides[name].prepare(given[name]) for name in ring.parties)
    messages = list(sides["vitals"].messages("vitals"))
    sides["vitals"].agree([own, theirs])
    if not honest:
        stolen = raised(b"".join(sides["heart"]._own.points().all()), scalar())
        theirs, messages = forged(tmp_path / "forged", "vitals", stolen)
    sides["heart"].agree([own, theirs])
    for message in messages:
        sides["heart"].receive(message)
    receipts = [sides["heart"].raise_set("vitals"), *carry(sides, ring, "heart")]
    found = sides["heart"].compare(receipts)["heart"]
    assert len(found) // 4 == (len(numbers) if honest else 0)


# ---------------------------------------------------------------------- guesses


def test_a_set_of_guesses_asks_for_as_many_memberships_as_the_cap(tmp_path: Path) -> None:
    """A label holder without patients puts in every number it can: it learns who of those is a patient of vitals'."""
    secret = {5, 17, 23, 60, 99}
    with pytest.raises(AlignmentError, match=r"has 199 identifiers .*: the parties agreed on 30 at most"):
        attack(tmp_path / "capped", secret, range(1, 200), most=30)
    assert attack(tmp_path / "under", secret, range(1, 31), most=30) == {5, 17, 23}
    assert attack(tmp_path / "control", secret, range(1, 200), most=1000) == secret


def test_the_others_refuse_a_set_over_the_cap_that_its_party_did_not(tmp_path: Path) -> None:
    """The liar runs with another cap; so the others' is what counts."""
    given = given_of(set(range(1, 40)), {5})
    declared = [
        Party(tmp_path / name, ring_of(2, most=1000 if name == "heart" else 30), name).prepare(one)
        for name, one in given.items()
    ]
    with pytest.raises(AlignmentError, match="heart declares 39 identifiers: expected 1 to 30"):
        Party(tmp_path / "vitals", ring_of(2, most=30), "vitals").agree(declared)


def attack(folder: Path, patients: set[int], guesses: Iterable[int], most: int) -> set[int]:
    """Patients of vitals' that heart learns, which put in ``guesses`` as its own patients."""
    ring = ring_of(2, most=most)
    given = given_of(set(guesses), patients)
    sides = parties(folder, ring)
    receipts = exchange(sides, ring, given)
    rows = sides["heart"].accept(given["heart"], sides["heart"].compare(receipts)["heart"]).rows
    return {int(given["heart"].patients[row]) for row in rows}


def test_decoys_make_being_common_no_proof_of_being_a_patient(tmp_path: Path) -> None:
    """Without decoys it is one (positive control)."""
    ring = ring_of(2)
    for decoys in ((), ("7", "8")):
        given = {
            "heart": Given(tuple("789"), PEPPER, RULES),
            "vitals": Given(("9",), PEPPER, RULES, decoys=decoys),
        }
        sides = parties(tmp_path / str(len(decoys)), ring)
        positions = sides["heart"].compare(exchange(sides, ring, given))
        suspected = len(sides["heart"].accept(given["heart"], positions["heart"]).rows)
        patients = int((sides["vitals"].accept(given["vitals"], positions["vitals"]).rows >= 0).sum())
        assert (suspected, patients) == (1 + len(decoys), 1)


# ---------------------------------------------------------------------- a party that does not raise what it should


@pytest.mark.parametrize(
    ("lie", "common", "digests"),
    [
        (lambda points: points, 3, 1),
        (lambda points: points[POINT_BYTES:] + points[:POINT_BYTES], 3, 2),  # another order: the digests differ
        (lambda points: raised(points, scalar()), 0, 1),  # other points: patients are missed, which nothing shows
    ],
    ids=["honest", "order", "points"],
)
def test_what_a_hop_can_do_that_does_not_raise_what_it_should(
    tmp_path: Path, lie: Callable[[bytes], bytes], common: int, digests: int
) -> None:
    ring, given = ring_of(2), given_of({1, 2, 3, 4}, {1, 2, 3})
    sides = parties(tmp_path, ring)
    declare(sides, given)
    receipts = carry(sides, ring, "vitals")
    for message in sides["heart"].messages("heart"):
        sides["vitals"].receive(message)
    sides["vitals"].raise_set("heart")
    sent = sides["vitals"]._raised("heart")
    sent.write(0, lie(sent.read(0)))
    receipts.append(sides["vitals"].raise_set("heart"))
    for message in sides["vitals"].messages("heart"):
        sides["heart"].receive(message)
    positions = sides["heart"].compare(receipts)
    found = [side.accept(given[name], positions[name]) for name, side in sides.items()]
    assert (len(found[0].rows), len({one.digest for one in found})) == (common, digests)
