"""From chosen updates to the list that the committee opens, and from its answers to the version.

Not for: whom to ask what (``strategies.opening.round``), weights (``strategies.aggregation.versions``).
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from logging import WARNING

from flwr.common import log

from crossward.config.encryption_schemes import COMMITTEE
from crossward.encryption.aggregator import Kinds
from crossward.encryption.committee.spelling import Proof, SealedFacts, SpellingError
from crossward.encryption.committee.statements import TAG_PRIME, VersionList
from crossward.encryption.dither import VersionDither
from crossward.ledger import reasons
from crossward.ledger.events import Accepted, Opening, OpeningDropped, Version
from crossward.ledger.reasons import Stated
from crossward.protocol.messages import FAILED, LATE
from crossward.protocol.parts import Part, PartHead, Payload
from strategies.aggregation.ranks import within_share
from strategies.aggregation.suspects import exclude
from strategies.aggregation.versions import discard, finish_version, weighed
from strategies.history.state import ServerState
from strategies.opening.round import Round

STATEMENT = "committee"  # of an update's file: its statement and boxes


def kept_facts(committee: bytes) -> dict[str, str]:
    """What an update's file says beside its payload."""
    return {STATEMENT: base64.b64encode(committee).decode()} if committee else {}


def sealed_facts(state: ServerState, update: Accepted) -> SealedFacts:
    """The statement and boxes of an update that waits.

    Raises
    ------
    SpellingError
        its file does not have them.
    """
    facts, _ = state.journal.open(update.payload)
    try:
        return SealedFacts.from_bytes(base64.b64decode(facts[STATEMENT]))
    except (KeyError, ValueError, TypeError) as error:
        raise SpellingError(f"{update.payload} lacks its statement ({error})") from error


def begin(state: ServerState, chosen: list[Accepted]) -> None:
    """Fix the list of ``chosen`` and their weights, behind those that are being opened, and have it asked for."""
    before = state.version + len(state.openings)
    made = weighed(state, chosen, before)
    multipliers, ranks = [c.multiplier for c in made.contributions], [update.rank for update in chosen]
    weights = within_share(made.weights, multipliers, state.settings.max_share, ranks)
    if (found := _round(state, chosen, weights, before + 1)) is None:
        return
    state.record(
        Opening(
            version=found.version.version,
            roster=found.roster.fingerprint,
            digest=found.version.digest,
            tasks=tuple(update.task for update in chosen),
            weights=tuple(weights),
        )
    )
    state.openings.append(found)


def take_up(state: ServerState) -> None:
    """Go on with the lists that an interrupted run asked for; drop them where their updates are not what they were."""
    if state.openings or state.committee is None or state.committee.book is None:
        return
    roster = state.committee.roster.fingerprint
    for number in sorted(state.run.openings):
        asked = state.run.openings[number]
        chosen = [state.run.buffer[task] for task in asked.tasks if task in state.run.buffer]
        if asked.roster != roster:
            drop(state, reasons.ROSTER_CHANGED(got=asked.roster[:16], want=roster[:16]), number)
            return
        found = _round(state, chosen, asked.weights, number) if len(chosen) == len(asked.tasks) else None
        if found is None or found.version.digest != asked.digest:
            drop(state, reasons.OPENING_LOST(version=number), number)
            return
        state.openings.append(found)


def _round(state: ServerState, chosen: list[Accepted], weights: Sequence[int], version: int) -> Round | None:
    assert state.committee is not None  # noqa: S101 - for mypy: only a run with one comes here
    roster, now, sealed = state.committee.roster, state.committee.number(version - 1), []
    for update in chosen:
        try:
            facts = sealed_facts(state, update)
        except SpellingError as error:
            discard(state, update, FAILED, reasons.LOST(name=update.payload, wrong=error, digest=update.digest))
            continue
        if (got := facts.statement.stretch) < now - 1:
            discard(state, update, LATE, reasons.STRETCH_CLOSED(got=got, now=now))
            continue
        sealed.append(facts)
    if len(sealed) < len(chosen):
        return None
    listed = VersionList.of(
        roster, version, [facts.statement for facts in sealed], weights, state.schedule.epoch(version - 1)
    )
    counts = tuple(length for kind, length in chosen[0].shape if kind == COMMITTEE)
    boxes = {facts.statement.signer: facts.boxes for facts in sealed}
    return Round(chosen, listed, roster, boxes, counts, chosen[0].key, state.clock.now())


