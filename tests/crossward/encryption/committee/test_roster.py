"""What follows from a roster: who holds which part of a mask, how many consent, answer and may be absent."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from crossward.encryption.committee.roster import Roster, RosterError

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
    crowd = {f"n{number}": f"{number:064x}" for number in range(20_000)}
    with pytest.raises(RosterError, match=r"^.{,120} has too many subsets .at most 128.: use a smaller one$"):
        Roster(crowd, tuple(crowd), 10_000)


def test_a_hospitals_name_is_found_by_its_identity_key() -> None:
    made = roster(4, 2)
    assert [made.name_of(made.identity(name)) for name in made.hospitals] == list(made.hospitals)
    with pytest.raises(RosterError, match=r"no hospital in roster [0-9a-f]{16} .revision 1. has the identity key 99"):
        made.name_of("99" * 32)


@pytest.mark.parametrize("name", ["", " h", "h ", "h\n", "\x1b[2J", "\ud800", "a\u202eb", "h" * 65])
def test_a_name_that_would_steer_a_terminal_or_look_like_another_is_refused(name: str) -> None:
    with pytest.raises(RosterError, match="is not a hospital's name: expected 1 to 64 printable characters") as refused:
        replace(roster(4, 2), hospitals={**HEX, name: "99" * 32})
    assert str(refused.value).isprintable()
