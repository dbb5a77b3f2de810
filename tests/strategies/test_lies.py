"""Claims that a hospital signs and that cannot be: clamped or refused, in the ledger's sight; a state not agreed on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from flwr.app import Message

from client_app.identity import sign
from crossward.ledger.lines import read_line
from crossward.ledger.state import fold
from crossward.protocol.measures import Measure
from crossward.protocol.messages import Evaluation, Update
from crossward.protocol.wire import read_reply, read_task, write_reply
from crossward.simulation.toy import toy_identity

Outcome = list[tuple[float, Message]]


def lies(change: Callable[[Update], dict[str, Any]], since: int = 0) -> Callable[..., Outcome]:
    """Node 4 says what ``change`` says, from version ``since`` on, and signs it."""

    def fault(who: int, message: Message, reply: Message) -> Outcome:
        update = read_reply(reply.content)
        if who != 4 or not isinstance(update, Update) or update.version < since:
            return [(0.0, reply)]
        changed = sign(replace(update, **change(update)), toy_identity(4))
        return [(0.0, Message(content=write_reply(changed), reply_to=message))]

    return fault


CLAMPED = [
    ("compute_seconds", {"compute_seconds": 1e9}),
    ("mean loss", lambda u: {"loss_sum": 99.0 * u.num_tokens}),
    ("num_tokens", lambda u: {"num_tokens": 1 << 60, "loss_sum": 0.1 * (1 << 60)}),
    ("num_examples", lambda u: {"num_examples": 1000 * u.num_examples}),
]


@pytest.mark.parametrize(("name", "change"), CLAMPED)
@pytest.mark.parametrize("weighting", ["paper", "examples", "corrected"])
def test_a_claim_out_of_bounds_is_clamped_in_the_ledgers_sight_and_buys_at_most_max_share(
    federation: Any, weighting: str, name: str, change: Any
) -> None:
    printed = change if callable(change) else lambda update: change
    f = federation(compute=(1, 1, 1, 1), versions=8, weighting=weighting, fault=lies(printed, since=2))
    f.start()
    accepted = [line for line in f.lines("accepted") if line["node"] == "4" and line["version"] >= 2]
    assert accepted and all(any(name in words for words in line["clamped"]) for line in accepted)
    assert not any("clamped" in line for line in f.lines("accepted") if line["node"] != "4")
    shares = [w for line in f.made() for w, s in zip(line["weights"], line["sites"], strict=True) if s == "toy-3"]
    assert shares and max(shares) <= 58  # 0.45 of 128, rounded up
    f.check_accounts()
    f.check_agreement()
    f.check_residuals()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda u: {"steps": u.steps + 1}, "6 steps were made, train.local-steps allows 5"),
        (lambda u: {"loss_sum": 1e9 * u.num_tokens}, "nats a token is beyond 100"),
        (lambda u: {"num_tokens": 0}, "tokens"),
        (lambda u: {"version": u.version + 1}, "version is"),
    ],
)
def test_what_cannot_be_at_all_is_refused_with_its_reason_and_told(federation: Any, change: Any, reason: str) -> None:
    reported: list[str] = []
    lie = lies(change)

    def fault(who: int, message: Message, reply: Message) -> Outcome:
        if who == 4:
            reported.append(read_task(message.content).refused)
        return lie(who, message, reply)

    f = federation(compute=(1, 1, 1, 1), versions=6, fault=fault)
    f.start()
    lines = f.lines("malformed")
    assert lines and all(line["node"] == "4" and reason in line["reason"] for line in lines), lines
    assert any(reason in text for text in reported)
    assert all("toy-3" not in line["sites"] for line in f.made())
    f.check_accounts()
    f.check_agreement()


def test_an_update_from_another_state_than_the_agreed_one_is_refused_and_the_node_starts_over(federation: Any) -> None:
    """Node 4 answers last, when two others have said which state version 2 is."""
    once = iter([True])
    lie = lies(lambda u: {"state_hash": "0" * 64} if u.version == 2 and next(once, False) else {})
    f = federation(compute=(1, 1, 1, 1.5), versions=10, fault=lie)
    f.start()
    (line,) = f.lines("malformed")
    assert line["node"] == "4" and "trained from another state of version 2" in line["reason"]
    after = [sent for sent in f.lines("dispatched") if sent["node"] == "4" and sent["task"] > line["task"]]
    assert after[0]["bytes"] >= f.lines("dispatched")[-1]["bytes"] > -1 and after[0]["bytes"] > 0
    assert f.outcomes()[after[0]["task"]] == ["accepted"]
    f.check_accounts()
    f.check_agreement()
    f.check_residuals()


def test_claims_and_their_bounds_survive_a_resumption(federation: Any) -> None:
    """What counted of every hospital is in the ledger: after a resume a liar meets the same bounds."""
    first = federation(compute=(1, 1, 1, 1), versions=8)
    first.strategy.start(first.grid, num_rounds=3)
    c = first.strategy.state.claims
    again = federation(journal=first.journal, compute=(1, 1, 1, 1), versions=8).strategy.state.claims
    assert again.known == c.known and len(again.known) == 4


def test_after_a_resumption_deadlines_begin_anew_and_end_up_at_what_nodes_take(federation: Any) -> None:
    first = federation(compute=(100, 100, 100, 100), versions=60)
    record = first.journal.record

    def gone(event: str, **facts: Any) -> None:
        record(event, **facts)
        if event == "version" and facts["version"] == 20:
            raise KeyboardInterrupt

    first.journal.record = gone
    with pytest.raises(KeyboardInterrupt):
        first.start()
    first.journal.record = record
    second = federation(journal=first.journal, compute=(100, 100, 100, 100), versions=60)
    second.sent, second.starts, second.deltas = first.sent, first.starts, first.deltas
    second.start()
    given = [line["deadline_seconds"] for line in second.lines("dispatched") if line["kind"] == "train"]
    tasks = [line["task"] for line in second.lines("dispatched") if line["kind"] == "train"]
    later = [seconds for task, seconds in zip(tasks, given, strict=True) if task >= 1 << 32]
    assert given[0] == later[0] == second.settings.task_timeout
    assert 300 <= later[-1] < 400 and 300 <= given[tasks.index(min(t for t in tasks if t >= 1 << 32)) - 1] < 900
    second.check_residuals()


# ---------------------------------------------------------------------- evaluations


def lying(number: int, change: Callable[[Measure, int], Measure]) -> Callable[..., list[tuple[float, Message]]]:
    """A fault: node ``number``'s held-out measures are changed, given how often it has spoken."""
    spoken = 0

    def fault(who: int, message: Message, reply: Message) -> list[tuple[float, Message]]:
        nonlocal spoken
        if who != number or message.metadata.message_type != "evaluate":
            return [(0.0, reply)]
        spoken += 1
        printed = read_reply(reply.content)
        assert isinstance(printed, Evaluation)
        lies = {model: change(found, spoken) for model, found in printed.measures.items()}
        return [(0.0, Message(content=write_reply(replace(printed, measures=lies)), reply_to=message))]

    return fault


