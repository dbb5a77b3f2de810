"""Payloads under the committee scheme: sealed to the committee's keys, opened by checking what each version is made of.

Not for: the construction (``crossward.encryption.committee``), what is sealed at all (``client_app.update.payloads``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from client_app.committee.keys import CommitteeKeys, Consortium
from client_app.update.payloads import MissingKeyError, Opened, Payloads, UnverifiedError, Values, Vault
from crossward.encryption.committee.fields import FieldError
from crossward.encryption.committee.hospital import VersionError, seal_update
from crossward.encryption.committee.records import Claim, RecordOpener
from crossward.encryption.committee.roster import RosterError
from crossward.encryption.committee.spelling import Proof, SealedFacts, SpellingError
from crossward.encryption.committee.statements import ListError
from crossward.encryption.plan import FieldPlan
from crossward.encryption.policy import Piece
from crossward.protocol.messages import RecordHead, Task
from crossward.protocol.parts import Part, Payload, join

CHUNK = 1 << 20  # values of a sealed part


class CommitteePayloads(Payloads):
    """Payloads of one run lineage. An evaluation, which only opens, passes a :class:`Consortium` without keys.

    ``rank`` is how many components the hospital trains, 0 for all: its statements say so.
    """

    failure_reveals = False

    def __init__(
        self,
        sizes: Sequence[int],
        plan: FieldPlan,
        vault: Vault,
        lineage: str,
        consortium: Consortium,
        rank: int = 0,
    ) -> None:
        super().__init__(sizes, plan, vault)
        self.lineage, self.consortium, self.rank = lineage, consortium, rank

    def seal(self, values: Values) -> Payload:
        """Nothing is sealed to a committee without a task that names its keys: use :meth:`seal_for`."""
        raise MissingKeyError("an update is sealed to the committee's keys, which a training task names")

    def seal_for(self, task: Task, values: Values) -> tuple[Payload, bytes]:
        """The payload of ``task``'s update, and the signed statement on it with the seeds for each member.

        Raises
        ------
        MissingKeyError
            this hospital does not accept the task's sealing keys.
        """
        keys = self.consortium
        if not isinstance(keys, CommitteeKeys):
            raise MissingKeyError("this is no hospital of the roster: it opens records and seals nothing")
        invited, hidden = keys.invitation(task), self._pieces(CHUNK)[0]
        made = seal_update(
            keys.book.roster,
            self.lineage,
            invited.stretch,
            keys.name,
            keys.sign,
            invited.certificates,
            self.plan,
            self.vault.secret(self.vault.fingerprint).committee_key(),
            (piece.gather(values) for piece in hidden),
            self.rank,
        )

        def parts() -> Iterator[Part]:
            for piece, block in zip(hidden, made.blocks, strict=True):
                yield self._part(piece, self.kind, block)
            yield from self._clear_parts(values)

        return join(parts()), SealedFacts(made.statement, made.boxes).to_bytes()

    def _chunk(self, head: RecordHead) -> int:
        return CHUNK

    def _opened_sealed(self, payload: Payload, hidden: Sequence[Piece], head: RecordHead) -> Opened:
        secret = self.vault.secret(head.key).committee_key()
        opener = RecordOpener(self.consortium.book, self.consortium.rules, secret, self.lineage, self.plan)
        claim = Claim(head.first, head.last, head.weight_sum, head.sign, head.dithered, head.reverts, head.epoch)
        blocks = ((part.data, part.head.length) for part in islice(payload, len(hidden)))
        try:
            proof = Proof.from_text(head.proof)
            opened = opener.open(claim, proof, blocks, sum(piece.length for piece in hidden))
            for piece, values in zip(hidden, opened, strict=True):
                yield from piece.spread(values)
        except RosterError as error:
            raise MissingKeyError(
                f"{claim.text} cannot be checked: {error}. Point roster-path at the newest file that all have signed"
            ) from error
        except (FieldError, ListError, SpellingError, VersionError) as error:
            raise UnverifiedError(str(error)) from error
