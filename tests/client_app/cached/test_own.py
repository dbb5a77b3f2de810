"""A node's own cache is what the sum of all holds of it, whatever became of its updates."""

from __future__ import annotations

import numpy as np

from client_app.cached.own import KEPT, OwnCache
from crossward.config.variance_reduction import FADE, PACE
from crossward.protocol.messages import Included

Q = np.array([1, -2, 3], dtype=np.int8)
BUFFER, W = 3, 64
GAIN = BUFFER * PACE  # of an update in the sum of caches


def sent(*tasks: int) -> OwnCache:
    own = OwnCache()
    for task in tasks:
        own.send(task, Q * task, epoch=1)
    return own


def test_an_update_counts_from_the_version_that_holds_it() -> None:
    own = sent(1)
    own.advance([Included(1, 7, 20, 0, 1), Included(1, 8, 20, 0, 1)], 1, BUFFER)
    assert own.values is None and own.version == 1
    own.advance([Included(2, 1, 20, 1, 1), Included(2, 9, 20, 1, 1)], 2, BUFFER)
    assert own.values is not None and own.values.tolist() == (Q * 20.0 * GAIN / 2).tolist()


def test_what_was_never_in_a_version_changes_nothing() -> None:
    own = sent(1, 2, 3)
    own.advance([Included(1, 2, 21, 0, 1)], 5, BUFFER)
    assert own.values is not None and own.values.tolist() == (Q * 2.0 * 21 * GAIN).tolist()


def test_a_version_counts_once_however_often_it_is_reported() -> None:
    own = sent(1)
    rows = [Included(1, 1, 21, 0, 1), Included(2, 5, 21, 0, 2)]
    own.advance(rows[:1], 1, BUFFER)
    own.advance(rows, 2, BUFFER)
    own.advance(rows, 2, BUFFER)
    assert own.values is not None and np.allclose(own.values, Q * 21.0 * GAIN * FADE)
    own.advance([Included(9, 5, 21, 0, 2)], 8, BUFFER)  # beyond the version asked for
    assert own.version == 8


def test_it_fades_with_every_block_and_comes_back_when_one_is_taken_back() -> None:
    own = sent(1, 2)
    own.advance([Included(1, 1, 21, 0, 1), Included(2, 2, 21, 0, 2), Included(3, 5, 21, 0, 3)], 3, BUFFER)
    first, second = Q * 21.0 * GAIN, Q * 42.0 * GAIN
    assert own.values is not None and np.allclose(own.values, FADE * (FADE * first + second))
    back = [Included(4, 5, -21, 0, 3), Included(5, 2, -21, 0, 2)]
    own.advance(back, 5, BUFFER)
    assert np.allclose(own.values, FADE * first)
    own.advance([Included(6, 2, 21, 0, 2)], 6, BUFFER)
    assert np.allclose(own.values, FADE * first + second)


def test_an_update_that_waits_is_expected_at_a_fair_share() -> None:
    own = sent(1, 2)
    own.advance([Included(1, 1, 21, 0, 1)], 1, BUFFER)
    assert own.values is not None
    assert own.expected((1,), W) is own.values  # it is in a version already
    expected = own.expected((2,), W)
    assert expected is not None and np.allclose(expected, own.values + Q * 2.0 * W / 2 * PACE)
    assert OwnCache().expected((5,), W) is None


def test_only_the_newest_are_kept() -> None:
    own = sent(*range(1, KEPT + 4))
    assert sorted(own.sent) == sorted(own.epochs) == list(range(4, KEPT + 4))
    own.advance([Included(1, 1, 21, 0, 1)], 1, BUFFER)  # too old to be known: not counted
    assert own.values is None