def test_one_hospital_cannot_end_a_run_by_what_it_says_of_held_out_notes(federation: Any) -> None:
    """All tokens in the world, and no loss on them: it counts as a hospital with the largest share and an eighth."""
    honest = federation(versions=8, evaluate_every=2)
    honest.start()
    usual = honest.lines("evaluated")[0]["judged"]
    f = federation(
        versions=8,
        evaluate_every=2,
        target_loss=usual / 3,
        fault=lying(4, lambda m, _: replace(m, tokens=1e15, loss_sum=1.0)),
    )
    f.start()
    assert f.strategy.state.version == 8 and "all 8 versions" in f.lines("finished")[0]["reason"]
    line = next(line for line in f.lines("evaluated") if "clamped" in line)
    assert line["loss"] < 1e-9 and line["judged"] > usual / 3
    assert line["clamped"][0].startswith("toy-3: mean loss 1e-15 -> ")


def test_one_hospital_cannot_roll_the_run_back(federation: Any) -> None:
    def later(m: Measure, spoken: int) -> Measure:
        return m if spoken == 1 else replace(m, loss_sum=m.loss_sum * 50)

    f = federation(versions=12, evaluate_every=2, rollback_ratio=3.0, claim_ratio=4.0, fault=lying(4, later))
    f.start()
    assert not any("reverts" in line for line in f.made()) and f.strategy.state.version == 12
    assert any("mean loss" in text for line in f.lines("evaluated") for text in line.get("clamped", ()))


def test_what_was_judged_is_what_a_resumed_run_goes_by(federation: Any) -> None:
    f = federation(versions=6, evaluate_every=2, fault=lying(4, lambda m, _: replace(m, tokens=1e15)))
    f.start()
    past = fold(map(read_line, f.journal.events()))
    assert past.losses == [(line["version"], line["judged"]) for line in f.lines("evaluated") if line["complete"]]
    older = ({k: v for k, v in line.items() if k != "judged"} for line in f.journal.events())
    whole = [line for line in f.lines("evaluated") if line["complete"]]
    assert whole and fold(map(read_line, older)).losses == [(line["version"], line["loss"]) for line in whole]
