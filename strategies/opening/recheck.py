"""Who lied about a version that no node can verify, and the version as it should be.

Members that hold the same subset of the committee give the same share of a list, byte for byte. So once a node reports
that a version is not the sum that it claims to be, every member is asked again, a subset at a time, and their signed
answers are compared. Where they differ, the record is made again of what most of them say; a node that verifies it
settles who lied. Where all agree, a contributor signed a wrong tag, and the version is discarded as any that does not
open (``strategies.aggregation.discarded``).

Not for: members that decline or stay away (``strategies.opening.round``).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from logging import WARNING

from flwr.common import log

from crossward.config.encryption_schemes import COMMITTEE
from crossward.encryption.committee.opening import Answer
from crossward.encryption.committee.spelling import Proof
from crossward.encryption.committee.statements import TAG_PRIME
from crossward.ledger.events import Corrected, Liar
from crossward.protocol.parts import Part, PartHead, Payload
from strategies.aggregation.catchup import version_name
from strategies.history.state import ServerState
from strategies.opening.making import forget_answers
from strategies.opening.round import Recheck, Round

MOST_CHOICES = 64  # combinations of answers that are tried


def compared(state: ServerState, version: int, sent: float) -> bool:
    """Whether what a node that was asked at ``sent`` says of ``version`` is a matter of the members' answers.

    They are compared, or the record is made again of another choice of them, as long as there is one.
    """
    found = state.recheck
    if found is None:
        return _begin(state, version)
    if found.version.version != version:
        return False
    if found.choices is None or sent < found.corrected:
        return True  # still being compared, or the node was sent the record of before
    return try_next(state)


def _begin(state: ServerState, version: int) -> bool:
    found = next((opened for opened in state.opened if opened.version.version == version), None)
    if found is None or version != state.version:
        return False
    log(WARNING, "Version %s cannot be verified: the answers of the committee's members are compared", version)
    state.recheck = Recheck(
        chosen=found.chosen,
        version=found.version,
        roster=found.roster,
        boxes=found.boxes,
        counts=found.counts,
        key=found.key,
        began=state.clock.now(),
        consents=dict(found.consents),
        first=found,
    )
    return True


def forget(state: ServerState) -> None:
    """The version is discarded, whatever the members said."""
    if state.recheck is not None:
        forget_answers(state, state.recheck)
    state.recheck = None


def go_on(state: ServerState, reachable: Sequence[str]) -> None:
    """Once all have answered, make the record again of the next choice of answers."""
    found = state.recheck
    if found is None or found.choices is not None or found.waits_for(reachable):
        return
    found.choices = list(itertools.islice(_choices(state, found), MOST_CHOICES))
    try_next(state)


def try_next(state: ServerState) -> bool:
    """Make the record of the next choice; whether there was one."""
    found = state.recheck
    if found is None or not found.choices:
        return False
    chosen = found.choices.pop(0)
    _correct(state, found, chosen)
    found.chosen_now, found.corrected = chosen, state.clock.now()
    return True


def settle(state: ServerState) -> None:
    """Once a node has verified the version: members whose answers are not what it was made of have lied."""
    found = state.recheck
    if found is None or state.hashes.newest < found.version.version:
        return
    state.recheck = None
    for member, subsets in _liars(state, found).items():
        log(WARNING, "%s answered wrongly for version %s: it is asked last from now on", member, found.version.version)
        state.record(Liar(version=found.version.version, member=member, subsets=subsets))
    forget_answers(state, found)


def _choices(state: ServerState, found: Recheck) -> Iterator[tuple[Answer, ...]]:
    """Combinations of answers, a subset each, most supported first, but for that of the version as it was."""
    by_subset: list[dict[str, list[Answer]]] = [{} for _ in found.roster.subsets]
    for answer in found.answers:
        by_subset[answer.subsets[0]].setdefault(_value(state, found, answer), []).append(answer)
    if not all(by_subset):
        return
    ordered = [sorted(values.values(), key=lambda agreeing: -len(agreeing)) for values in by_subset]
    for choice in itertools.product(*ordered):
        chosen = tuple(agreeing[0] for agreeing in choice)
        if not _same_as_made(state, found, chosen):
            yield chosen


def _value(state: ServerState, found: Recheck, answer: Answer) -> str:
    """What an answer says: the digest of its blocks, and its tag."""
    return f"{_payload(state, found, answer).digest()}:{answer.tag}"


def _payload(state: ServerState, found: Round, answer: Answer) -> Payload:
    return state.journal.open(found.name_of(answer))[1]


def _same_as_made(state: ServerState, found: Recheck, chosen: Sequence[Answer]) -> bool:
    """Whether ``chosen`` add up to the answers that the version was made of."""
    assert found.first is not None  # noqa: S101 - for mypy
    return not _wrong(state, found, chosen, found.first.answers, found.first)


def _liars(state: ServerState, found: Recheck) -> dict[str, tuple[int, ...]]:
    """Member -> subsets for which it said something else than what the verified version was made of."""
    assert found.first is not None  # noqa: S101 - for mypy
    if not found.chosen_now:
        return {}
    wrong: dict[str, set[int]] = {}
    for answers, of in ((found.first.answers, found.first), (found.answers, found)):
        for answer in _wrong(state, found, found.chosen_now, answers, of):
            wrong.setdefault(answer.member, set()).update(answer.subsets)
    return {member: tuple(sorted(subsets)) for member, subsets in sorted(wrong.items())}


def _wrong(
    state: ServerState, found: Recheck, right: Sequence[Answer], answers: Sequence[Answer], of: Round
) -> list[Answer]:
    """Those of ``answers`` that are not the sum of what is ``right`` for their subsets."""
    arithmetic, bits, out = state.kinds[COMMITTEE], state.plan.sum_bits(1), []
    for answer in answers:
        terms = [right[subset] for subset in answer.subsets]
        same = answer.tag == sum(term.tag for term in terms) % TAG_PRIME
        payloads = [_payload(state, found, term) for term in terms]
        for said, *parts in zip(_payload(state, of, answer), *payloads, strict=True):
            if same:
                widths = [part.head.bits for part in parts]
                data = [part.data for part in parts]
                same = arithmetic.combine(data, [1] * len(parts), widths, bits, said.head.length) == bytes(said.data)
        if not same:
            out.append(answer)
    return out


def _correct(state: ServerState, found: Recheck, chosen: Sequence[Answer]) -> None:
    """Make the record anew of ``chosen`` answers."""
    assert found.first is not None  # noqa: S101 - for mypy
    before = found.chosen_now or tuple(found.first.answers)
    of = found if found.chosen_now else found.first
    version = found.version.version
    head, record = state.journal.open(version_name(version))
    proof = Proof((found.version,), sum(answer.tag for answer in chosen) % TAG_PRIME)
    old = [_payload(state, of, answer) for answer in before]
    new = [_payload(state, found, answer) for answer in chosen]
    parts = [*_exchanged(state, record, old, new)]
    digest = state.journal.keep(version_name(version), {**head, "proof": proof.to_text()}, parts)
    state.record(Corrected(version=version, digest=digest, openers=tuple(answer.member for answer in chosen)))
    state.catch_up.replaced(version)
    state.unopened.pop(version, None)
    for view in state.roster.nodes.values():
        view.failures, view.not_before = 0, 0.0


def _exchanged(state: ServerState, record: Payload, old: Sequence[Payload], new: Sequence[Payload]) -> Iterator[Part]:
    """``record`` with the shares ``old`` put back and ``new`` taken off, part by part."""
    bits, back, off = state.plan.sum_bits(1), [iter(p) for p in old], [iter(p) for p in new]
    for part in record:
        if part.head.kind != COMMITTEE:
            yield Part(part.head, bytes(part.data))
            continue
        terms = [part, *(next(block) for block in back), *(next(block) for block in off)]
        factors = [1] * (1 + len(back)) + [-1] * len(off)
        widths = [term.head.bits for term in terms]
        arithmetic = state.kinds[COMMITTEE]
        data = arithmetic.combine([term.data for term in terms], factors, widths, bits, part.head.length)
        yield Part(PartHead(COMMITTEE, part.head.length, bits, len(data)), data)
