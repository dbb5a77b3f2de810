"""What a hospital holds of the committee scheme beside the consortium's key: roster, its place in it, its rules.

Not for: the consortium's key (``client_app.update.payloads``), or sealing keys (``client_app.committee.stretches``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from client_app.update.payloads import MissingKeyError
from crossward.encryption.committee.roster import RosterError, stretch_of
from crossward.encryption.committee.roster_file import RosterBook
from crossward.encryption.committee.signatures import Sign
from crossward.encryption.committee.spelling import Invitation, SpellingError
from crossward.encryption.committee.statements import Rules
from crossward.encryption.identity import public_of
from crossward.protocol.messages import Task


@dataclass(frozen=True)
class Consortium:
    """What checking a version takes: every revision of the roster, and what is demanded of a version."""

    book: RosterBook
    rules: Rules


@dataclass(frozen=True)
class CommitteeKeys(Consortium):
    """What a hospital of the roster seals and answers with.

    Parameters
    ----------
    name : str
        The hospital in the newest roster, found by its identity key: see :meth:`of`.
    public, sign : str, Sign
        Its identity key: the public one, 64 hex digits, and ``Ed25519PrivateKey.sign``.
    folder : Path
        Where the run lineage's sealing keys are, if the hospital is on the committee.
    length : int
        Versions of a stretch.
    """

    name: str
    public: str
    sign: Sign = field(repr=False)
    folder: Path
    length: int

    @classmethod
    def of(
        cls, book: RosterBook, rules: Rules, identity: Ed25519PrivateKey, folder: Path, length: int
    ) -> CommitteeKeys:
        """Those of the hospital whose ``identity`` is in the roster.

        Raises
        ------
        RosterError
            it is not in the newest revision.
        """
        public = public_of(identity)
        try:
            name = book.roster.name_of(public)
        except RosterError as error:
            raise RosterError(
                f"{error}, which is this hospital's: restore the identity.pem that the roster has, or have the "
                "hospitals add this one with `crossward members add` and point roster-path at the file that all signed"
            ) from None
        return cls(book, rules, name, public, identity.sign, folder, length)

    def invitation(self, task: Task) -> Invitation:
        """Whose keys the update of a training task is sealed to.

        Raises
        ------
        MissingKeyError
            the task names another roster or stretch, too few sealing keys, or one that is not its member's.
        """
        if not task.committee:
            raise MissingKeyError(
                "the task names no sealing keys of the committee: run the same release of Crossward everywhere"
            )
        roster = self.book.roster
        try:
            invited = Invitation.from_bytes(task.committee)
            if invited.roster != roster.fingerprint:
                raise MissingKeyError(self._other_roster(invited.roster))
            if invited.stretch != (expected := stretch_of(task.version, self.length)):
                raise MissingKeyError(
                    f"the task names sealing keys of stretch {invited.stretch}, version {task.version} is in stretch "
                    f"{expected}: encryption.stretch = {self.length} must be the aggregator's too"
                )
            for name, certificate in invited.certificates.items():
                certificate.check(roster, name, task.lineage, invited.stretch)
        except (SpellingError, RosterError) as error:
            raise MissingKeyError(f"nothing can be sealed to the committee: {error}") from error
        missing = sorted(set(roster.committee) - set(invited.certificates))
        if len(missing) > roster.absent:
            raise MissingKeyError(
                f"the task lacks the sealing keys of {', '.join(missing)}: of this committee {roster.absent} may be "
                "absent; wait until more of its members are connected"
            )
        return invited

    def _other_roster(self, named: str) -> str:
        own, earlier = self.book.roster, self.book.has(named)
        what = (
            "an earlier revision of it: the other hospitals must" if earlier else "not known here: this hospital must"
        )
        return (
            f"the run follows roster {named[:16]}, this hospital roster {own.fingerprint[:16]} (revision "
            f"{own.revision}). The run's is {what} point roster-path at the newest file that all have signed"
        )
