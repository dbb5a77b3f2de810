"""Sealed for a task, opened by a committee, checked by every node: the whole way, and what is refused on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from client_app.committee.keys import Consortium as Readers
from client_app.committee.payloads import CommitteePayloads
from client_app.update.payloads import MissingKeyError, UnopenedError
from crossward.encryption.committee.boxes import SealingKey
from crossward.encryption.committee.roster import SealingCertificate
from crossward.encryption.committee.roster_file import make_book
from crossward.encryption.committee.spelling import Proof
from crossward.encryption.committee.statements import Rules, VersionList
from crossward.encryption.plan import FieldPlan
from crossward.protocol.messages import RecordHead
from crossward.protocol.parts import Part, Payload, ProtocolError, join
from tests.client_app.committee.consortium import (
    LENGTH,
    LINEAGE,
    SIZES,
    TASK,
    Consortium,
    Sealed,
    identity,
    read,
    values,
)

WEIGHTS = [40, 42, 44]
Record = tuple[RecordHead, Payload]
Rows = dict[str, NDArray[Any]]


@pytest.fixture
def own(tmp_path: Path) -> Consortium:
    made = Consortium(tmp_path)
    made.meet()
    return made


def sealed(own: Consortium, *names: str, seed: int = 0, version: int = 0) -> tuple[Rows, dict[str, Sealed]]:
    rows = {name: values(seed + i, own.plan) for i, name in enumerate(names or ("h0", "h1", "h3"))}
    task = own.task(version)
    return rows, {name: own.seal(name, row, task) for name, row in rows.items()}


def several(own: Consortium, number: int) -> tuple[list[Record], list[NDArray[np.int64]]]:
    """Versions 1 to ``number`` and what they open to."""
    records, wanted = [], []
    for version in range(1, number + 1):
        rows, sent = sealed(own, seed=10 * version)
        records.append(own.record(sent, WEIGHTS, version))
        wanted.append(own.expected(rows, sent, WEIGHTS, version))
    return records, wanted


# ---------------------------------------------------------------------- the whole way


@pytest.mark.parametrize("policy", ["all", "sensitive"])
@pytest.mark.parametrize("plan", [(8, 7, 2), (12, 10, 0), (8, 6, 6)])
def test_a_version_opens_everywhere_to_the_weighted_sum_and_its_dither(
    tmp_path: Path, policy: str, plan: tuple[int, int, int]
) -> None:
    own = Consortium(tmp_path, policy=policy, plan=FieldPlan(*plan))
    own.meet()
    rows, sent = sealed(own)
    weights = [w * own.plan.total_weight // 128 for w in WEIGHTS]
    record = own.record(sent, weights)
    wanted = own.expected(rows, sent, weights)
    for name in own.keys:
        assert np.array_equal(read(own.payloads(name), record), wanted)
    readers = Readers(own.keys["h0"].book, own.keys["h0"].rules)
    assert np.array_equal(read(CommitteePayloads(SIZES, own.plan, own.vault, LINEAGE, readers), record), wanted)
    exact = sum(w * row.astype(np.int64) for w, row in zip(weights, rows.values(), strict=True))
    assert not np.array_equal(wanted, exact) and np.abs(wanted - exact).max() < 4 * own.plan.total_weight


def test_the_parts_follow_the_policy_and_show_no_value_of_a_sealed_block(tmp_path: Path) -> None:
    for policy, shape in (("all", [("committee", 44)]), ("sensitive", [("committee", 9), ("clear", 5), ("clear", 30)])):
        own = Consortium(tmp_path / policy, policy=policy)
        own.meet()
        payload, facts = own.seal("h0", np.full(44, 3, np.int8))
        assert list(payload.shape) == shape and {head.bits for head in payload.heads} == {8}
        assert facts.statement.count == shape[0][1] and facts.statement.stretch == 1
        assert bytes([3 + 127] * 4) not in bytes(payload.data)[: payload.heads[0].size]
    assert bytes([3 + 128] * 30) in bytes(payload.data)  # of a clear block, which shows that the bytes would be found


@pytest.mark.parametrize("policy", ["all", "sensitive"])
def test_the_sum_of_several_versions_opens_to_their_sum(tmp_path: Path, policy: str) -> None:
    own = Consortium(tmp_path, policy=policy)
    own.meet()
    records, wanted = several(own, 4)
    assert np.array_equal(read(own.payloads(), own.joined(records)), sum(wanted))
    assert np.array_equal(read(own.payloads("h2"), own.joined(records[1:3])), wanted[1] + wanted[2])


def test_a_version_that_is_taken_back_or_put_back_opens_as_it_did(own: Consortium) -> None:
    records, wanted = several(own, 2)
    head, payload = records[0]
    for sign in (-1, 1):
        back = head._replace(first=3, last=3, sign=sign, reverts=1)
        assert np.array_equal(read(own.payloads(), (back, payload)), wanted[0])
    for changed, reason in (
        ({"first": 3, "last": 3, "sign": -1}, r"is proved by the lists of versions \[1\]"),
        ({"first": 1, "last": 1, "sign": -1, "reverts": 1}, r"one earlier version, its proof has lists of \[1\]"),
        ({"first": 3, "last": 3, "sign": -1, "reverts": 2}, r"one earlier version, its proof has lists of \[1\]"),
        ({"first": 3, "last": 4, "sign": -1, "reverts": 1}, "one earlier version"),
        ({"first": 3, "last": 3, "sign": 1}, r"is proved by the lists of versions \[1\]"),
    ):
        with pytest.raises(UnopenedError, match=reason):
            read(own.payloads(), (head._replace(**changed), payload))
    both = own.joined(records)
    with pytest.raises(UnopenedError, match=r"one earlier version, its proof has lists of \[1, 2\]"):
        read(own.payloads(), (both[0]._replace(first=3, last=3, sign=-1, reverts=1), both[1]))


def test_versions_of_two_stretches_and_with_a_member_absent_are_in_one_record(own: Consortium) -> None:
    records, wanted = several(own, 1)
    own.certificates.clear()
    own.meet(LENGTH, ["h0", "h1", "h2"])
    rows, sent = sealed(own, "h1", "h2", "h3", seed=5, version=LENGTH)
    assert {facts.statement.stretch for _, facts in sent.values()} == {2}
    records.append(own.record(sent, WEIGHTS, 2, ["h0", "h1", "h2"]))
    both = read(own.payloads("h3"), own.joined(records))
    assert np.array_equal(both, wanted[0] + own.expected(rows, sent, WEIGHTS, 2))


# ---------------------------------------------------------------------- records that are refused


def _with_proof(record: Record, change: Callable[[Proof], Proof]) -> Record:
    head, payload = record
    return head._replace(proof=change(Proof.from_text(head.proof)).to_text()), payload


def _with_lists(record: Record, change: Callable[[VersionList], VersionList]) -> Record:
    return _with_proof(record, lambda proof: replace(proof, lists=tuple(change(one) for one in proof.lists)))


def _with_part(record: Record, change: Callable[[bytearray], bytes]) -> Record:
    head, payload = record
    first, *others = payload
    data = change(bytearray(first.data))
    return head, join([Part(first.head._replace(size=len(data)), data), *others])


def _flip(data: bytearray) -> bytes:
    data[3] ^= 1
    return bytes(data)


def _weights(version: VersionList, *weights: int) -> VersionList:
    rows = zip(version.contributions, weights, strict=True)
    return replace(version, contributions=tuple((statement, weight) for (statement, _), weight in rows))


def _head(record: Record, **changes: Any) -> Record:
    return record[0]._replace(**changes), record[1]


NOT_THE_SUM = "version 1 is not the sum of the updates of h0, h1, h3 that is listed"
WRONG: dict[str, tuple[Callable[[Record], Record], str]] = {
    "a changed field": (lambda r: _with_part(r, _flip), NOT_THE_SUM),
    "another tag": (lambda r: _with_proof(r, lambda p: replace(p, tag=p.tag + 1)), NOT_THE_SUM),
    "other weights": (lambda r: _with_lists(r, lambda v: _weights(v, 42, 40, 44)), NOT_THE_SUM),
    "another version number in the list": (
        lambda r: _head(_with_lists(r, lambda v: replace(v, version=2)), first=2, last=2),
        "version 2 is not the sum",
    ),
    "the list of another version": (lambda r: _head(r, first=2, last=2), r"is proved by the lists of versions \[1\]"),
    "more versions than lists": (lambda r: _head(r, last=2), r"versions 1 to 2 is proved by the lists of versions \[1"),
    "another sum of weights": (lambda r: _head(r, weight_sum=125), "has weights of 125 and 1 dithered versions"),
    "no dither": (lambda r: _head(r, dithered=0), "has weights of 126 and 0 dithered versions"),
    "a hospital left out": (
        lambda r: _head(
            _with_lists(r, lambda v: replace(v, contributions=v.contributions[:2])), weight_sum=WEIGHTS[0] + WEIGHTS[1]
        ),
        "2 contributors, this hospital demands 3 or more",
    ),
    "a hospital listed twice": (
        lambda r: _head(
            _with_lists(r, lambda v: replace(v, contributions=(*v.contributions, v.contributions[-1]))),
            weight_sum=sum(WEIGHTS) + WEIGHTS[-1],
        ),
        "h3 contributes more than once",
    ),
    "too heavy a weight": (
        lambda r: _head(_with_lists(r, lambda v: _weights(v, 100, 13, 13))),
        "h0 weighs 100 of 126, this hospital allows 57",
    ),
    "a forged statement": (
        lambda r: _with_lists(
            r,
            lambda v: replace(
                v, contributions=tuple((replace(s, digest="ab" * 32), weight) for s, weight in v.contributions)
            ),
        ),
        "the update of h0 is not signed by it",
    ),
    "another run": (lambda r: _with_lists(r, lambda v: replace(v, lineage="x")), "list of version 1 is of run 'x'"),
    "no proof": (lambda r: _head(r, proof=""), "the proof of a record cannot be read"),
    "nonsense for a proof": (lambda r: _head(r, proof="nonsense"), "the proof of a record cannot be read"),
    "a byte too few": (lambda r: _with_part(r, lambda data: bytes(data[:-1])), "bytes are not 44 fields"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_record_that_is_not_what_it_claims_is_refused_at_the_latest_at_its_end(own: Consortium, what: str) -> None:
    _, sent = sealed(own)
    record = own.record(sent, WEIGHTS)
    change, reason = WRONG[what]
    with pytest.raises(UnopenedError, match=reason):
        read(own.payloads(), change(record))
    read(own.payloads(), record)


def test_a_hospital_that_demands_more_contributors_refuses_what_others_take(own: Consortium) -> None:
    _, sent = sealed(own)
    record = own.record(sent, WEIGHTS)
    for rules, reason in (
        (Rules(min_contributors=4), "3 contributors, this hospital demands 4 or more"),
        (Rules(max_share=0.34), "h3 weighs 44 of 126, this hospital allows 43"),
    ):
        with pytest.raises(UnopenedError, match=reason):
            read(own.payloads(rules=rules), record)
    read(own.payloads(rules=Rules(min_contributors=3, max_share=0.35)), record)


def test_a_record_of_an_unknown_roster_says_which_file_is_needed(own: Consortium) -> None:
    _, sent = sealed(own)
    record = own.record(sent, WEIGHTS)
    other = make_book({name: identity(20 + n) for n, name in enumerate(own.identities)})
    reason = r"version 1 cannot be checked: roster .* Point roster-path at the newest"
    with pytest.raises(MissingKeyError, match=reason):
        read(own.payloads(book=other), record)


def test_a_record_of_another_plan_layout_or_key_is_refused(own: Consortium) -> None:
    head, payload = own.record(sealed(own)[1], WEIGHTS)
    own.plan = FieldPlan(8, 6, 3)
    with pytest.raises(UnopenedError, match=r"the list of version 1 is of 44 fields and .*, the run has 44 and"):
        read(own.payloads(), (head, payload))
    own.plan = FieldPlan(8, 7, 2)
    with pytest.raises(MissingKeyError, match="something is sealed under key 0000000000000000"):
        read(own.payloads(), (head._replace(key="0" * 16), payload))
    with pytest.raises(ProtocolError, match="does not follow the 1 of the layout"):
        read(own.payloads(), (head, join([*payload, *payload])))


def test_an_update_counts_in_one_version_of_a_record(own: Consortium) -> None:
    """A committee never opens one twice; a record that says so is refused before a tag is looked at."""
    _, sent = sealed(own)
    first, second = own.record(sent, WEIGHTS), own.list(sent, WEIGHTS, version=2)
    proof = Proof((*Proof.from_text(first[0].proof).lists, second), 0)
    head = first[0]._replace(last=2, weight_sum=2 * sum(WEIGHTS), dithered=2, proof=proof.to_text())
    with pytest.raises(UnopenedError, match="an update of h0 is listed in version 1 and again in 2"):
        read(own.payloads(), (head, first[1]))


def test_a_record_of_more_versions_than_fit_is_refused(own: Consortium) -> None:
    records, _ = several(own, 4)
    proof = Proof.joined([Proof.from_text(head.proof) for head, _ in records])
    fifth = own.list(sealed(own, seed=90)[1], WEIGHTS, version=5)
    head = own.joined(records)[0]._replace(
        last=5, weight_sum=5 * sum(WEIGHTS), dithered=5, proof=replace(proof, lists=(*proof.lists, fifth)).to_text()
    )
    with pytest.raises(UnopenedError, match="is the sum of 5 versions, at most 4 fit"):
        read(own.payloads(), (head, records[0][1]))


# ---------------------------------------------------------------------- tasks that nothing is sealed for


def _not_signed(own: Consortium) -> dict[str, SealingCertificate]:
    mine = SealingKey.generate()  # the aggregator's, in place of a member's
    return {**own.certificates[1], "h2": replace(own.certificates[1]["h2"], key=mine.public)}


UNINVITED: dict[str, tuple[Callable[[Consortium], dict[str, Any]], str]] = {
    "another roster": (
        lambda o: {"roster": "ab" * 32},
        r"the run follows roster abababababababab, this hospital roster [0-9a-f]{16} \(revision 1\). The run's is not "
        "known here: this hospital must point roster-path",
    ),
    "another stretch": (
        lambda o: {"stretch": 2, "certificates": o.certificates[2]},
        "names sealing keys of stretch 2, version 0 is in stretch 1: encryption.stretch = 4 must be the aggregator's",
    ),
    "keys of another stretch": (lambda o: {"certificates": o.certificates[2]}, "is for another member, lineage or"),
    "two keys missing": (
        lambda o: {"certificates": {n: c for n, c in o.certificates[1].items() if n in ("h0", "h2")}},
        "the task lacks the sealing keys of h1, h3: of this committee 1 may be absent",
    ),
    "a key of the aggregator's": (lambda o: {"certificates": _not_signed(o)}, "the sealing key of h2 is not signed by"),
}


@pytest.mark.parametrize("what", UNINVITED)
def test_nothing_is_sealed_to_keys_that_are_not_the_committees(own: Consortium, what: str) -> None:
    change, reason = UNINVITED[what]
    with pytest.raises(MissingKeyError, match=reason):
        own.seal("h0", values(0), own.task(**change(own)))
    own.seal("h0", values(0), own.task())


def test_nothing_is_sealed_for_a_task_that_names_no_keys(own: Consortium) -> None:
    for data, reason in ((b"", "the task names no sealing keys"), (b"nonsense", "the committee's part of the task")):
        with pytest.raises(MissingKeyError, match=reason):
            own.seal("h0", values(0), replace(TASK, committee=data))
    with pytest.raises(MissingKeyError, match="a training task names"):
        own.payloads().seal(values(0))
    readers = Readers(own.keys["h0"].book, own.keys["h0"].rules)
    with pytest.raises(MissingKeyError, match="opens records and seals nothing"):
        CommitteePayloads(SIZES, own.plan, own.vault, LINEAGE, readers).seal_for(own.task(), values(0))


def test_a_run_that_follows_an_earlier_roster_is_told_apart(own: Consortium) -> None:
    first = own.keys["h0"].book
    public = identity(9).public_key().public_bytes_raw().hex()
    book = first.next(hospitals={**first.roster.hospitals, "h9": public})
    for name, key in {**own.identities, "h9": identity(9)}.items():
        book = book.signed(name, key.sign)
    own.keys["h0"] = replace(own.keys["h0"], book=book)
    with pytest.raises(
        MissingKeyError, match=r"\(revision 2\). The run's is an earlier revision of it: the other hosp"
    ):
        own.seal("h0", values(0))
    _, sent = sealed(own, "h1", "h2", "h3")
    read(own.payloads("h0"), own.record(sent, WEIGHTS))  # and what was made under it still opens
