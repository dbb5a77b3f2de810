"""What does not belong to an alignment is refused by a line that names party and remedy, and quotes no identifier."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from crossward.alignment import AlignmentError, Declared, Given, Normalisation, Party, Receipt, Ring
from crossward.alignment.messages import Batch
from crossward.alignment.points import random_points
from crossward.alignment.receipts import check_receipts
from crossward.alignment.ring import agreed
from tests.crossward.alignment.run import PEPPER, RULES, declare, exchange, forged, given_of, parties, ring_of

ALL = set(range(1, 8))


@pytest.fixture
def two(tmp_path: Path) -> dict[str, Party]:
    """Two parties that have declared their sets: seven patients of heart's, in two batches, and two of vitals'."""
    sides = parties(tmp_path, ring_of(2))
    declare(sides, given_of(ALL, {1, 2}))
    return sides


def first_batch(sides: dict[str, Party]) -> Batch:
    return Batch.decode(next(sides["heart"].messages("heart")))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lineage": "run-2"}, "from another run, or for another party, arrived at vitals"),
        ({"hop": 2}, "from another run, or for another party"),
        ({"size": 8}, "a set of 8 of heart, who declared 7"),
        ({"number": 2}, "batch 2 of the set of heart does not exist"),
        ({"number": -1}, "batch -1 of the set of heart does not exist"),
        ({"number": 1}, "batch 1 of the set of heart does not exist, or has another size"),
        ({"points": random_points(bytes(32), 5)}, "has another size"),
        ({"digest": "0" * 64}, "the set of heart is not the one that was declared"),
        ({"origin": "nobody"}, "'nobody' takes no part in this alignment of heart, vitals"),
        ({"origin": "vitals"}, "vitals does not receive its own set: the label holder alone does"),
    ],
)
def test_a_batch_that_does_not_belong(two: dict[str, Party], change: dict[str, object], message: str) -> None:
    two["vitals"].receive(first_batch(two).encode())  # as it is, it passes
    with pytest.raises(AlignmentError, match=message):
        two["vitals"].receive(dataclasses.replace(first_batch(two), **change).encode())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data[:-1],
        lambda data: data[:3],
        lambda data: b"",
        lambda data: b"\xff" * 4 + data[4:],
        lambda data: data[:4] + b"[" + data[5:],
        lambda data: data.replace(b'"hop": 1', b'"hop": "'),
        lambda data: data.replace(b'"hop": 1', b'"how": 1'),
        lambda data: data.replace(b'"number": 0', b'"number":{}'),
    ],
)
def test_bytes_that_are_no_batch(two: dict[str, Party], change: Callable[[bytes], bytes]) -> None:
    with pytest.raises(AlignmentError, match=r"no batch of points|a message of an alignment lacks"):
        two["vitals"].receive(change(first_batch(two).encode()))


def test_a_batch_that_differs_the_second_time(two: dict[str, Party]) -> None:
    one = first_batch(two)
    two["vitals"].receive(one.encode())
    with pytest.raises(AlignmentError, match="batch 0 of the set of heart arrived twice and differs"):
        two["vitals"].receive(dataclasses.replace(one, points=one.points[::-1]).encode())


def test_points_that_are_not_those_declared(two: dict[str, Party]) -> None:
    for message in two["heart"].messages("heart"):
        one = Batch.decode(message)
        changed = dataclasses.replace(one, points=random_points(bytes(32), len(one.points) // 32))
        if one.number:
            with pytest.raises(AlignmentError, match="the set of heart is not the one that was declared, or changed"):
                two["vitals"].receive(changed.encode())
        else:
            two["vitals"].receive(changed.encode())


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (random_points(bytes(32), 2) * 2, "the set of heart has 2 points more than once"),
        (random_points(bytes(32), 3) + bytes(32), "element 3 is not a point of ristretto255"),
        (random_points(bytes(32), 3) + b"\xff" * 32, "element 3 is not a point of ristretto255"),
    ],
)
def test_a_dishonest_set(tmp_path: Path, points: bytes, message: str) -> None:
    """Declared and sent as what it is: digests do not help. A set of four points in order passes (positive control)."""
    for folder, content in (("bad", points), ("good", random_points(bytes(32), 4))):
        side = parties(tmp_path / folder, ring_of(2))["vitals"]
        declared, messages = forged(tmp_path / folder / "forged", "heart", content)
        side.agree([declared, side.prepare(given_of(ALL, {1, 2})["vitals"])])

        def raise_it(side: Party = side, messages: list[bytes] = messages) -> Receipt:
            for sent in messages:
                side.receive(sent)
            return side.raise_set("heart")

        if folder == "good":
            assert raise_it().party == "vitals"
        else:
            with pytest.raises(AlignmentError, match=message):
                raise_it()


def declared_of(origin: str, **change: object) -> Declared:
    return dataclasses.replace(Declared(origin, 5, "d", "rules", "pepper"), **change)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ([declared_of("heart")], "no declaration of identifiers from vitals"),
        ([declared_of("heart"), declared_of("heart")], "heart declared its identifiers twice"),
        ([declared_of("heart"), declared_of("other")], "'other' takes no part"),
        ([declared_of("heart"), declared_of("vitals", size=101)], "vitals declares 101 identifiers: expected 1 to 100"),
        ([declared_of("heart", size=0), declared_of("vitals")], "heart declares 0 identifiers"),
        ([declared_of("heart"), declared_of("vitals", pepper="x")], "vitals and heart have different pepper"),
        ([declared_of("heart"), declared_of("vitals", rules="x")], "vitals and heart have different rules of normalis"),
    ],
)
def test_declarations_that_do_not_fit(declared: list[Declared], message: str) -> None:
    assert set(agreed(ring_of(2), [declared_of("vitals"), declared_of("heart")])) == {"heart", "vitals"}
    with pytest.raises(AlignmentError, match=message):
        agreed(ring_of(2), declared)


@pytest.mark.parametrize("data", [b"", b"{}", b"[1]", declared_of("a").encode().replace(b"5", b"true")])
def test_bytes_that_are_no_declaration(data: bytes) -> None:
    assert Declared.decode(declared_of("a").encode()) == declared_of("a")
    with pytest.raises(AlignmentError, match="a message of an alignment lacks one of origin, size"):
        Declared.decode(data)


def test_declarations_are_pinned(two: dict[str, Party], tmp_path: Path) -> None:
    declared = [two[name].prepare(given) for name, given in given_of(ALL, {1, 2}).items()]
    two["heart"].agree(declared)  # the same again
    with pytest.raises(AlignmentError, match="a party declares another set than before"):
        two["heart"].agree([declared[0], dataclasses.replace(declared[1], digest="0" * 64)])
    with pytest.raises(AlignmentError, match="the others have another declaration of heart than it made"):
        two["heart"].agree([dataclasses.replace(declared[0], size=8), declared[1]])


def test_different_peppers_and_rules_are_found_before_anything_is_raised(tmp_path: Path) -> None:
    for given in (Given(("1",), bytes(16), RULES), Given(("1",), PEPPER, Normalisation())):
        sides = parties(tmp_path / str(given.rules.prefixes) / given.pepper.hex(), ring_of(2))
        with pytest.raises(AlignmentError, match="vitals and heart have different"):
            declare(sides, {"heart": Given(("1",), PEPPER, RULES), "vitals": given})


def test_steps_out_of_turn(tmp_path: Path) -> None:
    sides, given = parties(tmp_path, ring_of(2)), given_of(ALL, {1, 2})
    with pytest.raises(AlignmentError, match="heart has not blinded its identifiers yet"):
        next(sides["heart"].messages("heart"))
    sides["heart"].prepare(given["heart"])
    sides["vitals"].prepare(given["vitals"])
    message = next(sides["heart"].messages("heart"))
    with pytest.raises(AlignmentError, match="vitals has not checked what the parties declare yet"):
        sides["vitals"].receive(message)
    declare(sides, given)
    with pytest.raises(AlignmentError, match="the set of heart has not arrived at vitals yet"):
        sides["vitals"].raise_set("heart")
    with pytest.raises(AlignmentError, match="vitals has not raised the set of heart yet"):
        next(sides["vitals"].messages("heart"))
    with pytest.raises(AlignmentError, match="heart does not raise its own set twice"):
        sides["heart"].raise_set("heart")
    with pytest.raises(AlignmentError, match="the set of heart has not arrived at heart yet"):
        sides["heart"].compare([])
    with pytest.raises(AlignmentError, match="vitals does not compare: heart does"):
        sides["vitals"].compare([])


def test_positions_that_cannot_be(tmp_path: Path) -> None:
    ring, given = ring_of(2), given_of(ALL, {1, 2}, padding=10)
    sides = parties(tmp_path, ring)
    positions = sides["heart"].compare(exchange(sides, ring, given))["heart"]
    order = sides["heart"]._own.order()
    padding = np.flatnonzero(order >= len(ALL))[:1].astype("<u4").tobytes()
    for message, text in (
        (positions[:-1], "positions of 7 bytes: expected 4 for each"),
        (positions[:4] * 2, "positions for heart repeat, or lie beyond its set"),
        (b"\x0a\0\0\0", "positions for heart repeat, or lie beyond its set"),
        (padding, "padding is said to be in common"),
    ):
        with pytest.raises(AlignmentError, match=text):
            sides["heart"].accept(given["heart"], message)
    assert len(sides["heart"].accept(given["heart"], positions).rows) == 2


def test_receipts_whose_ends_do_not_meet(tmp_path: Path) -> None:
    ring, given = ring_of(3), given_of(ALL, {1, 2}, {2, 3})
    sides = parties(tmp_path, ring)
    receipts = exchange(sides, ring, given)
    declared, returned = sides["heart"]._declared(), sides["heart"]._check_arrived("heart")
    check_receipts(ring, declared, receipts, returned)
    for number, one in enumerate(receipts):
        rest = receipts[:number] + receipts[number + 1 :]
        with pytest.raises(AlignmentError, match=f"no receipt from {one.party} for the set of {one.origin}"):
            check_receipts(ring, declared, rest, returned)
        changed = dataclasses.replace(one, received="0" * 64)
        with pytest.raises(AlignmentError, match=rf"the set of {one.origin} changed between \w+ and {one.party}"):
            check_receipts(ring, declared, [*rest, changed], returned)
    with pytest.raises(AlignmentError, match="the set of heart changed between laboratory and heart"):
        check_receipts(ring, declared, receipts, "0" * 64)


def test_a_folder_of_another_run_or_party_or_a_damaged_one(tmp_path: Path) -> None:
    parties(tmp_path, ring_of(2))
    for lineage, name in (("run-2", "heart"), ("run-1", "vitals")):
        with pytest.raises(AlignmentError, match="holds an alignment of another run or party"):
            Party(tmp_path / "heart", ring_of(2, lineage=lineage), name)
    for text in ("", "[]", '["run-1", "heart", "00", "00", "00"]', '["run-1", "heart", 1, 2, 3]'):
        (tmp_path / "heart" / "secret.json").write_text(text)
        with pytest.raises(AlignmentError, match=r"secret\.json is damaged: remove its folder"):
            Party(tmp_path / "heart", ring_of(2), "heart")


def test_rings_that_cannot_be() -> None:
    for names, text in ((("a",), "expected two"), (("a", "a"), "expected two"), (("b", "c"), "a is none of b, c")):
        with pytest.raises(AlignmentError, match=text):
            Ring("run", names, "a")
    for most, batch in ((0, 1), (2**31, 1), (1, 0)):
        with pytest.raises(AlignmentError, match="in batches of"):
            Ring("run", ("a", "b"), "a", most=most, batch=batch)
    with pytest.raises(AlignmentError, match="padding to a multiple of 0"):
        Given(("a",), PEPPER, padding=0)


@pytest.mark.parametrize("count", [2, 3, 4])
@pytest.mark.parametrize("holder", [0, 1])
def test_every_set_is_raised_by_every_party_once_and_ends_at_the_label_holder(count: int, holder: int) -> None:
    ring = ring_of(count, holder)
    for origin in ring.parties:
        route = ring.route(origin)
        raises = route[:-1] if origin == ring.label_holder else route
        assert sorted(raises) == sorted(ring.parties) and route[0] == origin and route[-1] == ring.label_holder
        assert [ring.next(origin, name) for name in raises] == [*route[1:], None][: len(raises)]
        assert [ring.hop(origin, name) for name in route[1:]] == list(range(1, len(route)))
