"""A seat on the committee: which keys it names, what it consents to and answers, what it declines, what outlasts it."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from client_app.committee.seat import Seat
from client_app.committee.stretches import LISTS_PER_VERSION
from crossward.encryption.committee.roster_file import RosterBook, make_book
from crossward.encryption.committee.spelling import ListRequest, read_certificates
from crossward.encryption.committee.statements import VersionList
from crossward.encryption.committee.stretch import Stretch
from crossward.protocol.messages import Answered, Consented, Failure, Membership, Reply, Task
from crossward.protocol.wire import read_reply, read_task, write_reply, write_task
from tests.at_once import at_once
from tests.client_app.committee.consortium import (
    LENGTH,
    SECRET,
    TASK,
    Consortium,
    Sealed,
    counts,
    identity,
    values,
)

WEIGHTS = [40, 42, 44]


@pytest.fixture
def own(tmp_path: Path) -> Consortium:
    made = Consortium(tmp_path)
    made.meet()
    return made


def sent(own: Consortium, *names: str, seed: int = 0, version: int = 0) -> dict[str, Sealed]:
    task = own.task(version)
    return {name: own.seal(name, values(seed + i), task) for i, name in enumerate(names or ("h0", "h1", "h2"))}


def declined(reply: Reply) -> str:
    assert isinstance(reply, Failure), reply
    assert (reply.kind, reply.lineage, reply.task, reply.held) == ("declined", "line", 1, -1)
    return reply.reason


def alive(seat: Seat, version: int) -> list[int]:
    said = seat.membership(replace(TASK, version=version))
    assert isinstance(said, Membership)
    return [certificate.stretch for certificate in read_certificates(said.certificates)]


def kept(own: Consortium, name: str) -> list[str]:
    return sorted(path.name for path in (own.folder / name).glob("*.key"))


# ---------------------------------------------------------------------- membership


def test_a_member_names_its_roster_and_signed_keys_of_this_stretch_and_the_next(own: Consortium) -> None:
    said = own.seats["h1"].membership(TASK)
    assert isinstance(said, Membership) and read_reply(write_reply(said)) == said
    assert said.public_key == identity(1).public_key().public_bytes_raw()
    assert RosterBook.from_bytes(said.roster).roster == own.roster
    certificates = read_certificates(said.certificates)
    assert [certificate.stretch for certificate in certificates] == [1, 2]
    for certificate in certificates:
        certificate.check(own.roster, "h1", "line", certificate.stretch)
    again = own.seats["h1"].membership(TASK)
    assert isinstance(again, Membership) and read_certificates(again.certificates) == certificates


def test_stretches_only_go_up_and_what_was_destroyed_stays_so(own: Consortium) -> None:
    seat = own.seats["h0"]
    assert alive(seat, LENGTH - 1) == [1, 2]
    assert alive(seat, LENGTH) == [1, 2, 3]
    assert alive(seat, 2 * LENGTH) == [2, 3, 4] and kept(own, "h0") == ["2.key", "3.key", "4.key"]
    for earlier in (0, LENGTH, 2 * LENGTH):  # as after a restart, or from an aggregator that goes back
        assert alive(seat, earlier) == [2, 3, 4]
    assert alive(seat, 10 * LENGTH) == [11, 12] and kept(own, "h0") == ["11.key", "12.key"]
    assert alive(seat, 0) == [11, 12]
    assert "there is no stretch of version -1" in declined(seat.membership(replace(TASK, version=-1)))


def test_a_key_file_that_is_gone_is_not_made_again_once_its_stretch_was_used(own: Consortium, caplog: Any) -> None:
    updates = sent(own)
    own.consents(updates, own.list(updates, WEIGHTS), ["h0"])
    (own.folder / "h0" / "1.key").unlink()
    assert alive(own.seats["h0"], 0) == [2]
    (own.folder / "h1" / "1.opened").write_text("no record\n")
    assert alive(own.seats["h1"], 0) == [2] and "1.opened is damaged" in caplog.text


def test_a_stretch_whose_making_was_interrupted_is_made_again(own: Consortium) -> None:
    for half in ("", '{"format": "cross', None):
        (own.folder / "h0" / "2.key").unlink(missing_ok=True)
        if half is not None:
            (own.folder / "h0" / "2.opened").write_text(half)
        assert alive(own.seats["h0"], 0) == [1, 2]
    assert Stretch.load(own.folder / "h0", "line", 2).opened() == frozenset()


def test_who_is_not_on_the_committee_has_no_keys_and_declines(tmp_path: Path) -> None:
    own = Consortium(tmp_path, hospitals=5)
    own.meet()
    assert own.roster.committee == ("h0", "h1", "h2", "h3") and "h4" not in own.certificates[1]
    said = own.seats["h4"].membership(TASK)
    assert isinstance(said, Membership) and read_certificates(said.certificates) == ()
    updates = sent(own, "h0", "h1", "h4")
    task = own.request("h4", updates, own.list(updates, WEIGHTS))
    for act in (own.seats["h4"].consent, own.seats["h4"].answer):
        assert "h4 is not on the committee of roster" in declined(act(task))
    assert not (tmp_path / "h4").exists()
    own.record(updates, WEIGHTS)  # the others do open it


# ---------------------------------------------------------------------- consents and answers


def test_a_consent_and_an_answer_are_the_same_whenever_they_are_asked_for(own: Consortium) -> None:
    updates = sent(own)
    listed = own.list(updates, WEIGHTS)
    first = own.seats["h0"].consent(own.request("h0", updates, listed))
    assert isinstance(first, Consented) and (first.member, first.digest) == ("h0", listed.digest)
    assert read_reply(write_reply(first)) == first
    consents = own.consents(updates, listed)
    assert consents[0].signature == first.signature
    said = own.answer("h0", [0, 1], updates, listed, consents)
    assert isinstance(said, Answered) and [(h.kind, h.bits) for h in said.payload.heads] == [("committee", 15)]
    restarted = Seat(own.keys["h0"], own.vault)
    own.seats["h0"] = restarted
    again = own.answer("h0", [0, 1], updates, listed, consents)
    assert isinstance(again, Answered) and replace(again, seconds=said.seconds) == said
    assert read_reply(write_reply(said)) == said


def _replaced(listed: VersionList, *rows: int) -> VersionList:
    return replace(listed, contributions=tuple(listed.contributions[row] for row in rows))


Changed = Callable[[Consortium, dict[str, Sealed], ListRequest], ListRequest]


def _swapped(own: Consortium, updates: dict[str, Sealed], asked: ListRequest) -> ListRequest:
    return replace(asked, boxes={**asked.boxes, "h1": asked.boxes["h2"]})


def _forged(own: Consortium, updates: dict[str, Sealed], asked: ListRequest) -> ListRequest:
    (statement, weight), *others = asked.version.contributions
    return replace(asked, version=replace(asked.version, contributions=((replace(statement, tag=7), weight), *others)))


def _closed(own: Consortium, updates: dict[str, Sealed], asked: ListRequest) -> ListRequest:
    own.seats["h0"].membership(replace(TASK, version=2 * LENGTH))
    return asked


REFUSED: dict[str, tuple[Changed, str]] = {
    "two contributors": (
        lambda o, u, a: replace(a, version=_replaced(a.version, 0, 1)),
        "2 contributors, this hospital demands 3",
    ),
    "a hospital twice": (
        lambda o, u, a: replace(a, version=_replaced(a.version, 0, 1, 1)),
        "h1 contributes more than once",
    ),
    "too much weight for one": (
        lambda o, u, a: replace(a, version=o.list(u, [100, 10, 10])),
        r"h0 weighs 100 of 120, this hospital allows 54 \(max-share 0.45\)",
    ),
    "more weight than fits": (lambda o, u, a: replace(a, version=o.list(u, [43, 43, 43])), "sum to 129, the fields"),
    "no weight": (lambda o, u, a: replace(a, version=o.list(u, [40, 40, 0])), "expected whole numbers from 1"),
    "another run": (lambda o, u, a: replace(a, version=replace(a.version, lineage="x")), "the list is of run 'x'"),
    "another roster": (
        lambda o, u, a: replace(a, version=replace(a.version, roster="ab" * 32)),
        "roster abababababababab is not one of the 1 revisions",
    ),
    "a box that is missing": (
        lambda o, u, a: replace(a, boxes={n: b for n, b in a.boxes.items() if n != "h1"}),
        "the seeds of h1 for h0 are missing",
    ),
    "a box of another": (_swapped, "the seeds of h1 for h0 are not those that h1 signed"),
    "a changed statement": (_forged, "the update of h0 is not signed by it"),
    "a key that is not held": (lambda o, u, a: replace(a, key="0" * 16), "sealed under key 0000000000000000"),
    "a stretch that is over": (_closed, "the seeds of h0 for h0 are of stretch 1, which is closed"),
}


@pytest.mark.parametrize("what", REFUSED)
@pytest.mark.parametrize("act", ["consent", "answer"])
def test_what_must_not_be_opened_is_declined_with_the_reason(own: Consortium, what: str, act: str) -> None:
    updates = sent(own)
    listed = own.list(updates, WEIGHTS)
    right = own.request("h0", updates, listed)
    asked = ListRequest.from_bytes(right.committee)
    if act == "answer":
        consents = own.consents(updates, listed, ["h1", "h2", "h3"])
        asked = replace(asked, consents=consents, subsets=(0,), counts=counts(updates))
        right = replace(right, committee=asked.to_bytes())
    change, reason = REFUSED[what]
    seat = own.seats["h0"]
    wrong = replace(right, committee=change(own, updates, asked).to_bytes())
    before = (own.folder / "h0" / "1.opened").read_bytes()
    assert re.search(reason, declined(getattr(seat, act)(wrong)))
    assert (own.folder / "h0" / "1.opened").read_bytes() == before  # nothing was written down
    if what != "a stretch that is over":
        assert isinstance(getattr(seat, act)(right), Consented | Answered)


def test_a_question_that_cannot_be_read_is_declined(own: Consortium) -> None:
    for data in (b"", b"nonsense", own.task().committee):
        for act in (own.seats["h0"].consent, own.seats["h0"].answer):
            assert "the question to the committee" in declined(act(replace(TASK, committee=data)))


def test_an_answer_takes_a_quorum_of_consents_and_subsets_that_the_member_holds(own: Consortium) -> None:
    updates = sent(own)
    listed = own.list(updates, WEIGHTS)
    consents = own.consents(updates, listed)
    few = own.answer("h0", [0], updates, listed, consents[:2])
    assert "2 members (h0, h1) consented to this list, it takes 3" in declined(few)
    foreign = [n for n in range(len(own.roster.subsets)) if n not in own.roster.held("h0")]
    assert "h0 does not hold subsets" in declined(own.answer("h0", foreign, updates, listed, consents))
    forged = replace(consents[2], signature=consents[1].signature)
    assert "the consent of h2 is not signed by it" in declined(
        own.answer("h0", [0], updates, listed, [*consents[:2], forged])
    )
    assert isinstance(own.answer("h0", [0], updates, listed, consents), Answered)


def test_an_update_is_opened_in_one_list_whatever_is_asked_later(own: Consortium) -> None:
    updates = sent(own)
    listed, other = own.list(updates, WEIGHTS), own.list(updates, [44, 42, 40])
    own.consents(updates, listed)
    reason = declined(own.seats["h0"].consent(own.request("h0", updates, other)))
    assert "was opened before, in the list" in reason and "an update is opened once" in reason
    mixed = {**sent(own, "h0", "h3", seed=7), "h1": updates["h1"]}
    assert "h1/" in declined(own.seats["h0"].consent(own.request("h0", mixed, own.list(mixed, WEIGHTS))))
    fresh = sent(own, seed=7)
    own.consents(fresh, own.list(fresh, WEIGHTS))


def test_a_member_that_dies_between_disk_and_reply_stays_with_its_word(
    own: Consortium, monkeypatch: pytest.MonkeyPatch
) -> None:
    updates = sent(own)
    listed, other = own.list(updates, WEIGHTS), own.list(updates, [44, 42, 40])

    def killed(signed: bytes) -> bytes:
        raise KeyboardInterrupt

    dying = Seat(replace(own.keys["h0"], sign=killed), own.vault)
    with pytest.raises(KeyboardInterrupt):
        dying.consent(own.request("h0", updates, listed))
    assert "was opened before" in declined(own.seats["h0"].consent(own.request("h0", updates, other)))
    own.record(updates, WEIGHTS)


def test_a_stretch_answers_a_bounded_number_of_lists(tmp_path: Path) -> None:
    own = Consortium(tmp_path)
    for name, keys in own.keys.items():
        own.seats[name] = Seat(replace(keys, length=1), own.vault)
    own.meet()
    lists = []
    for number in range(LISTS_PER_VERSION):
        updates = sent(own, seed=3 * number)
        own.consents(updates, listed := own.list(updates, WEIGHTS), ["h0"])
        lists.append((updates, listed))
    updates = sent(own, seed=50)
    reason = declined(own.seats["h0"].consent(own.request("h0", updates, own.list(updates, WEIGHTS))))
    assert reason.startswith("stretch 1 of 1 versions had 4 lists, at most 4 are answered in it")
    for earlier, listed in lists:  # those still are
        assert isinstance(own.seats["h0"].consent(own.request("h0", earlier, listed)), Consented)


def test_a_member_that_was_absent_when_an_update_was_sealed_declines_it(tmp_path: Path) -> None:
    own = Consortium(tmp_path)
    own.meet(names=["h0", "h1", "h2"])
    updates = sent(own)
    assert updates["h0"][1].statement.boxes[3] == "" and "h3" not in updates["h0"][1].boxes
    own.meet(names=["h3"])
    listed = own.list(updates, WEIGHTS)
    reason = declined(own.seats["h3"].consent(own.request("h3", updates, listed)))
    assert reason.startswith("the seeds of h0 for h3 are missing: it was absent when they were sealed")
    own.record(updates, WEIGHTS, members=["h0", "h1", "h2"])


# ---------------------------------------------------------------------- a new roster


def test_after_a_change_of_the_roster_only_lists_consented_to_before_are_answered(own: Consortium) -> None:
    updates, later = sent(own), sent(own, seed=5)
    listed, other = own.list(updates, WEIGHTS), own.list(later, WEIGHTS)
    consents = own.consents(updates, listed)
    foreign = own.consents(later, other, ["h1", "h2", "h3"])
    first = own.keys["h0"].book
    book = first.next(hospitals={**first.roster.hospitals, "h9": identity(9).public_key().public_bytes_raw().hex()})
    for name, key in {**own.identities, "h9": identity(9)}.items():
        book = book.signed(name, key.sign)
    own.seats["h0"] = Seat(replace(own.keys["h0"], book=book.check()), own.vault)
    reason = declined(own.seats["h0"].consent(own.request("h0", updates, listed)))
    assert reason.startswith("the list is of an earlier roster")
    assert isinstance(own.answer("h0", [0], updates, listed, consents), Answered)
    assert "was not consented to here" in declined(own.answer("h0", [0], later, other, foreign))


def test_a_roster_of_others_is_declined(own: Consortium) -> None:
    updates = sent(own)
    stranger = make_book({name: identity(20 + n) for n, name in enumerate(own.identities)})
    listed = replace(own.list(updates, WEIGHTS), roster=stranger.roster.fingerprint)
    assert "is not one of the 1 revisions" in declined(own.seats["h0"].consent(own.request("h0", updates, listed)))


# ---------------------------------------------------------------------- several processes


def _in_processes(tasks: list[tuple[Callable[[Task], Reply], Task]]) -> list[Reply]:
    """Each in a process of its own, all at once."""

    def one(act: Callable[[Task], Reply], task: Task) -> Reply:
        reply = act(task)
        assert reply == read_reply(write_reply(reply)) and read_task(write_task(task)) == task
        return reply

    return at_once([functools.partial(one, act, task) for act, task in tasks])


def test_processes_of_one_node_make_the_same_keys(tmp_path: Path) -> None:
    own = Consortium(tmp_path)
    said = _in_processes([(own.seats["h0"].membership, replace(TASK, version=v)) for v in (0, 0, 1, 2, 3, 0)])
    assert all(reply == said[0] for reply in said) and kept(own, "h0") == ["1.key", "2.key"]


def test_of_two_lists_asked_for_at_once_a_node_consents_to_one(own: Consortium) -> None:
    updates = sent(own)
    for number in range(3):
        updates = sent(own, seed=number)
        lists = [own.list(updates, weights) for weights in (WEIGHTS, [44, 42, 40], [42, 42, 42], [40, 40, 40])]
        said = _in_processes([(own.seats["h0"].consent, own.request("h0", updates, one)) for one in lists])
        assert sorted(type(reply) for reply in said if not isinstance(reply, Failure)) == [Consented]
        assert all("opened before" in reply.reason for reply in said if isinstance(reply, Failure))


def test_the_reasons_show_neither_secrets_nor_values(own: Consortium) -> None:
    updates = sent(own)
    asked = ListRequest.from_bytes(own.request("h0", updates, own.list(updates, WEIGHTS)).committee)
    for change, _ in REFUSED.values():
        reason = declined(own.seats["h0"].consent(replace(TASK, committee=change(own, updates, asked).to_bytes())))
        assert SECRET.committee_key().hex() not in reason and len(reason) < 400
    assert SECRET.master.hex() not in repr(own.seats) and str(SECRET.master) not in repr(own.seats)
