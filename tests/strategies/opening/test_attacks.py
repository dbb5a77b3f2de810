"""What an aggregator may try: every node, or every member, refuses it, says why, and keeps nothing of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from flwr.app import Message

from client_app.identity import sign
from crossward.encryption.committee.roster_file import make_book
from crossward.encryption.committee.spelling import Invitation, ListRequest, Proof
from crossward.encryption.committee.statements import Consent, VersionList
from crossward.protocol.messages import (
    ANSWER,
    CONSENT,
    MEMBERSHIP,
    TRAIN,
    Answered,
    Consented,
    Failure,
    Membership,
    RecordHead,
    Reply,
    Task,
    Update,
)
from crossward.protocol.parts import Part, Payload, join
from crossward.protocol.wire import read_reply, read_task, write_reply, write_task
from crossward.simulation.toy import toy_identity
from tests.strategies.opening.consortium import CommitteeFederation, Make

COMPUTE = (10.0, 12.0, 15.0, 11.0, 13.0)
Records = tuple[tuple[RecordHead, Payload], ...]


class Attacked:
    """A run of three versions, what it sent, and an aggregator that asks its nodes whatever it likes."""

    def __init__(self, f: CommitteeFederation) -> None:
        self.f, self.tasks, self.requests = f, {}, {}
        self.updates: list[tuple[Task, Update]] = []
        f.fault = self._watch

    def _watch(self, who: int, message: Message, reply: Message) -> Any:
        task, content = read_task(message.content), read_reply(reply.content)
        if message.metadata.message_type == TRAIN:
            self.tasks[who, task.version] = task
            if isinstance(content, Update):
                self.updates.append((task, content))
        elif message.metadata.message_type in (CONSENT, ANSWER):
            self.requests[who, message.metadata.message_type, task.version] = task
        return [(0.0, reply)]

    def ask(self, node: int, task: Task, kind: str) -> Reply:
        one = self.f.nodes[node]
        message = Message(content=write_task(task), dst_node_id=node, message_type=kind)
        return read_reply(one.app(message, one.context).content)

    def record(self, version: int) -> tuple[RecordHead, Payload]:
        found, payload = self.f.strategy.state.catch_up._record(version)
        return found, join(list(payload))

    def train(self, node: int, records: Records, held: int) -> Reply:
        """A training at the version that ``records`` lead to, of a node that holds ``held``."""
        last = records[-1][0].last
        base = self.tasks[max(key for key in self.tasks if key[0] == node)]
        invited = self.f.strategy.state.committee
        assert invited is not None
        given = {"version": last, "from_version": held, "records": records, "state_hash": "", "accepted": ()}
        epoch = self.f.schedule.epoch(last) if self.f.schedule else 0
        return self.ask(
            node, replace(base, task=1 << 40, epoch=epoch, committee=invited.invitation(last), **given), TRAIN
        )


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Attacked:
    """One for all: what is refused changes nothing, which every test checks."""
    folder = tmp_path_factory.mktemp("attacked")
    f = CommitteeFederation(folder, compute=COMPUTE, versions=4, given={"max_share": 0.45})
    made = Attacked(f)
    f.grid.fault = lambda who, message, reply: f._seen(who, message, reply)
    f.strategy.start(f.grid, num_rounds=3)
    assert len(f.made()) == 3
    return made


def with_proof(record: tuple[RecordHead, Payload], change: Callable[[Proof], Proof], **head: Any) -> Any:
    found, payload = record
    return found._replace(proof=change(Proof.from_text(found.proof)).to_text(), **head), payload


def relisted(
    attack: Attacked, version: int, rows: Callable[[list[Any]], list[Any]], number: int | None = None
) -> tuple[RecordHead, Payload]:
    """The record of ``version`` with another list, and the weights that are in it."""

    def change(proof: Proof) -> Proof:
        (listed,) = proof.lists
        made = replace(listed, contributions=tuple(rows(list(listed.contributions))), version=number or listed.version)
        return Proof((made,), proof.tag)

    found, payload = with_proof(attack.record(version), change)
    weights = sum(Proof.from_text(found.proof).lists[0].weights)
    return found._replace(weight_sum=weights), payload


def flipped(record: tuple[RecordHead, Payload]) -> tuple[RecordHead, Payload]:
    found, payload = record
    parts = [Part(part.head, bytes(part.data)) for part in payload]
    parts[0] = Part(parts[0].head, bytes([parts[0].data[0] ^ 1]) + bytes(parts[0].data[1:]))
    return found, join(parts)


def foreign(attack: Attacked) -> str:
    """A roster of three made up hospitals, which all of them signed."""
    return make_book({f"x{i}": toy_identity(90 + i) for i in range(3)}).roster.fingerprint


RECORDS: dict[str, tuple[Callable[[Attacked], Any], str]] = {
    "a wrong sum for all": (lambda a: flipped(a.record(3)), "or the aggregator changed the sum"),
    "a wrong sum of tags": (
        lambda a: with_proof(a.record(3), lambda p: replace(p, tag=p.tag ^ 1)), "or the aggregator changed the sum"
    ),
    "another version's record": (
        lambda a: (a.record(2)[0]._replace(first=3, last=3), a.record(2)[1]),
        r"is proved by the lists of versions \[2\]",
    ),
    "another version's record under its number": (
        lambda a: (relisted(a, 2, lambda rows: rows, 3)[0]._replace(first=3, last=3), a.record(2)[1]),
        "or the aggregator changed the sum",
    ),
    "a hospital listed twice": (
        lambda a: relisted(a, 3, lambda rows: [(s, 20) for s, _ in (*rows, rows[-1])]), "contributes more than once"
    ),
    "fewer contributors than demanded": (lambda a: relisted(a, 3, lambda rows: rows[:2]), "2 contributors"),
    "weights beyond W": (
        lambda a: relisted(a, 3, lambda rows: [(s, 60) for s, _ in rows]), "sign 1, weights 180"
    ),
    "weights beyond max-share": (
        lambda a: relisted(a, 3, lambda rows: [(s, w) for (s, _), w in zip(rows, (80, 10, 10), strict=True)]),
        "weighs 80 of 100, this hospital allows",
    ),
    "other weights": (
        lambda a: relisted(a, 3, lambda rows: [(s, w) for (s, _), w in zip(rows, (40, 44, 42), strict=True)]),
        "or the aggregator changed the sum",
    ),
    "a statement that was changed": (
        lambda a: relisted(a, 3, lambda rows: [(replace(rows[0][0], tag=1), rows[0][1]), *rows[1:]]),
        "is not signed by it",
    ),
    "an unknown roster": (
        lambda a: with_proof(
            a.record(3), lambda p: Proof((replace(p.lists[0], roster=foreign(a)),), p.tag)
        ),
        "is not one of the 1 revisions",
    ),
    "another scale epoch": (lambda a: (a.record(3)[0]._replace(epoch=2), a.record(3)[1]), "of scale epoch 2"),
    "no proof": (lambda a: (a.record(3)[0]._replace(proof=""), a.record(3)[1]), "cannot be read"),
    "a sum that takes back a version under another's list": (
        lambda a: (a.record(3)[0]._replace(sign=-1, **a_revert(2)), a.record(3)[1]), "takes back"
    ),
}  # fmt: skip


def a_revert(version: int) -> Mapping[str, int]:
    return {"reverts": version} if "reverts" in RecordHead._fields else {}


@pytest.mark.parametrize("what", [None, *RECORDS])
def test_a_record_that_is_not_what_it_claims_is_refused_by_every_node(attacked: Attacked, what: str | None) -> None:
    f = attacked.f
    first = tuple(attacked.record(version) for version in (1, 2))
    before = {node: f.state_of(node).copy.hash("x", b"key") for node in f.nodes}
    third = attacked.record(3) if what is None else RECORDS[what][0](attacked)
    for node in f.nodes:
        said = attacked.train(node, (*first, third), held=0)
        if what is None:  # the control: the same task with the record as it was opened
            assert isinstance(said, Update) and f.state_of(node).copy.version == 3
            continue
        assert isinstance(said, Failure) and said.kind in ("failed", "wrong-key"), said
        assert re.search(RECORDS[what][1], said.reason), said.reason
        assert f.state_of(node).copy.hash("x", b"key") == before[node]


# ---------------------------------------------------------------------- questions to members


def listed(request: ListRequest, rows: Callable[[list[Any]], list[Any]]) -> ListRequest:
    version = request.version
    made = VersionList(version.lineage, version.version, version.roster, tuple(rows(list(version.contributions))))
    return replace(request, version=made)


def swapped(request: ListRequest) -> ListRequest:
    one, other, *_ = sorted(request.boxes)
    return replace(request, boxes={**request.boxes, one: request.boxes[other], other: request.boxes[one]})


def from_other_version(a: Attacked, node: int) -> Callable[[list[Any]], list[Any]]:
    """A new list with an update of version 2, by the hospital of the one that it replaces if there is one."""
    other = ListRequest.from_bytes(a.requests[node, CONSENT, 1].committee).version.contributions[0]
    return lambda rows: sorted(
        [other, *[row for row in rows if row[0].signer != other[0].signer]][:3], key=lambda r: r[0].signer
    )


LISTS: dict[str, tuple[Callable[[ListRequest, Attacked, int], ListRequest], str]] = {
    "other weights": (lambda r, a, n: listed(r, lambda rows: [(s, 40) for s, _ in rows]), "was opened before"),
    "one update of a list that was opened": (
        lambda r, a, n: replace(
            listed(r, from_other_version(a, n)),
            boxes={**r.boxes, **ListRequest.from_bytes(a.requests[n, CONSENT, 1].committee).boxes},
        ),
        "was opened before|the box|seeds",
    ),
    "swapped sealed seeds": (lambda r, a, n: swapped(r), "does not open|is not the one|seeds|box"),
    "no sealed seeds": (lambda r, a, n: replace(r, boxes={}), "are missing"),
    "a hospital twice": (lambda r, a, n: listed(r, lambda rows: [*rows, rows[-1]]), "contributes more than once"),
    "too few": (lambda r, a, n: listed(r, lambda rows: rows[:2]), "2 contributors"),
    "beyond W": (lambda r, a, n: listed(r, lambda rows: [(s, 60) for s, _ in rows]), "the fields hold"),
    "beyond max-share": (
        lambda r, a, n: listed(r, lambda rows: [(s, w) for (s, _), w in zip(rows, (80, 10, 10), strict=True)]),
        "max-share",
    ),
    "an unknown roster": (
        lambda r, a, n: replace(r, version=replace(r.version, roster=foreign(a))), "is not one of the 1 revisions"
    ),
    "another run": (lambda r, a, n: replace(r, version=replace(r.version, lineage="other")), "list is of run 'other'"),
    "a key that nobody has": (lambda r, a, n: replace(r, key="0" * 16), "does not hold"),
}  # fmt: skip


def records_of(f: CommitteeFederation) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(f.folder.rglob("*.opened"))}


@pytest.mark.parametrize("what", [None, *LISTS])
def test_a_list_that_must_not_be_opened_is_declined_by_every_member(attacked: Attacked, what: str | None) -> None:
    before = records_of(attacked.f)
    for node in (1, 2, 3, 4):
        task = attacked.requests[node, CONSENT, 2]
        request = ListRequest.from_bytes(task.committee)
        if what is not None:
            request = LISTS[what][0](request, attacked, node)
        said = attacked.ask(node, replace(task, committee=request.to_bytes()), CONSENT)
        if what is None:  # the control: the very list that was opened may be asked for again
            assert isinstance(said, Consented)
            continue
        assert isinstance(said, Failure) and said.kind == "declined", said
        assert re.search(LISTS[what][1], said.reason), said.reason
    assert records_of(attacked.f) == before


def without_quorum(request: ListRequest) -> ListRequest:
    return replace(request, consents=request.consents[:1])


def forged(request: ListRequest) -> ListRequest:
    first, *others = request.consents
    return replace(request, consents=(replace(first, signature=b"x" * 64), *others))


def of_another_list(request: ListRequest) -> ListRequest:
    made = Consent("h3", "0" * 64)
    return replace(request, consents=(*request.consents, replace(made, signature=toy_identity(4).sign(made.canonical))))


QUESTIONS: dict[str, tuple[Callable[[ListRequest], ListRequest], str]] = {
    "one consent": (without_quorum, "consented to this list, it takes 3"),
    "a forged consent": (forged, "is not signed by it"),
    "a consent to another list": (of_another_list, "is to another list"),
    "subsets that it does not hold": (lambda r: replace(r, subsets=(0, 1, 2, 3)), "does not hold subsets"),
    "other sizes": (lambda r: replace(r, counts=(8, 9)), "asked for 17 fields of 16"),
}


@pytest.mark.parametrize("what", [None, *QUESTIONS])
def test_a_member_answers_no_list_without_a_quorum_nor_for_others_parts(attacked: Attacked, what: str | None) -> None:
    asked = [
        (node, task) for (node, kind, version), task in attacked.requests.items() if (kind, version) == (ANSWER, 2)
    ]
    assert len(asked) == 2
    for node, task in asked:
        request = ListRequest.from_bytes(task.committee)
        if what is not None:
            own = replace(request, consents=tuple(c for c in request.consents if c.member != f"h{node - 1}"))
            request = QUESTIONS[what][0](own if what == "one consent" else request)
        said = attacked.ask(node, replace(task, committee=request.to_bytes()), ANSWER)
        if what is None:
            assert isinstance(said, Answered)
        else:
            assert isinstance(said, Failure) and said.kind == "declined" and QUESTIONS[what][1] in said.reason, said


# ---------------------------------------------------------------------- invitations


def test_a_hospital_seals_to_no_other_roster_stretch_or_key(attacked: Attacked) -> None:
    task = attacked.tasks[5, max(v for n, v in attacked.tasks if n == 5)]
    invited = Invitation.from_bytes(task.committee)
    keys = dict(invited.certificates)
    wrong: dict[str, Any] = {
        "this hospital must point roster-path": replace(invited, roster=foreign(attacked)),
        "the task names sealing keys of stretch 7": replace(invited, stretch=7),
        "is for another member": replace(
            invited, certificates={**keys, "h0": replace(keys["h1"], member="h0", stretch=9)}
        ),
        "it was swapped or changed": replace(
            invited, certificates={**keys, "h0": replace(keys["h0"], key=keys["h1"].key)}
        ),
        "the task lacks the sealing keys of h0, h1": replace(invited, certificates={m: keys[m] for m in ("h2", "h3")}),
    }
    for text, invitation in wrong.items():
        said = attacked.ask(5, replace(task, committee=invitation.to_bytes()), TRAIN)
        assert isinstance(said, Failure) and said.kind == "wrong-key" and text in said.reason, (text, said)
    assert isinstance(attacked.ask(5, task, MEMBERSHIP), Membership)


# ---------------------------------------------------------------------- hospitals that lie about themselves


def test_nobody_takes_a_members_seat_by_repeating_what_it_says(consortium: Make) -> None:
    """h4 answers with h0's and h1's membership, whose rosters and certificates everybody may see."""
    seen: dict[int, Membership] = {}

    def fault(who: int, message: Message, reply: Message) -> Any:
        content = read_reply(reply.content)
        if isinstance(content, Membership):
            seen[who] = content
            if who == 5 and (other := seen.get(1)) is not None:
                made = replace(other, task=content.task)
                return [(0.2, Message(content=write_reply(made), reply_to=message))]
        return [(0.0, reply)]

    f = consortium(compute=COMPUTE, versions=3, fault=fault, retry_seconds=1.0)
    f.start()
    assert len(f.made()) == 3 and all("toy-4" not in line["sites"] for line in f.made())
    said = f.lines("malformed")
    assert said and all(line["node"] == "5" and "is not signed by it" in line["reason"] for line in said)
    assert any(
        line["member"] == "h0" and line["kind"] == ANSWER and line["node"] == "1" for line in f.lines("assisted")
    )
    f.check_all([1, 2, 3, 4])


def test_what_a_hospital_sealed_is_not_used_under_another_hospitals_name(consortium: Make) -> None:
    kept: dict[int, Update] = {}

    def fault(who: int, message: Message, reply: Message) -> Any:
        content = read_reply(reply.content)
        if isinstance(content, Update):
            kept[who] = content
            if who == 5 and 1 in kept:
                made = sign(replace(content, committee=kept[1].committee, payload=kept[1].payload), toy_identity(5))
                return [(0.0, Message(content=write_reply(made), reply_to=message))]
        return [(0.0, reply)]

    f = consortium(compute=COMPUTE, versions=3, fault=fault, retry_seconds=1.0)
    f.start()
    assert len(f.made()) == 3 and all("toy-4" not in line["sites"] for line in f.made())
    assert all("whose key in the roster is not the one" in line["reason"] for line in f.lines("wrong-key"))
    f.check_all([1, 2, 3, 4])
