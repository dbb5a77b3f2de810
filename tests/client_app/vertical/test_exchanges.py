"""A label holder, or an aggregator, that wants more of embeddings than a run gives, or less."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from client_app.vertical.party import Party, Turn
from client_app.vertical.registry import action_of
from crossward.protocol.vertical.messages import FINISH, GRADIENT, MASKED_PRODUCT, OPEN, Answer, Work
from strategies.history.state import RunError
from tests.vertical_runs import PASSING, Consortium


def test_a_label_holder_has_no_second_product_opened_with_the_gradient(tmp_path: Path) -> None:
    def greedy(party: Party, turn: Turn) -> None:
        for other in turn.others:
            turn.mail.send(other, MASKED_PRODUCT, [b"of any weights"])

    actions = PASSING | {GRADIENT: greedy, OPEN: action_of(OPEN)}
    with pytest.raises(RunError, match=r"cannot do step 8 .*masked-product in a step that opens masked-gradient"):
        Consortium(tmp_path, {"vertical.protection": "encrypted-forward"}, actions=actions).run()


def test_a_party_whose_embeddings_the_aggregator_holds_back_is_missed(tmp_path: Path) -> None:
    def omits(name: str, work: Work, do: Callable[[], Answer]) -> Answer:
        if work.action != FINISH:
            return do()
        inbox = tuple(one for one in work.inbox if one.sender != "clinic")
        return made.party(name, "lineage").act(replace(work, inbox=inbox))

    made = Consortium(tmp_path, {"vertical.exchanges": 0, "vertical.distil": False}, act=omits)
    with pytest.raises(RunError, match="passes on no embeddings of clinic"):
        made.run()
