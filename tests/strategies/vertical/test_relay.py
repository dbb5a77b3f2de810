"""The relay of vertical runs: real parties on the virtual clock, faults, restarts, envelopes that it cannot open."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from flwr.app import Message

from client_app.vertical import models
from client_app.vertical.actions.alignment import common_rows
from crossward.config.run_config import RunConfig
from crossward.ledger.file import FILE_NAME, read_heads, verify
from crossward.ledger.lines import read_line
from crossward.ledger.vertical_events import PartyAbsent, StepDone, StepFailed
from crossward.ledger.vertical_state import VerticalState, fold_vertical
from crossward.protocol.vertical.messages import APPROACH, COMBINE, REPRESENT, Answer, Done, Work
from crossward.protocol.vertical.program import program
from crossward.protocol.vertical.wire import read_answer, write_answer
from server_app.run_folder import RunFolder
from strategies.history.journal import MemoryJournal
from strategies.history.state import RunError
from tests.vertical_runs import NAMES, PASSING, SETTINGS, Consortium, own_tables, table

Do = Callable[[], Answer]


def passing(root: Path, **more: object) -> Consortium:
    """A consortium whose parties only pass envelopes on."""
    return Consortium(root, actions=PASSING, **more)  # type: ignore[arg-type]


def test_three_parties_align_train_and_distil(tmp_path: Path) -> None:
    journal = MemoryJournal("lineage")
    state = Consortium(tmp_path).run(journal)
    assert state.finished == "all steps are done"
    found = state.reported("finish")["hospital"]
    assert float(found["auroc"]) > 0.85 > float(found["alone auroc"])
    assert state.reported("pin")["clinic"]["common patients"] == 120
    assert state.messages < 60
    relayed = b"".join(bytes(payload.data) for _, payload in journal.payloads.values())
    assert b"MRN" not in relayed and b"numpy" not in relayed.lower()  # arrays and points are sealed
    assert state == fold_vertical(map(read_line, journal.events()))
    for name in NAMES:
        assert list((tmp_path / "lineage" / name).glob("student-*.npz"))


def test_every_party_gets_what_was_addressed_to_it_in_the_step_before(tmp_path: Path) -> None:
    state = passing(tmp_path).run()
    steps = {step.action: step.number for step in program(RunConfig.read(SETTINGS).vertical, 3)}
    got = {(event.action, event.party): event.values[0] for event in state.done.values()}
    assert got[COMBINE, "hospital"] == repr({"embeddings": ["clinic", "laboratory"]})
    assert got[APPROACH, "clinic"] == repr({"targets": ["hospital"]})
    assert got["distil", "laboratory"] == repr({"predictions": ["hospital"]})
    assert state.done[steps[REPRESENT], "clinic"].receivers == ("hospital", "hospital")


def test_a_step_goes_on_without_a_party_that_is_away_and_uses_what_it_sent_before(tmp_path: Path) -> None:
    def act(name: str, work: Work, do: Do) -> Answer:
        if name == "clinic" and work.action == APPROACH:
            raise RuntimeError("no power")
        return do()

    seen: list[object] = []
    state = passing(tmp_path, act=act).run(observers=[lambda event, _: seen.append(event)])
    assert state.finished
    assert [event.party for event in seen if isinstance(event, PartyAbsent)] == ["clinic"]
    assert len([event for event in seen if isinstance(event, StepFailed)]) == 3
    assert state.done[9, "hospital"].action == "finish"
    assert state.done[9, "hospital"].values == (repr({"embeddings": ["clinic", "laboratory"]}),)


def test_a_party_that_leaves_for_good_delays_a_step_by_max_wait(tmp_path: Path) -> None:
    made = passing(tmp_path, settings={"vertical.max-wait": 300.0, "vertical.distil": False})
    away: list[float] = []

    def act(name: str, work: Work, do: Do) -> Answer:
        if work.action == APPROACH and name == "laboratory":
            nodes[3].leaves = 0.0
        return do()

    made.act = act
    nodes = made.nodes()

    def observe(event: object, _: VerticalState) -> None:
        if isinstance(event, PartyAbsent):
            away.append(event.seconds)

    assert made.run(nodes=nodes, observers=[observe]).finished
    assert len(away) == 1 and away[0] >= 300.0


def test_a_step_that_needs_all_parties_ends_the_run_with_the_party_s_own_reason(tmp_path: Path) -> None:
    def act(name: str, work: Work, do: Do) -> Answer:
        if name == "clinic" and work.action == REPRESENT:
            raise RuntimeError("the disk is full")
        return do()

    with pytest.raises(RunError, match=r"clinic cannot do step 6 \(represent\): RuntimeError: the disk is full"):
        passing(tmp_path, act=act).run()


def test_a_party_that_restarts_answers_from_its_record(tmp_path: Path) -> None:
    did: list[tuple[str, str]] = []
    lost: list[str] = []

    def counted(party: object, turn: object) -> None:
        did.append((party.keys.name, turn.work.action))  # type: ignore[attr-defined]
        PASSING["represent"](party, turn)  # type: ignore[arg-type]

    def fault(node: int, message: Message, reply: Message) -> list[tuple[float, Message]]:
        answer = read_answer(reply.content)
        if isinstance(answer, Done) and answer.step == 6 and answer.party not in lost:
            lost.append(answer.party)
            return []  # every first answer is lost on its way
        return [(0.0, reply)]

    made = Consortium(tmp_path, actions=dict.fromkeys(PASSING, counted), settings={"strategy.task-timeout": 60.0})
    state = made.run(fault=fault)
    assert state.finished and sorted(lost) == sorted(NAMES)
    assert sorted(party for party, action in did if action == REPRESENT) == sorted(NAMES)


def test_a_run_is_resumed_at_the_step_where_it_stood(tmp_path: Path) -> None:
    stopped = {"now": True}

    def act(name: str, work: Work, do: Do) -> Answer:
        if work.action == COMBINE and stopped["now"]:
            raise RuntimeError("stopped")
        return do()

    made = passing(tmp_path / "parties", act=act)
    given = dict(SETTINGS)
    folder = RunFolder.create(tmp_path / "run", given, None)
    with pytest.raises(RunError, match="stopped"):
        made.run(folder)
    folder.close()
    stopped["now"] = False
    again = RunFolder.resume(tmp_path / "run", given)
    asked: list[str] = []
    state = made.run(again, observers=[lambda event, _: asked.append(getattr(event, "action", ""))])
    again.close()
    assert state.finished and state.sessions == 2
    assert "represent" not in asked and "blind" not in asked


def test_a_changed_envelope_is_refused_by_relay_and_receiver(tmp_path: Path) -> None:
    def changed(node: int, message: Message, reply: Message) -> list[tuple[float, Message]]:
        answer = read_answer(reply.content)
        if isinstance(answer, Done) and answer.outbox and answer.step == 6:
            first = answer.outbox[0]
            data = bytes([first.data[0] ^ 1]) + first.data[1:]
            reply.content = write_answer(replace(answer, outbox=(first._replace(data=data), *answer.outbox[1:])))
        return [(0.0, reply)]

    with pytest.raises(RunError, match="is not signed by 'clinic'"):
        passing(tmp_path / "relay").run(fault=changed)
    journal = MemoryJournal("lineage")

    def tampers(event: object, state: VerticalState) -> None:
        if isinstance(event, StepDone) and event.step == 6:  # the aggregator changes what it keeps
            for name, (facts, payload) in list(journal.payloads.items()):
                if name.startswith("steps/006"):
                    data = bytes([bytes(payload.data)[0] ^ 1]) + bytes(payload.data)[1:]
                    journal.payloads[name] = (facts, type(payload)(payload.heads, data))

    with pytest.raises(RunError, match="is not signed by its sender"):
        passing(tmp_path / "receiver").run(journal, observers=[tampers])


def test_data_that_changed_since_the_alignment_are_refused(tmp_path: Path) -> None:
    made = Consortium(tmp_path)

    def act(name: str, work: Work, do: Do) -> Answer:
        if work.action == REPRESENT and name == "laboratory":
            made.data["laboratory"] = table("laboratory", range(100, 200))
        return do()

    made.act = act
    with pytest.raises(RunError, match=r"laboratory cannot do step 6 .*data have changed since the run aligned"):
        made.run()


def test_too_large_a_set_and_too_few_common_patients_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"hospital has 160 identifiers .* 150 at most"):
        Consortium(tmp_path / "large", settings={"vertical.most-patients": 150}).run()
    few = own_tables() | {"clinic": table("clinic", [*range(100, 110), *range(600, 700)])}
    with pytest.raises(RunError, match=r"have 10 patients in common, fewer than 20.*`crossward data check party.toml`"):
        Consortium(tmp_path / "few", data=few).run()


def test_the_number_of_common_patients_alone(tmp_path: Path) -> None:
    state = Consortium(tmp_path, settings={"vertical.cardinality-only": True}).run()
    assert state.reported("match")["hospital"] == {"common patients": 120.0}
    assert not list(tmp_path.rglob("common.npy")) and state.finished


@pytest.mark.parametrize(("without", "said"), [(NAMES, "none of them has one"), ((), "clinic, hospital have one")])
def test_exactly_one_party_has_the_outcome(tmp_path: Path, without: tuple[str, ...], said: str) -> None:
    data = own_tables()
    outcome = data["hospital"].outcome
    data |= {name: replace(data[name], outcome=None) for name in without}
    if not without:
        assert outcome is not None
        data["clinic"] = replace(data["clinic"], outcome=outcome[: len(data["clinic"].patients)])
    with pytest.raises(RunError, match=said):
        passing(tmp_path, data=data).run()


def test_encrypted_forward_trains_on_products_that_the_label_holder_alone_sees(tmp_path: Path) -> None:
    journal = MemoryJournal("lineage")
    settings = {"vertical.protection": "encrypted-forward", "vertical.distil": False}
    state = Consortium(tmp_path, settings=settings).run(journal)
    found = state.reported("finish")["hospital"]
    assert float(found["auroc"]) > 0.8 > float(found["alone auroc"])
    holder, clinic = tmp_path / "lineage" / "hospital", tmp_path / "lineage" / "clinic"
    assert not (holder / "forward.key").exists() and (clinic / "forward.key").stat().st_mode & 0o077 == 0
    with np.load(holder / "blocks.npz") as products, np.load(holder / "products-1.npz") as exact:
        assert products["clinic"].shape == (120, 2)
        party = Consortium(tmp_path, settings=settings).party("clinic", "lineage")
        made = models.bottom(party)
        h = made.embed(common_rows(party)).astype(np.float64)
        reached = np.linalg.lstsq(h, exact["clinic"], rcond=None)[1]  # the products are of the embeddings, exactly
    assert np.sqrt(reached / 120).max() < 1e-3


def test_what_returns_to_other_parties_follows_from_randomised_outcomes(tmp_path: Path) -> None:
    Consortium(tmp_path, settings={"vertical.label-epsilon": 1.0}).run()
    holder = tmp_path / "lineage" / "hospital"
    with np.load(holder / "randomised-outcomes.npz") as found:
        changed = (found["outcomes"] != own_tables()["hospital"].outcome).mean()
    assert 0.1 < changed < 0.45  # 27 % of outcomes, at an epsilon of 1
    assert len(list(holder.glob("shown-*.npz"))) == 2 and len(list(holder.glob("joint-*.npz"))) == 1


def test_encrypted_forward_stops_before_its_products_tell_the_embeddings(tmp_path: Path) -> None:
    settings = {"vertical.protection": "encrypted-forward", "vertical.exchanges": 2}
    with pytest.raises(RunError, match="would open 4 of 4 dimensions of the embeddings, and 2 are allowed"):
        Consortium(tmp_path, settings=settings).run()


def test_parties_keep_the_heads_of_the_ledger_that_they_were_sent(tmp_path: Path) -> None:
    given = dict(SETTINGS)
    folder = RunFolder.create(tmp_path / "run", given, None)
    passing(tmp_path / "parties").run(folder)
    folder.close()
    for name in NAMES:
        heads = list(read_heads(tmp_path / "parties" / folder.lineage / name / "heads.jsonl"))
        assert len(heads) > 5
        verify(tmp_path / "run" / FILE_NAME, heads)
