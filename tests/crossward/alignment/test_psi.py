"""The protocol finds what a plain intersection finds, in one order at all parties, whatever was interrupted."""

from __future__ import annotations

import stat
import tempfile
from pathlib import Path

import pytest
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st

from crossward.alignment import AlignmentError, Given, Party, Receipt
from crossward.alignment.points import POINT_BYTES, raised
from tests.crossward.alignment.run import NAMES, PEPPER, align, declare, exchange, given_of, parties, ring_of

SETS = st.lists(st.sets(st.integers(1, 9), min_size=1, max_size=5), min_size=2, max_size=4)


@settings(max_examples=9)
@drawn(SETS, st.integers(0, 3), st.sampled_from([1, 3, 8]))
def test_it_is_the_plain_intersection(sets: list[set[int]], holder: int, padding: int) -> None:
    ring, given = ring_of(len(sets), holder), given_of(*sets, padding=padding)
    with tempfile.TemporaryDirectory() as folder:
        found = align(Path(folder), ring, given)
    common = set.intersection(*sets)
    orders = [[sorted(numbers)[row] for row in found[name].rows] for name, numbers in zip(NAMES, sets, strict=False)]
    assert set(orders[0]) == common and len(orders[0]) == len(common)
    assert all(order == orders[0] for order in orders)
    assert len({one.digest for one in found.values()}) == 1


@settings(max_examples=6)
@drawn(SETS, st.integers(0, 3))
def test_the_number_alone(sets: list[set[int]], holder: int) -> None:
    ring, given = ring_of(len(sets), holder, cardinality=True), given_of(*sets)
    with tempfile.TemporaryDirectory() as folder:
        sides = parties(Path(folder), ring)
        receipts = exchange(sides, ring, given)
        side = sides[ring.label_holder]
        assert side.cardinality(receipts) == len(set.intersection(*sets))
        with pytest.raises(AlignmentError, match="number of common patients alone"):
            side.compare(receipts)


@pytest.mark.parametrize("cardinality", [False, True])
def test_in_number_mode_the_label_holder_cannot_tell_which_of_its_points_are_common(
    tmp_path: Path, cardinality: bool
) -> None:
    """Its own set comes back sorted; otherwise in its own order, by which it finds its patients (positive control)."""
    ring, everyone = ring_of(2, cardinality=cardinality), set(range(1, 33))
    sides, given = parties(tmp_path, ring), given_of(everyone, everyone)
    exchange(sides, ring, given)
    own = b"".join(sides["heart"]._own.points().all())
    back = b"".join(sides["heart"]._arrived("heart").all())
    ordered = raised(own, sides["vitals"]._secret.scalar)
    assert (back == ordered) is not cardinality
    assert (back == b"".join(sorted(split(ordered)))) is cardinality


def split(points: bytes) -> list[bytes]:
    return [points[at : at + POINT_BYTES] for at in range(0, len(points), POINT_BYTES)]


def test_every_step_done_again_gives_the_same_bytes(tmp_path: Path) -> None:
    """A party is killed after any step and started again on its folder, as often as one likes."""
    ring, given = ring_of(3), given_of({1, 2, 3, 4, 5, 6}, {2, 3, 4, 5, 9}, {5, 4, 3, 8})

    def again(name: str) -> Party:
        return Party(tmp_path / name, ring, name, threads=1)

    declared = [again(name).prepare(given[name]) for name in ring.parties]
    assert declared == [again(name).prepare(given[name]) for name in ring.parties]
    receipts: list[Receipt] = []
    for name in ring.parties:
        again(name).agree(declared)
    for origin in ring.parties:
        sender = origin
        for name in ring.route(origin)[1:]:
            for message in again(sender).messages(origin):
                again(name).receive(message)
            assert list(again(sender).messages(origin)) == list(again(sender).messages(origin))
            if name != origin:
                receipts.append(again(name).raise_set(origin))
                assert again(name).raise_set(origin) == receipts[-1]
            sender = name
    positions = again("heart").compare(receipts)
    assert positions == again("heart").compare(receipts)
    assert len({again(name).accept(given[name], positions[name]).digest for name in ring.parties}) == 1


