"""Whether the committee will be able to open an update: its statement, seeds, roster, stretch.

Not for: what every scheme asks of an update (``strategies.exchange.admission``).
"""

from __future__ import annotations

from dataclasses import astuple

from crossward.config.encryption_schemes import COMMITTEE
from crossward.encryption.committee.opening import AnswerError, check_update
from crossward.encryption.committee.roster import RosterError
from crossward.encryption.committee.spelling import SealedFacts, SpellingError
from crossward.encryption.committee.statements import Statement
from crossward.ledger import reasons
from crossward.protocol.messages import LATE, MALFORMED, WRONG_KEY, Update
from strategies.exchange.admission import Refusal
from strategies.history.state import ServerState
from strategies.opening.committee import Committee


def unsealable(state: ServerState, version: int, update: Update) -> Refusal | None:
    """Why an update trained from ``version`` could not be opened, or None."""
    committee = state.committee
    if committee is None or not update.committee:
        return None if (committee is None) == (not update.committee) else Refusal(MALFORMED, reasons.NO_COMMITTEE())
    try:
        facts = SealedFacts.from_bytes(update.committee)
    except SpellingError as error:
        return Refusal(MALFORMED, reasons.STATEMENT(wrong=error))
    if (refusal := _misplaced(state, committee, version, update, facts.statement)) is not None:
        return refusal
    sealed = [part for part in update.payload if part.head.kind == COMMITTEE]
    data, lengths = [p.data for p in sealed], [p.head.length for p in sealed]
    try:
        check_update(committee.roster, facts.statement, data, lengths, facts.boxes)
    except (AnswerError, RosterError) as error:
        return Refusal(MALFORMED, reasons.STATEMENT(wrong=error))
    return None


def _misplaced(
    state: ServerState, committee: Committee, version: int, update: Update, said: Statement
) -> Refusal | None:
    """Whether a statement is of another roster, hospital, run or stretch, or was sent before."""
    roster = committee.roster
    if said.roster != roster.fingerprint:
        return Refusal(LATE, reasons.ROSTER_CHANGED(got=said.roster[:16], want=roster.fingerprint[:16]))
    if roster.hospitals.get(said.signer) != update.public_key.hex():
        return Refusal(WRONG_KEY, reasons.SIGNER(signer=said.signer[:60]))
    facts = (
        ("lineage", said.lineage, state.journal.lineage),
        ("bits", said.bits, astuple(state.plan)),
        ("rank", said.rank, update.rank),
    )
    for name, got, want in facts:
        if got != want:
            return Refusal(MALFORMED, reasons.FACT(name=name, got=got, want=want))
    if (said.stretch, said.update) in committee.used:
        return Refusal(MALFORMED, reasons.REPLAYED(update=said.update))
    if said.stretch != committee.number(version):
        return Refusal(MALFORMED, reasons.STRETCH(got=said.stretch, want=committee.number(version)))
    if said.stretch < (now := committee.number(state.version)) - 1:
        return Refusal(LATE, reasons.STRETCH_CLOSED(got=said.stretch, now=now))
    return None


def remember(state: ServerState, update: Update) -> None:
    """An update is accepted: the same one is not taken again in this session; members open none a second time ever."""
    if state.committee is not None and update.committee:
        said = SealedFacts.from_bytes(update.committee).statement
        state.committee.used.add((said.stretch, said.update))
