"""Four hospitals with their seats, and an aggregator that does what the protocol asks of it, or something else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from numpy.typing import NDArray

from client_app.committee.keys import CommitteeKeys
from client_app.committee.payloads import CommitteePayloads
from client_app.committee.rosters import keys_of_all
from client_app.committee.seat import Seat
from client_app.update.payloads import Vault
from crossward.config.encryption_settings import EncryptionSettings
from crossward.encryption.aggregator import arithmetic
from crossward.encryption.committee.masks import joint_key, open_seeds
from crossward.encryption.committee.opening import Answer
from crossward.encryption.committee.roster import SealingCertificate
from crossward.encryption.committee.spelling import (
    AnswerFacts,
    Invitation,
    ListRequest,
    Proof,
    SealedFacts,
    join_proofs,
    read_certificates,
)
from crossward.encryption.committee.statements import TAG_PRIME, Consent, Rules, VersionList
from crossward.encryption.committee.stretch import Stretch
from crossward.encryption.dither import KNOWN, Dither
from crossward.encryption.key_format import ConsortiumKey
from crossward.encryption.plan import FieldPlan
from crossward.encryption.secret import Secret
from crossward.protocol.messages import Answered, Consented, Failure, Head, Membership, RecordHead, Task
from crossward.protocol.parts import Part, PartHead, Payload, join
from strategies.opening.making import opened
from strategies.opening.round import share_out

LINEAGE, LENGTH = "line", 4
SIZES, PLAN = (5, 0, 9, 30), FieldPlan(8, 7, 2)
MARKS = {"all": None, "sensitive": (False, True, True, False)}
SECRET = Secret(bytes(range(32)))
RULES = Rules()
TASK = Task(LINEAGE, 1, 0, 0, 0, 100, astuple(PLAN), Head(0, "ab" * 32))

Sealed = tuple[Payload, SealedFacts]


def identity(number: int) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes([number + 1]) * 32)


class Consortium:
    def __init__(
        self, folder: Path, hospitals: int = 4, policy: str = "all", rules: Rules = RULES, plan: FieldPlan = PLAN
    ) -> None:
        self.folder, self.plan = folder, plan
        self.identities = {f"h{number}": identity(number) for number in range(hospitals)}
        settings = EncryptionSettings(policy=policy, scheme="committee", workers=1)
        self.vault = Vault(settings, ConsortiumKey(SECRET), MARKS[policy])
        self.keys = keys_of_all(folder, self.identities, rules, LENGTH)
        self.seats = {name: Seat(keys, self.vault) for name, keys in self.keys.items()}
        self.roster = self.keys["h0"].book.roster
        self.kinds = arithmetic(plan, policy, "committee")
        self.certificates: dict[int, dict[str, SealingCertificate]] = {}

    def payloads(self, name: str = "h0", **changes: Any) -> CommitteePayloads:
        keys: CommitteeKeys = replace(self.keys[name], **changes)
        return CommitteePayloads(SIZES, self.plan, self.vault, LINEAGE, keys)

    # ------------------------------------------------------------------ the aggregator

    def meet(self, version: int = 0, names: Sequence[str] = ()) -> None:
        """Ask hospitals, all by default, for their keys at a version."""
        for name in names or self.seats:
            said = self.seats[name].membership(replace(TASK, version=version))
            assert isinstance(said, Membership), said
            for certificate in read_certificates(said.certificates):
                self.certificates.setdefault(certificate.stretch, {})[name] = certificate

    def task(self, version: int = 0, **changes: Any) -> Task:
        """A training task."""
        number = 1 + version // LENGTH
        invited = Invitation(self.roster.fingerprint, number, self.certificates.get(number, {}))
        return replace(TASK, version=version, committee=replace(invited, **changes).to_bytes())

    def seal(self, name: str, values: NDArray[Any], task: Task | None = None) -> Sealed:
        payload, facts = self.payloads(name).seal_for(task or self.task(), values)
        return payload, SealedFacts.from_bytes(facts)

    def list(self, sent: Mapping[str, Sealed], weights: Sequence[int], version: int = 1) -> VersionList:
        return VersionList.of(self.roster, version, [facts.statement for _, facts in sent.values()], weights)

    def request(self, member: str, sent: Mapping[str, Sealed], listed: VersionList, **more: Any) -> Task:
        boxes = {name: facts.boxes[member] for name, (_, facts) in sent.items() if member in facts.boxes}
        asked = ListRequest(listed, SECRET.fingerprint, boxes, **more)
        return replace(TASK, version=listed.version, committee=asked.to_bytes())

    def consents(
        self, sent: Mapping[str, Sealed], listed: VersionList, members: Sequence[str] = ()
    ) -> tuple[Consent, ...]:
        said = [
            self.seats[m].consent(self.request(m, sent, listed))
            for m in members or self.roster.committee[: self.roster.quorum]
        ]
        assert all(isinstance(one, Consented) for one in said), said
        return tuple(Consent(one.member, one.digest, one.signature) for one in said if isinstance(one, Consented))

    def answer(
        self,
        member: str,
        subsets: Sequence[int],
        sent: Mapping[str, Sealed],
        listed: VersionList,
        consents: Sequence[Consent],
    ) -> Answered | Failure:
        more = {"consents": tuple(consents), "subsets": tuple(subsets), "counts": counts(sent)}
        said = self.seats[member].answer(self.request(member, sent, listed, **more))
        assert isinstance(said, Answered | Failure)
        return said

    def record(
        self,
        sent: Mapping[str, Sealed],
        weights: Sequence[int],
        version: int = 1,
        members: Sequence[str] = (),
    ) -> tuple[RecordHead, Payload]:
        """The version of updates, in the order of their signers' names."""
        listed = self.list(sent, weights, version)
        consents = self.consents(sent, listed, members)
        answers, shares = [], []
        every = range(len(self.roster.subsets))
        for member, subsets in share_out(self.roster, every, members or self.roster.committee).items():
            said = self.answer(member, subsets, sent, listed, consents)
            assert isinstance(said, Answered), said
            facts = AnswerFacts.from_bytes(said.facts)
            answer = Answer(
                facts.member,
                facts.digest,
                facts.subsets,
                tuple(bytes(part.data) for part in said.payload),
                facts.tag,
                facts.signature,
            )
            answer.check(self.roster, listed, subsets, counts(sent))
            answers.append(answer)
            shares.append(said.payload)
        bits, clear = self.plan.sum_bits(1), KNOWN.version(self.plan.total_weight, version, sorted(sent), weights)
        parts = opened([payload for payload, _ in sent.values()], weights, shares, bits, self.kinds, clear)
        proof = Proof((listed,), sum(answer.tag for answer in answers) % TAG_PRIME)
        head = RecordHead(version, version, 0, sum(weights), 1, SECRET.fingerprint, 1, proof.to_text())
        return head, join(parts)

    def joined(self, records: Sequence[tuple[RecordHead, Payload]]) -> tuple[RecordHead, Payload]:
        """The sum of records."""
        heads, bits = [head for head, _ in records], self.plan.sum_bits(len(records))
        parts = []
        for same in zip(*(payload for _, payload in records), strict=True):
            head, ones = same[0].head, [1] * len(same)
            data = self.kinds[head.kind].combine(
                [part.data for part in same], ones, [part.head.bits for part in same], bits, head.length
            )
            parts.append(Part(PartHead(head.kind, head.length, bits, len(data)), data))
        summed = heads[0]._replace(
            last=heads[-1].last,
            weight_sum=sum(head.weight_sum for head in heads),
            dithered=len(heads),
            proof=join_proofs([head.proof for head in heads]),
        )
        return summed, join(parts)

    # ------------------------------------------------------------------ who knows everything

    def dither(self, sent: Mapping[str, Sealed], listed: VersionList) -> NDArray[np.int64]:
        """What the carriers add to the sealed fields less the means, int64 [sealed fields]."""
        total = np.full(listed.count, -self.plan.dither_mean * len(self.roster.carriers))
        for subset in self.roster.carriers:
            member = self.roster.subsets[subset][0]
            held = []
            for statement, _ in listed.contributions:
                stretch = Stretch.load(self.folder / member, LINEAGE, statement.stretch)
                box = sent[statement.signer][1].boxes[member]
                held.append(open_seeds(stretch.key, self.roster, member, statement, box))
            made = Dither(joint_key(held, subset, listed.digest)).version(
                self.plan.total_weight, listed.version, listed.signers, listed.weights
            )
            assert made is not None
            total += made(0, listed.count)
        return total

    def expected(
        self, values: Mapping[str, NDArray[Any]], sent: Mapping[str, Sealed], weights: Sequence[int], version: int = 1
    ) -> NDArray[np.int64]:
        """The weighted sum in the clear with the version's dithers, int64 [total]."""
        listed = self.list(sent, weights, version)
        total = sum(weight * row.astype(np.int64) for weight, row in zip(weights, values.values(), strict=True))
        payloads, marks = self.payloads(), self.vault.sealed(len(SIZES))
        clear = KNOWN.version(self.plan.total_weight, version, sorted(sent), weights)
        assert clear is not None
        sealed = np.repeat(marks, SIZES)
        out: NDArray[np.int64] = np.array(total)
        out[sealed] += self.dither(sent, listed)
        first = listed.count
        for piece in payloads._pieces(1 << 20)[1]:
            for start, stop in piece.ranges:
                out[start:stop] += clear(first, stop - start) - self.plan.dither_mean
                first += stop - start
        return out


def counts(sent: Mapping[str, Sealed]) -> tuple[int, ...]:
    payload = next(iter(sent.values()))[0]
    return tuple(head.length for head in payload.heads if head.kind == "committee")


def values(seed: int, plan: FieldPlan = PLAN) -> NDArray[np.int32]:
    rng = np.random.default_rng(seed)
    return rng.integers(-plan.q_max, plan.q_max + 1, sum(SIZES)).astype(np.int32)


def read(payloads: CommitteePayloads, record: tuple[RecordHead, Payload]) -> NDArray[np.int64]:
    head, payload = record
    out = np.full(sum(SIZES), 1 << 40)
    for place, part in payloads.open(payload, head):
        out[place] = part
    return out
