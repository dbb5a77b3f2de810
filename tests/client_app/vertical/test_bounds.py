"""What a lying aggregator cannot ask of a party: other steps, parties or settings than those the run began with."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from client_app.vertical import party as of_party
from client_app.vertical.errors import PartyError
from client_app.vertical.party import Party, Turn
from crossward.protocol.messages import Head
from crossward.protocol.vertical.messages import APPROACH, BLIND, COMBINE, MATCH, PIN, REPRESENT, Done, Work
from tests.vertical_runs import NAMES, PASSING, Consortium

ONE_SHOT = {"vertical.exchanges": 0, "vertical.distil": False}


def asked(made: Consortium, step: int, action: str, round_: int = 0) -> Work:
    """The work of an aggregator that passes on no envelopes."""
    parties = tuple(made.party(name, "lineage").introduce() for name in NAMES)
    return Work("lineage", 1, step, action, round_, Head(0, ""), parties=parties)


def consortium(root: Path, **settings: Any) -> Consortium:
    return Consortium(root, ONE_SHOT | settings, actions=PASSING)


@pytest.mark.parametrize(
    ("settings", "name", "asks", "message"),
    [
        ({}, "hospital", (7, COMBINE, 1), "in this run's program that step is finish 0"),  # targets tell outcomes
        ({}, "clinic", (8, REPRESENT), "this run's program has 8 steps"),  # the same embeddings, noised anew
        ({"vertical.exchanges": 1}, "clinic", (8, APPROACH, 2), "that step is approach 1"),  # as if of another round
        ({"vertical.protection": "encrypted-forward", "vertical.exchanges": 1}, "clinic", (6, REPRESENT), "is seal 0"),
        ({"vertical.cardinality-only": True}, "clinic", (5, PIN), "this run's program has 5 steps"),
        ({}, "clinic", (4, MATCH), "that step is for label holder"),
    ],
)
def test_a_step_that_is_not_the_program_s_is_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, Any],
    name: str,
    asks: tuple[int, str],
    message: str,
) -> None:
    made = consortium(tmp_path, **settings)
    with pytest.raises(PartyError, match=message):
        made.party(name, "lineage").act(asked(made, *asks))
    assert not (tmp_path / "lineage" / name / "steps").exists()
    monkeypatch.setattr(of_party, "check_step", lambda *given: None)
    assert isinstance(made.party(name, "lineage").act(asked(made, *asks)), Done)  # no other check would stop it


@pytest.mark.parametrize(
    ("lie", "message"),
    [
        (lambda parties: parties[:2], "names 2 parties, expected 3"),  # an intersection of two, without the third
        (lambda parties: parties[::-1], "in the order of their names"),
        (lambda parties: (*parties, parties[0]), "names 4 parties, expected 3"),
        (lambda parties: parties[1:], "does not pass on this party's introduction"),
        (lambda parties: (replace(parties[0], outcome=True), *parties[1:]), "does not pass on this party's"),
    ],
)
def test_other_parties_are_refused(tmp_path: Path, lie: Callable[[Any], Any], message: str) -> None:
    made = consortium(tmp_path)
    work = asked(made, 1, BLIND)
    with pytest.raises(PartyError, match=message):
        made.party("clinic", "lineage").act(replace(work, parties=lie(work.parties)))
    assert isinstance(made.party("clinic", "lineage").act(work), Done)


def test_settings_stay_those_that_the_run_began_with(tmp_path: Path) -> None:
    noised = {"vertical.protection": "noised", "vertical.epsilon": 2.0}
    began = consortium(tmp_path, **noised)
    began.party("clinic", "lineage").act(asked(began, 1, BLIND))

    def later(**changed: Any) -> Party:
        one = began.party("clinic", "lineage")
        return replace(one, config=consortium(tmp_path / "other", **noised | changed).config)

    work = asked(began, 2, "raise", 1)
    for key, value in {"vertical.epsilon": 8.0, "vertical.exchanges": 9, "run.seed": 5, "privacy.delta": 1e-3}.items():
        with pytest.raises(PartyError, match=rf"with other settings: {key} \(.*, now {value}\)"):
            later(**{key: value}).act(work)
    assert isinstance(later(**{"vertical.max-wait": 5.0, "node.threads": 1}).act(work), Done)
    (tmp_path / "lineage" / "clinic" / "party.json").write_text("{")
    with pytest.raises(PartyError, match=r"party.json cannot be read"):
        later().act(asked(began, 3, "raise", 2))


def test_a_step_that_is_asked_twice_at_once_is_done_once(tmp_path: Path) -> None:
    began, go, did = threading.Event(), threading.Event(), []

    def slow(party: Party, turn: Turn) -> None:
        did.append(turn.work.task)
        began.set()
        go.wait(10)
        turn.mail.send(turn.holder, "embeddings", [b"noised anew"])

    made = consortium(tmp_path)
    made.actions = dict.fromkeys(PASSING, slow)
    work, answers = asked(made, 6, REPRESENT), []
    threads = [
        threading.Thread(target=lambda: answers.append(made.party("clinic", "lineage").act(work))) for _ in range(2)
    ]
    threads[0].start()
    assert began.wait(10)
    threads[1].start()
    go.set()
    for thread in threads:
        thread.join(10)
    assert len(did) == 1 and len(answers) == 2
    assert answers[0].outbox == answers[1].outbox
