"""Who lied about a version that a node cannot verify, and the version as it should be.

Members that hold the same subset of the committee give the same share of a list, byte for byte. So once a node reports
that a version is not the sum that it claims to be, every member is asked again, a subset at a time, and their signed
answers are compared. Of all choices among them the version is made of the one that calls the fewest members liars, the
one that it was made of at first where others are as good; once enough hospitals doubt that, of the next. What two
hospitals have verified settles who lied. Where no choice is left, a contributor signed a wrong tag, and the version is
discarded as any that does not open (``strategies.aggregation.discarded``).

Neither a complaint nor a report of one hospital decides anything: it may lie itself, and be on the committee.

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
from strategies.aggregation.catchup import corrected_name, version_name
from strategies.history.state import ServerState
from strategies.opening.making import forget_answers
from strategies.opening.round import Choice, Recheck, Round

MOST_CHOICES = 64  # combinations of answers that are tried


def doubted(state: ServerState, version: int, task: int) -> bool:
    """Whether a node that cannot verify ``version``, sent with a ``task``, was sent the record as it is now.

    The first such report starts the comparison of the members' answers.
    """
    if (found := state.rechecks.get(version)) is not None:
        return found.record_of(task) == found.newest
    if (first := state.opened.get(version)) is not None:
        log(WARNING, "Version %s cannot be verified: the answers of the committee's members are compared", version)
        state.rechecks[version] = Recheck(
            chosen=first.chosen,
            version=first.version,
            roster=first.roster,
            boxes=first.boxes,
            counts=first.counts,
            key=first.key,
            began=state.clock.now(),
            consents=dict(first.consents),
            first=first,
            verified={hospital: () for hospital in state.hashes.holding(version)},
        )
    return True


def another(state: ServerState, version: int) -> bool:
    """Enough hospitals doubt the record: whether answers are still compared, or it was made of others just now."""
    found = state.rechecks.get(version)
    return found is not None and (found.choices is None or _try_next(state, found))


def forget(state: ServerState, version: int) -> None:
    """The version is discarded, or its answers are in no doubt any more."""
    for found in (state.opened.pop(version, None), state.rechecks.pop(version, None)):
        if found is not None:
            forget_answers(state, found)


def forget_verified(state: ServerState) -> None:
    """Forget the answers of versions that enough hospitals have verified."""
    known = state.hashes.verified(state.witnesses)
    for version in [v for v in state.opened if v <= known and v not in state.rechecks]:
        forget(state, version)


def go_on(state: ServerState, found: Recheck, reachable: Sequence[str]) -> None:
    """Once all have answered, make the record of the likeliest choice of answers."""
    if found.choices is not None or found.waits_for(reachable):
        return
    assert found.first is not None  # noqa: S101 - for mypy
    liars = {way: len(_liars(state, found, way)) for way in itertools.islice(_choices(state, found), MOST_CHOICES)}
    ways = sorted(liars, key=liars.__getitem__)  # lies may cancel out: of those with the same sum the first is right
    found.as_made = next((way for way in ways if not _wrong(state, found, way, found.first)), ())
    found.choices = sorted(ways, key=lambda way: (liars[way], way != found.as_made))
    if found.choices and found.choices[0] == found.as_made:
        found.choices.pop(0)  # the record is made of that already
    else:
        _try_next(state, found)


def verified(state: ServerState, hospital: str, version: int, task: int) -> None:
    """A hospital that did a ``task`` reports its state of ``version``: it has verified all up to it.

    Once enough hospitals have verified the same record, members whose answers are not what it was made of have lied.
    """
    for number, found in list(state.rechecks.items()):
        if number > version:
            continue
        found.verified.setdefault(hospital, found.record_of(task))
        right = found.verified[hospital]
        if list(found.verified.values()).count(right) >= state.witnesses:
            _settle(state, number, found, right)


def _settle(state: ServerState, version: int, found: Recheck, right: Choice) -> None:
    if right != found.newest:
        _correct(state, found, right)  # a wrong one took its place meanwhile
    if way := right or found.as_made:
        for member, subsets in sorted(_liars(state, found, way).items()):
            log(WARNING, "%s answered wrongly for version %s: it is asked last from now on", member, version)
            state.record(Liar(version=version, member=member, subsets=tuple(sorted(subsets))))
    state.unopened.pop(version, None)
    forget(state, version)


def _try_next(state: ServerState, found: Recheck) -> bool:
    """Make the record of the next choice; whether there was one."""
    if not found.choices:
        return False
    _correct(state, found, found.choices.pop(0))
    return True


def _choices(state: ServerState, found: Recheck) -> Iterator[Choice]:
    """Combinations of answers, a subset each, those first that most members give."""
    by_subset: list[dict[str, list[Answer]]] = [{} for _ in found.roster.subsets]
    for answer in found.answers:
        by_subset[answer.subsets[0]].setdefault(_value(state, found, answer, found), []).append(answer)
    if all(by_subset):
        ordered = [sorted(values.values(), key=lambda agreeing: -len(agreeing)) for values in by_subset]
        for choice in itertools.product(*ordered):
            yield tuple(agreeing[0] for agreeing in choice)


def _value(state: ServerState, found: Recheck, answer: Answer, of: Round) -> str:
    """What an answer ``of`` a round says: the digest of its blocks, and its tag."""
    if answer not in found.values:
        found.values[answer] = f"{_payload(state, of, answer).digest()}:{answer.tag}"
    return found.values[answer]


def _payload(state: ServerState, found: Round, answer: Answer) -> Payload:
    return state.journal.open(found.name_of(answer))[1]


def _liars(state: ServerState, found: Recheck, right: Choice) -> dict[str, set[int]]:
    """Member -> subsets for which it said something else than what is ``right``."""
    assert found.first is not None  # noqa: S101 - for mypy
    wrong: dict[str, set[int]] = {}
    for of in (found.first, found):
        for answer in _wrong(state, found, right, of):
            wrong.setdefault(answer.member, set()).update(answer.subsets)
    return wrong


def _wrong(state: ServerState, found: Recheck, right: Choice, of: Round) -> list[Answer]:
    """Those of the answers ``of`` a round that are not the sum of what is ``right`` for their subsets."""
    return [answer for answer in of.answers if not _adds_up(state, found, right, answer, of)]


def _adds_up(state: ServerState, found: Recheck, right: Choice, answer: Answer, of: Round) -> bool:
    terms = [right[subset] for subset in answer.subsets]
    if len(terms) == 1:
        return _value(state, found, answer, of) == _value(state, found, terms[0], found)
    if answer.tag != sum(term.tag for term in terms) % TAG_PRIME:
        return False
    arithmetic, bits = state.kinds[COMMITTEE], state.plan.sum_bits(1)
    blocks = zip(_payload(state, of, answer), *(_payload(state, found, term) for term in terms), strict=True)
    for said, *parts in blocks:
        widths, data = [part.head.bits for part in parts], [part.data for part in parts]
        if arithmetic.combine(data, [1] * len(parts), widths, bits, said.head.length) != bytes(said.data):
            return False
    return True


def _correct(state: ServerState, found: Recheck, chosen: Choice) -> None:
    """Make the record anew of ``chosen`` answers."""
    assert found.first is not None  # noqa: S101 - for mypy
    before, version = found.newest, found.version.version
    head, record = state.journal.open(version_name(version))
    answers = [chosen or found.first.answers, before or found.first.answers]
    proof = Proof((found.version,), sum(answer.tag for answer in answers[0]) % TAG_PRIME)
    new, old = (
        [_payload(state, found if choice else found.first, answer) for answer in said]
        for choice, said in zip((chosen, before), answers, strict=True)
    )
    draft = corrected_name(version)
    digest = state.journal.keep(draft, {**head, "proof": proof.to_text()}, [*_exchanged(state, record, old, new)])
    openers = tuple(sorted({answer.member for answer in answers[0]}))
    state.record(Corrected(version=version, digest=digest, openers=openers))
    state.journal.keep(version_name(version), *state.journal.open(draft))
    state.journal.drop(draft)
    found.made.append((state.next_task, chosen))
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
