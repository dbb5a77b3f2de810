"""A hospital's seat on the committee: it names its sealing keys, consents to version lists and answers for them.

It takes keys alone, no notes and no model, so that a member answers while it trains. Whatever is refused, the reply
says why, naming things and numbers and never content.

Not for: the checks (``crossward.encryption.committee.member``), or which keys are alive
(``client_app.committee.stretches``).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

from client_app.committee.keys import CommitteeKeys
from client_app.committee.stretches import Stretches
from client_app.update.payloads import MissingKeyError, Vault
from crossward.config.encryption_schemes import COMMITTEE
from crossward.encryption.committee.boxes import BoxError
from crossward.encryption.committee.member import Member
from crossward.encryption.committee.roster import Roster, RosterError
from crossward.encryption.committee.spelling import AnswerFacts, ListRequest, SpellingError, spell_certificates
from crossward.encryption.committee.statements import ListError
from crossward.encryption.committee.stretch import Stretch, StretchError
from crossward.encryption.plan import FieldPlan, PlanError
from crossward.protocol.messages import DECLINED, Answered, Consented, Failure, Membership, Reply, Task
from crossward.protocol.parts import Part, PartHead, join

_REFUSED = (BoxError, ListError, MissingKeyError, PlanError, RosterError, SpellingError, StretchError)


class _Asked(NamedTuple):
    """A question to a member: of which roster, by which name, and where its keys are."""

    request: ListRequest
    roster: Roster
    name: str
    stretches: Stretches


@dataclass(frozen=True)
class Seat:
    """A hospital's seat: ``keys`` are the hospital's, ``vault`` has the consortium's."""

    keys: CommitteeKeys
    vault: Vault

    def membership(self, task: Task) -> Reply:
        """The roster, and this hospital's public sealing keys if it is on the committee."""
        return _declining(task, lambda: self._membership(task))

    def consent(self, task: Task) -> Reply:
        """Consent to a version list, on disk before it leaves, or why not."""
        return _declining(task, lambda: self._consent(task))

    def answer(self, task: Task) -> Reply:
        """This hospital's share of a list that a quorum has consented to, or why not."""
        return _declining(task, lambda: self._answer(task))

    def _membership(self, task: Task) -> Membership:
        keys = self.keys
        alive: tuple[Stretch, ...] = ()
        if keys.name in keys.book.roster.committee:
            alive = Stretches(keys.folder, task.lineage, keys.length).reach(task.version)
        certificates = [stretch.certificate(keys.name, keys.sign) for stretch in alive]
        public, spelled = bytes.fromhex(keys.public), spell_certificates(certificates)
        said = Membership(task.lineage, task.task, public, keys.book.to_bytes(), spelled)
        return replace(said, signature=keys.sign(said.signed_bytes()))

    def _consent(self, task: Task) -> Consented:
        began = time.thread_time()
        asked = self._asked(task)
        request, own = asked.request, self.keys.book.roster
        if asked.roster != own:
            raise ListError(
                f"the list is of an earlier roster, {asked.roster.fingerprint[:16]}; the one in force here is "
                f"{own.fingerprint[:16]}"
            )
        with asked.stretches.locked():
            member, _ = self._member(asked)
            consent = member.consent(request.version, request.boxes)
        facts = consent.member, consent.digest, consent.signature
        return Consented(task.lineage, task.task, *facts, time.thread_time() - began)

    def _answer(self, task: Task) -> Answered:
        began = time.thread_time()
        asked = self._asked(task)
        request, digest, bits = asked.request, asked.request.version.digest, FieldPlan(*task.plan).sum_bits(1)
        with asked.stretches.locked():
            member, held = self._member(asked)
            if asked.roster != self.keys.book.roster and not any(digest in stretch.opened() for stretch in held):
                raise ListError(
                    f"the list is of an earlier roster, {asked.roster.fingerprint[:16]}, and was not consented to here"
                )
            opened = member.open(request.version, request.boxes, request.consents)
        answer = opened.answer(request.subsets, request.counts)
        parts = (
            Part(PartHead(COMMITTEE, count, bits, len(block)), block)
            for count, block in zip(request.counts, answer.blocks, strict=True)
        )
        facts = AnswerFacts(answer.member, answer.digest, answer.subsets, answer.tag, answer.signature)
        return Answered(task.lineage, task.task, facts.to_bytes(), join(parts), time.thread_time() - began)

    def _asked(self, task: Task) -> _Asked:
        """What a member is asked, if this hospital is one."""
        request = ListRequest.from_bytes(task.committee)
        if request.version.lineage != task.lineage:
            raise ListError(f"the list is of run {request.version.lineage[:64]!r}, the task of {task.lineage}")
        roster = self.keys.book.of(request.version.roster)
        name = roster.name_of(self.keys.public)
        if name not in roster.committee:
            raise ListError(f"{self.keys.name} is not on the committee of roster {roster.fingerprint[:16]}")
        return _Asked(request, roster, name, Stretches(self.keys.folder, task.lineage, self.keys.length))

    def _member(self, asked: _Asked) -> tuple[Member, tuple[Stretch, ...]]:
        """This hospital as a member, with those stretches of the list whose keys it still has."""
        version = asked.request.version
        held = asked.stretches.held(statement.stretch for statement, _ in version.contributions)
        asked.stretches.check_room(held, version.digest)
        secret = self.vault.secret(asked.request.key).committee_key()
        return Member(asked.name, asked.roster, self.keys.sign, held, secret, self.keys.rules), held


def _declining(task: Task, act: Callable[[], Reply]) -> Reply:
    try:
        return act()
    except _REFUSED as error:
        return Failure(task.lineage, task.task, DECLINED, str(error), -1)
