"""The roster as a file: its newest revision with the hospitals' signatures, and every revision before it.

Only the newest revision carries signatures. Each names the fingerprint of the one before, so trust in the newest
extends to them all: what was sealed or opened under an earlier revision can still be checked with the file.

Known to both faces: the file holds no secret, and one that was changed without the hospitals' keys is refused.

Not for: what a roster says (``crossward.encryption.committee.roster``) or the command (``crossward.cli.members``).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from crossward.encryption.committee.roster import COMMITTEE, Roster, RosterError, check_count, default_committee
from crossward.encryption.committee.signatures import Sign, verified

_FORMAT = "crossward-roster/1"
_MOST = 1 << 22  # bytes that a file may have; a revision of 100 hospitals takes 10 kB, its signatures 16 kB


@dataclass(frozen=True)
class RosterBook:
    """A roster, its signatures and its earlier revisions.

    Parameters
    ----------
    roster : Roster
        The newest revision.
    signatures : mapping of str to bytes (default: none)
        Name -> Ed25519 signature over ``roster.canonical``.
    earlier : tuple of Roster (default: none)
        Revisions 1, 2, ... before it, oldest first.

    Raises
    ------
    RosterError
        fewer than three hospitals, signatures of others, or revisions of which one does not follow the one before.
    """

    roster: Roster
    signatures: Mapping[str, bytes] = field(default_factory=dict)
    earlier: tuple[Roster, ...] = ()

    def __post_init__(self) -> None:
        check_count(self.roster.hospitals)
        before = ""
        for number, one in enumerate(self.revisions, 1):
            if one.revision != number or one.previous != before:
                raise RosterError(
                    f"the roster's chain of revisions is broken at revision {number}: expected one that follows "
                    f"{before[:16] or 'none'}. The file was changed or cut: get a whole copy from another hospital"
                )
            before = one.fingerprint
        if strangers := sorted(self.signatures.keys() - self.roster.hospitals.keys()):
            raise RosterError(f"the roster has signatures of {', '.join(strangers)}, who are not in it")

    @classmethod
    def first(
        cls,
        hospitals: Mapping[str, str],
        committee: Iterable[str] | None = None,
        threshold: int = 1,
        colluders: int = 1,
    ) -> RosterBook:
        """Revision 1, not signed yet, by default with the committee of :func:`default_committee`."""
        check_count(hospitals)
        chosen = default_committee(hospitals) if committee is None else tuple(committee)
        return cls(Roster(hospitals, chosen, threshold, colluders))

    @property
    def revisions(self) -> tuple[Roster, ...]:
        """All of them, oldest first."""
        return (*self.earlier, self.roster)

    @cached_property
    def missing(self) -> tuple[str, ...]:
        """Hospitals whose signature is missing or does not verify."""
        return tuple(
            name
            for name, key in self.roster.hospitals.items()
            if not verified(key, self.signatures.get(name, b""), self.roster.canonical)
        )

    def check(self) -> RosterBook:
        """This book, when every hospital of the newest revision has signed it.

        Raises
        ------
        RosterError
            naming who has not.
        """
        if self.missing:
            raise RosterError(
                f"roster {self.roster.fingerprint[:16]} (revision {self.roster.revision}) is not signed by "
                f"{', '.join(self.missing)}: every hospital in it must sign these very bytes (crossward members sign)"
            )
        return self

    def has(self, fingerprint: str) -> bool:
        """Whether a revision with this fingerprint is in it."""
        return any(one.fingerprint == fingerprint for one in self.revisions)

    def of(self, fingerprint: str) -> Roster:
        """The revision with this fingerprint, newest or earlier.

        Raises
        ------
        RosterError
            it is not a revision of this roster.
        """
        for one in self.revisions:
            if one.fingerprint == fingerprint:
                return one
        raise RosterError(
            f"roster {fingerprint[:16]} is not one of the {len(self.revisions)} revisions up to "
            f"{self.roster.fingerprint[:16]}, the newest here: compare the hospitals' roster files"
        )

    def follows(self, before: RosterBook | None) -> RosterBook:
        """This book, when it is ``before``, the last one accepted, or goes on from it; any does where there was none.

        Raises
        ------
        RosterError
            it leaves out the last revision accepted.
        """
        if before is not None and before.roster not in self.revisions:
            raise RosterError(
                f"roster {self.roster.fingerprint[:16]} (revision {self.roster.revision}) does not follow revision "
                f"{before.roster.revision} ({before.roster.fingerprint[:16]}), the last one accepted here"
            )
        return self

    def signed(self, name: str, sign: Sign) -> RosterBook:
        """With the signature of ``name``, made by ``sign`` (``Ed25519PrivateKey.sign``)."""
        return RosterBook(self.roster, {**self.signatures, name: sign(self.roster.canonical)}, self.earlier)

    def joined(self, other: RosterBook) -> RosterBook:
        """With the signatures of ``other``, a copy of the same revision, where this one lacks them.

        Raises
        ------
        RosterError
            ``other`` is another revision or roster.
        """
        if other.roster != self.roster:
            raise RosterError(
                f"roster {other.roster.fingerprint[:16]} (revision {other.roster.revision}) is another than "
                f"{self.roster.fingerprint[:16]} (revision {self.roster.revision}): their signatures do not fit"
            )
        theirs = {name: data for name, data in other.signatures.items() if name in self.missing}
        return RosterBook(self.roster, {**self.signatures, **theirs}, self.earlier)

    def next(
        self,
        hospitals: Mapping[str, str] | None = None,
        committee: Sequence[str] | None = None,
        threshold: int | None = None,
        colluders: int | None = None,
    ) -> RosterBook:
        """The next revision, not signed yet; what is not given stays as it is.

        Members of the committee who are still hospitals stay on it, and others fill it up to the size that it had; the
        fourth hospital joins it.

        Raises
        ------
        RosterError
            this one is not signed by all, the next would be the same, or is none that a roster can be.
        """
        now = self.check().roster
        names = now.hospitals if hospitals is None else hospitals
        size = len(now.committee) if len(now.hospitals) >= COMMITTEE else COMMITTEE
        changed = replace(
            now,
            hospitals=dict(names),
            committee=default_committee(names, now.committee, size) if committee is None else tuple(committee),
            threshold=now.threshold if threshold is None else threshold,
            colluders=now.colluders if colluders is None else colluders,
        )
        if changed == now:
            raise RosterError(f"nothing would change from revision {now.revision}: no next revision is needed")
        return RosterBook(replace(changed, revision=now.revision + 1, previous=now.fingerprint), earlier=self.revisions)

    def to_bytes(self) -> bytes:
        """As a JSON file."""
        return (
            json.dumps(
                {
                    "format": _FORMAT,
                    "roster": _facts(self.roster),
                    "signatures": {name: data.hex() for name, data in self.signatures.items()},
                    "earlier": [_facts(one) for one in self.earlier],
                },
                indent=1,
                ensure_ascii=False,
            ).encode()
            + b"\n"
        )

    @classmethod
    def from_bytes(cls, data: bytes, where: str = "roster", complete: bool = True) -> RosterBook:
        """Undo :meth:`to_bytes`, and :meth:`check` unless it need not be ``complete`` yet.

        Raises
        ------
        RosterError
            says where and what is wrong.
        """
        expected = f"expected a JSON file of format {_FORMAT}, as `crossward members` writes it"
        if len(data) > _MOST:
            raise RosterError(f"{where}: more than {_MOST} bytes, too many for a roster: {expected}")
        try:
            read = json.loads(data)
        except (ValueError, RecursionError):
            raise RosterError(f"{where}: not JSON: {expected}") from None
        found = read.get("format") if isinstance(read, dict) else None
        if isinstance(found, str) and found != _FORMAT:
            raise RosterError(f"{where}: format {found[:40]!r}, {expected}: use one release of Crossward everywhere")
        try:
            if found != _FORMAT or set(read) != {"format", "roster", "signatures", "earlier"}:
                raise TypeError
            signatures = {name: bytes.fromhex(text) for name, text in read["signatures"].items()}
            book = cls(_roster(read["roster"]), signatures, tuple(_roster(facts) for facts in read["earlier"]))
            return book.check() if complete else book
        except RosterError as error:
            raise RosterError(f"{where}: {error}") from None
        except (ValueError, TypeError, KeyError, AttributeError):
            raise RosterError(f"{where}: not a roster: {expected}") from None

    @classmethod
    def load(cls, path: Path, complete: bool = True) -> RosterBook:
        """The book in the file ``path``; as :meth:`from_bytes`.

        Raises
        ------
        RosterError
            the file is missing, unreadable, too large, or no roster; or not signed by every hospital in it.
        """
        try:
            if path.exists() and not path.is_file():
                raise RosterError(f"{path}: not a regular file, so no roster")
            with path.open("rb") as file:
                data = file.read(_MOST + 1)
        except FileNotFoundError:
            raise RosterError(
                f"there is no roster at {path}: copy the consortium's there; `crossward members init` makes one"
            ) from None
        except OSError as error:
            raise RosterError(f"the roster {path} cannot be read ({error.strerror})") from None
        return cls.from_bytes(data, str(path), complete)


def make_book(
    hospitals: Mapping[str, Ed25519PrivateKey],
    committee: Iterable[str] | None = None,
    threshold: int = 1,
    colluders: int = 1,
) -> RosterBook:
    """A first revision that all hospitals have signed, made with all their keys: for simulations and tests.

    Raises
    ------
    RosterError
        as :class:`RosterBook`.
    """
    public = {name: key.public_key().public_bytes_raw().hex() for name, key in hospitals.items()}
    book = RosterBook.first(public, committee, threshold, colluders)
    for name, key in hospitals.items():
        book = book.signed(name, key.sign)
    return book.check()


def _facts(roster: Roster) -> dict[str, Any]:
    return asdict(roster) | {"hospitals": dict(roster.hospitals)}


def _roster(facts: dict[str, Any]) -> Roster:
    """One revision of a file; a field of another kind is a TypeError."""
    counts = (facts["threshold"], facts["colluders"], facts["revision"])
    texts = [*facts["hospitals"].values(), *facts["committee"], facts["previous"]]
    if not (
        all(type(count) is int and 0 <= count < 1 << 31 for count in counts)
        and all(isinstance(text, str) for text in texts)
    ):
        raise TypeError
    return Roster(**facts | {"committee": tuple(facts["committee"])})
