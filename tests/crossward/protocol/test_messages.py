"""Every kind of task has what does it at a node, what answers it, and what becomes of the answer."""

from __future__ import annotations

from typing import get_args

import pytest

from client_app.committee.seat import Seat
from client_app.node import Node
from crossward.protocol.messages import KINDS, Failure, Reply
from strategies.exchange import reception


@pytest.mark.parametrize("name", KINDS)
def test_a_kind_is_done_answered_and_taken(name: str) -> None:
    kind = KINDS[name]
    assert name.partition(".")[0] in ("train", "evaluate", "query")  # Flower's categories
    assert callable(getattr(Seat if kind.beside else Node, kind.act))
    assert kind.reply in reception._TAKES
    assert kind.doing


def test_every_reply_answers_something() -> None:
    assert {Failure, *(kind.reply for kind in KINDS.values())} == set(get_args(Reply)) == set(reception._TAKES)
