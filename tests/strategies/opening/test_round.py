"""Who is asked for which subsets: as few members as can open a version, with as much work as the others."""

from __future__ import annotations

import itertools

import pytest

from crossward.encryption.committee.roster import Roster
from strategies.opening.round import share_out


def roster(size: int, threshold: int) -> Roster:
    names = [f"h{number}" for number in range(size)]
    return Roster({name: f"{number:064x}" for number, name in enumerate(names)}, tuple(names), threshold)


@pytest.mark.parametrize(("size", "threshold"), [(2, 1), (3, 1), (4, 1), (3, 2), (4, 2), (5, 3), (7, 4)])
def test_as_few_members_as_can_share_the_work_evenly(size: int, threshold: int) -> None:
    made = roster(size, threshold)
    subsets = range(len(made.subsets))
    for members in itertools.islice(itertools.permutations(made.committee), 0, None, 7):
        parts = share_out(made, subsets, members)
        assert set(parts) <= set(members[: made.openers])
        assert sorted(subset for part in parts.values() for subset in part) == list(subsets)
        assert all(set(part) <= set(made.held(member)) for member, part in parts.items())
        assert max(map(len, parts.values())) <= 1.5 * len(subsets) / made.openers + 1


def test_with_too_few_members_subsets_that_none_of_them_holds_are_left_out() -> None:
    made = roster(4, 2)
    parts = share_out(made, range(6), ["h0", "h1"])
    assert sorted(subset for part in parts.values() for subset in part) == [0, 1, 2, 3, 4]
    assert made.subsets[5] == ("h2", "h3")