def finish(state: ServerState) -> Version | None:
    """The version that the answers for the first list make, once there are all; None before.

    A list that too many members decline is dropped, whichever it is.
    """
    innocent = state.committee.replaced if state.committee is not None else set()
    for doomed in state.openings:
        if why := doomed.hopeless:
            number = doomed.version.version
            drop(state, reasons.DECLINED_BY(version=number, why=why), number, suspect=doomed.refused(innocent))
            break
    found = state.opening
    if found is None or not found.complete:
        return None
    made, weights = weighed(state, found.chosen), list(state.run.openings[found.version.version].weights)
    payloads = [state.journal.open(update.payload)[1] for update in found.chosen]
    shares = [state.journal.open(found.name_of(answer))[1] for answer in found.answers]
    sites = [update.site for update in found.chosen]
    dither = state.dither.version(state.plan.total_weight, state.version + 1, sites, weights)
    proof = Proof((found.version,), sum(answer.tag for answer in found.answers) % TAG_PRIME)
    now = state.clock.now()
    version = finish_version(
        state,
        found.chosen,
        made._replace(weights=weights),
        opened(payloads, weights, shares, state.plan.sum_bits(1), state.kinds, dither),
        proof=proof.to_text(),
        openers=tuple(answer.member for answer in found.answers),
        opening_seconds=now - found.began,
        member_seconds=found.work,
    )
    state.opened[version.version] = found
    state.openings.pop(0)
    return version


def opened(
    payloads: Sequence[Payload],
    weights: Sequence[int],
    shares: Sequence[Payload],
    bits: int,
    kinds: Kinds,
    dither: VersionDither | None,
) -> Iterator[Part]:
    """``sum_i weights[i] payloads[i]`` part by part, less the members' ``shares`` where it is sealed.

    Sealed parts carry the dither that the members gave them, clear ones ``dither``.
    """
    first, blocks = 0, [iter(share) for share in shares]
    for parts in zip(*payloads, strict=True):
        kind, length = parts[0].head.kind, parts[0].head.length
        terms, factors, plain = list(parts), list(weights), None
        if kind == COMMITTEE:
            terms += [next(block) for block in blocks]
            factors += [-1] * len(blocks)
        elif dither is not None:
            plain = dither(first, length)
        widths = [term.head.bits for term in terms]
        summed = kinds[kind].combine([term.data for term in terms], factors, widths, bits, length, plain)
        first += length
        yield Part(PartHead(kind, length, bits, len(summed)), summed)


def drop(state: ServerState, reason: Stated, first: int = 0, suspect: bool = False) -> None:
    """Drop the list of version ``first`` (default: the next one) and those after it, whose numbers would not fit.

    Their updates are discarded, and their hospitals keep their residuals. ``suspect``: the first one's contributors may
    be at fault, as those of a version that does not open.
    """
    first = first or min(state.run.openings, default=0)
    for number in sorted((n for n in state.run.openings if n >= first), reverse=True):
        why = reason if number == first else reasons.BEHIND_DROPPED(version=first)
        _drop(state, number, why, suspect and number == first)
    if suspect:
        exclude(state)


def _drop(state: ServerState, number: int, reason: Stated, suspect: bool) -> None:
    asked = state.run.openings[number]
    chosen = [state.run.buffer[task] for task in asked.tasks if task in state.run.buffer]
    hospitals = tuple(update.hospital for update in chosen) if suspect else ()
    log(WARNING, "Version %s is not opened: %s", number, reason.text)
    for update in chosen:  # before the list is: no run that is killed in between takes them into another list
        discard(state, update, LATE, reason)
    state.record(OpeningDropped(version=number, tasks=asked.tasks, hospitals=hospitals, reason=reason.text))
    for found in [found for found in state.openings if found.version.version == number]:
        forget_answers(state, found)
        state.openings.remove(found)


def forget_answers(state: ServerState, found: Round) -> None:
    """Forget the members' answers for a list."""
    for answer in found.answers:
        state.journal.drop(found.name_of(answer))


def drop_for_roster(state: ServerState) -> None:
    """A new roster is in force: nothing that was sealed under the earlier one can be opened any more."""
    assert state.committee is not None  # noqa: S101 - for mypy: only a run with one comes here
    want = state.committee.roster.fingerprint
    for number, asked in sorted(state.run.openings.items()):
        if asked.roster != want:
            drop(state, reasons.ROSTER_CHANGED(got=asked.roster[:16], want=want[:16]), number)
            break
    for update in state.buffer:
        try:
            got = sealed_facts(state, update).statement.roster
        except SpellingError:
            got = ""
        if got != want:
            discard(state, update, LATE, reasons.ROSTER_CHANGED(got=got[:16] or "none", want=want[:16]))