def test_a_set_half_raised_is_completed_with_the_same_bytes(tmp_path: Path) -> None:
    ring, given = ring_of(2), given_of(set(range(1, 12)), {1, 2})
    sides = parties(tmp_path, ring)
    declare(sides, given)
    for message in sides["heart"].messages("heart"):
        sides["vitals"].receive(message)
    first = sides["vitals"].raise_set("heart")
    (tmp_path / "vitals" / "raised-0" / "000001.points").unlink()
    (tmp_path / "vitals" / "raised-0" / "000002.points").write_bytes(b"cut")
    assert sides["vitals"].raise_set("heart") == first


def test_batches_in_any_order_and_twice(tmp_path: Path) -> None:
    ring, given = ring_of(2), given_of(set(range(1, 12)), {1, 2})
    sides = parties(tmp_path, ring)
    declare(sides, given)
    messages = list(sides["heart"].messages("heart"))
    assert len(messages) == 3
    arrived = [sides["vitals"].receive(messages[number]) for number in (2, 0, 0, 1)]
    assert arrived == [None, None, None, "heart"]


def test_scalars_are_fresh_and_kept_to_the_owner(tmp_path: Path) -> None:
    sides = parties(tmp_path, ring_of(3))
    assert len({side._secret.scalar for side in sides.values()}) == 3
    path = tmp_path / "heart" / "secret.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sides["heart"]._secret.scalar.hex() in path.read_text("utf-8")
    assert sides["heart"]._secret.scalar.hex() not in repr(sides["heart"]._secret)


def test_the_folder_holds_no_identifier_and_is_removed_with_the_secret(tmp_path: Path) -> None:
    ring = ring_of(2)
    given = {name: Given(("unmistakable-77", "b"), PEPPER) for name in ring.parties}
    align(tmp_path, ring, given)
    texts = [path.read_bytes().lower() for path in tmp_path.rglob("*") if path.is_file()]
    assert len(texts) > 10 and not any(b"unmistakable" in text for text in texts)
    Party(tmp_path / "heart", ring, "heart").forget()
    assert not (tmp_path / "heart").exists()


def test_patients_who_changed_since_are_refused(tmp_path: Path) -> None:
    ring, given = ring_of(2), given_of({1, 2, 3}, {2, 3})
    sides = parties(tmp_path, ring)
    positions = sides["heart"].compare(exchange(sides, ring, given))
    for changed in (given_of({1, 2, 4}, {2, 3}), given_of({1, 2, 3}, {2, 3}, padding=5)):
        with pytest.raises(AlignmentError, match="have changed since the alignment began: restore them"):
            sides["heart"].accept(changed["heart"], positions["heart"])


def test_decoys_come_out_as_common_without_a_row(tmp_path: Path) -> None:
    ring = ring_of(2)
    given = {
        "heart": Given(("7", "8", "9"), PEPPER),
        "vitals": Given(("1", "9"), PEPPER, decoys=("0008", "5", "9", "--")),  # 9 is a patient after all
    }
    found = align(tmp_path, ring, given)
    assert sorted(found["heart"].rows) == [1, 2] and sorted(found["vitals"].rows) == [-1, 1]
    assert found["heart"].digest == found["vitals"].digest


def test_patients_merged_are_known_by_their_first_row(tmp_path: Path) -> None:
    ring = ring_of(2)
    given = {"heart": Given(("", "A-1", "a1", "b"), PEPPER, merge=True), "vitals": Given(("x", "a 1"), PEPPER)}
    found = align(tmp_path, ring, given)
    assert list(found["heart"].rows) == [1] and list(found["vitals"].rows) == [1]


@pytest.mark.parametrize("padding", [1, 10, 64])
def test_padding_hides_sizes_up_to_its_multiple(tmp_path: Path, padding: int) -> None:
    """Without padding the number of patients is what travels (positive control)."""
    sides = parties(tmp_path, ring_of(2))
    given = given_of(set(range(1, 10)), set(range(1, 8)), padding=padding)
    sizes = [sides[name].prepare(given[name]).size for name in sides]
    assert sizes == {1: [9, 7], 10: [10, 10], 64: [64, 64]}[padding]
    points = split(b"".join(sides["heart"]._own.points().all()))
    assert len(set(points)) == sizes[0]


def test_nobody_in_common_is_an_empty_result(tmp_path: Path) -> None:
    found = align(tmp_path, ring_of(2), given_of({1, 2}, {3}))
    assert all(len(one.rows) == 0 for one in found.values())
    assert found["heart"].digest == found["vitals"].digest
