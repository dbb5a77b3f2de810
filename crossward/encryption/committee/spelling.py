"""Facts of the committee scheme as bytes, for the wire and for run folders, and back.

One spelling for everything: a zlib stream of JSON, and behind it raw bytes (boxes, rosters) whose sizes the JSON has.
Reading checks presence, types and sizes, and raises :class:`SpellingError`; signatures and what the facts mean are
checked by those who use them (``statements``, ``opening``, ``member``).

=====================  =======================================================================
:class:`Invitation`    in a training task: the roster in force, the stretch, whose keys to seal to
:class:`SealedFacts`   in an update: its statement and a box for each member of the committee
:class:`ListRequest`   to a member: the list to consent to, or to answer for, and its boxes
:class:`AnswerFacts`   in a member's answer: for which subsets, tag and signature
:class:`Proof`         with a record: the lists that it is the sum of, and the sum of their tags
=====================  =======================================================================

Known to both faces: nothing here is secret.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from crossward.encryption.committee.roster import SealingCertificate
from crossward.encryption.committee.statements import TAG_PRIME, Consent, Statement, VersionList

T = TypeVar("T")
MOST_FACTS = 16 << 20  # bytes of JSON: the lists of a few thousand versions


class SpellingError(ValueError):
    """Bytes are not the facts that were expected."""

    tellable = True  # see client_app.guard.refusals


# ---------------------------------------------------------------------- bytes


def _spell(facts: Any, blobs: Sequence[bytes] = ()) -> bytes:
    text = json.dumps([facts, [len(blob) for blob in blobs]], separators=(",", ":")).encode()
    packed = zlib.compress(text, 6)
    return b"".join([len(packed).to_bytes(4, "big"), packed, *blobs])


def _read(data: bytes, what: str) -> tuple[Any, list[bytes]]:
    """The facts and the blobs of :func:`_spell`."""
    size = int.from_bytes(data[:4], "big")
    try:
        stream = zlib.decompressobj()
        text = stream.decompress(data[4 : 4 + size], MOST_FACTS)
        if not stream.eof or stream.unused_data:
            raise ValueError("it is cut short or too long")
        facts, sizes = json.loads(text)
        if not all(type(n) is int and n >= 0 for n in sizes) or 4 + size + sum(sizes) != len(data):
            raise ValueError("its parts have other sizes than it says")
    except (ValueError, TypeError, zlib.error, RecursionError) as error:
        raise SpellingError(f"{what} cannot be read ({error}): it was cut or changed on its way") from None
    blobs, at = [], 4 + size
    for n in sizes:
        blobs.append(data[at : at + n])
        at += n
    return facts, blobs


def _undo(data: bytes, what: str, read: Callable[[Any, list[bytes]], T]) -> T:
    """What ``read`` makes of the facts and blobs in ``data``."""
    facts, blobs = _read(data, what)
    try:
        return read(facts, blobs)
    except SpellingError:
        raise
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise SpellingError(f"{what} lacks a fact or has one of another type ({type(error).__name__})") from None


def _row(kind: type[Any], given: Sequence[Any], types: Mapping[str, type]) -> dict[str, Any]:
    """``given`` as the fields of ``kind`` in order, each of its type; tuples of texts or numbers are lists in JSON."""
    names = [f.name for f in fields(kind)]
    if not isinstance(given, list) or len(given) != len(names):
        raise SpellingError(f"a {kind.__name__.lower()} of {len(names)} facts was expected")
    out: dict[str, Any] = {}
    for name, value in zip(names, given, strict=True):
        expected = types[name]
        if expected is bytes:
            value = bytes.fromhex(value)
        elif expected is tuple:
            if not isinstance(value, list) or any(type(item) not in (str, int) for item in value):
                raise SpellingError(f"'{name}' of a {kind.__name__.lower()} is no list of texts or numbers")
            value = tuple(value)
        if type(value) is not expected:
            raise SpellingError(f"'{name}' of a {kind.__name__.lower()} is {type(value).__name__}")
        out[name] = value
    return out


def _plain(value: Any) -> Any:
    return value.hex() if isinstance(value, bytes) else list(value) if isinstance(value, tuple) else value


_STATEMENT = {
    "lineage": str,
    "roster": str,
    "signer": str,
    "update": str,
    "stretch": int,
    "bits": tuple,
    "count": int,
    "digest": str,
    "tag": int,
    "seeds": tuple,
    "boxes": tuple,
    "signature": bytes,
    "rank": int,
}
_CONSENT = {"member": str, "digest": str, "signature": bytes}
_CERTIFICATE = {"member": str, "lineage": str, "stretch": int, "key": bytes, "signature": bytes}


def _facts(of: Any) -> list[Any]:
    return [_plain(getattr(of, f.name)) for f in fields(of)]


def _statement_facts(statement: Statement) -> list[Any]:
    """Of one that trains all components, the facts as they were before hospitals could train fewer."""
    return _facts(statement) if statement.rank else _facts(statement)[:-1]


def _statement(given: Any) -> Statement:
    if isinstance(given, list) and len(given) == len(_STATEMENT) - 1:
        given = [*given, 0]
    found = Statement(**_row(Statement, given, _STATEMENT))
    if len(found.bits) != 3 or any(type(n) is not int for n in found.bits):
        raise SpellingError("'bits' of a statement are not three numbers")
    return found


def _list_facts(version: VersionList) -> list[Any]:
    rows = [[_statement_facts(statement), weight] for statement, weight in version.contributions]
    return [version.lineage, version.version, version.epoch, version.roster, rows]


def _list(given: Any) -> VersionList:
    lineage, version, epoch, roster, rows = given
    texts, numbers = (lineage, roster), (version, epoch)
    if any(type(text) is not str for text in texts) or any(type(number) is not int for number in numbers):
        raise SpellingError("a version list has facts of another type")
    if not rows or any(type(weight) is not int for _, weight in rows):
        raise SpellingError("a version list has no contributions, or weights that are no whole numbers")
    return VersionList(lineage, version, roster, tuple((_statement(row), weight) for row, weight in rows), epoch)


# ---------------------------------------------------------------------- what is spelled


@dataclass(frozen=True)
class Invitation:
    """Whose keys an update is to be sealed to: ``certificates`` by member, of ``stretch``, under ``roster``."""

    roster: str
    stretch: int
    certificates: Mapping[str, SealingCertificate]

    def to_bytes(self) -> bytes:
        """For ``Task.committee`` of a training."""
        rows = spell_certificates(self.certificates[name] for name in sorted(self.certificates))
        return _spell([self.roster, self.stretch], [rows])

    @classmethod
    def from_bytes(cls, data: bytes) -> Invitation:
        """Undo :meth:`to_bytes`; signatures are not checked.

        Raises
        ------
        SpellingError
            it cannot be read.
        """
        what = "the committee's part of the task"

        def read(facts: Any, blobs: list[bytes]) -> Invitation:
            (roster, stretch), (rows,) = facts, blobs
            if not isinstance(roster, str) or type(stretch) is not int:
                raise SpellingError(f"{what} has facts of another type")
            return cls(roster, stretch, {c.member: c for c in read_certificates(rows)})

        return _undo(data, what, read)


def spell_certificates(certificates: Iterable[SealingCertificate]) -> bytes:
    """Sealing certificates, for ``Membership.certificates``."""
    listed = list(certificates)
    rows = [[c.member, c.lineage, c.stretch, c.signature.hex()] for c in listed]
    return _spell(rows, [c.key for c in listed])


def read_certificates(data: bytes) -> tuple[SealingCertificate, ...]:
    """Undo :func:`spell_certificates`; signatures are not checked.

    Raises
    ------
    SpellingError
        they cannot be read.
    """

    def read(rows: Any, keys: list[bytes]) -> tuple[SealingCertificate, ...]:
        given = [[m, lineage, stretch, key.hex(), s] for (m, lineage, stretch, s), key in zip(rows, keys, strict=True)]
        return tuple(SealingCertificate(**_row(SealingCertificate, row, _CERTIFICATE)) for row in given)

    return _undo(data, "sealing certificates", read)


@dataclass(frozen=True)
class SealedFacts:
    """An update's statement and the boxes of its seeds, by member of the committee."""

    statement: Statement
    boxes: Mapping[str, bytes]

    def to_bytes(self) -> bytes:
        """For ``Update.committee``."""
        members = sorted(self.boxes)
        return _spell([_statement_facts(self.statement), members], [self.boxes[member] for member in members])

    @classmethod
    def from_bytes(cls, data: bytes) -> SealedFacts:
        """Undo :meth:`to_bytes`; signatures are not checked.

        Raises
        ------
        SpellingError
            it cannot be read.
        """
        what = "the statement on the sealed values"

        def read(facts: Any, blobs: list[bytes]) -> SealedFacts:
            statement, members = facts
            if any(not isinstance(member, str) for member in members):
                raise SpellingError(f"{what} names members by other than texts")
            return cls(_statement(statement), dict(zip(members, blobs, strict=True)))

        return _undo(data, what, read)


@dataclass(frozen=True)
class ListRequest:
    """What a member is asked: to consent to a list, or, with ``subsets`` and ``counts``, to answer for them.

    ``key`` is the fingerprint of the consortium key whose secret pads the sum, ``boxes`` are the member's, by signer,
    ``counts`` the fields of each block.
    """

    version: VersionList
    key: str
    boxes: Mapping[str, bytes]
    consents: tuple[Consent, ...] = ()
    subsets: tuple[int, ...] = ()
    counts: tuple[int, ...] = ()

    def to_bytes(self) -> bytes:
        """For ``Task.committee`` of a question to a member."""
        signers = sorted(self.boxes)
        consents = [_facts(consent) for consent in self.consents]
        facts = [_list_facts(self.version), self.key, signers, consents, list(self.subsets), list(self.counts)]
        return _spell(facts, [self.boxes[signer] for signer in signers])

    @classmethod
    def from_bytes(cls, data: bytes) -> ListRequest:
        """Undo :meth:`to_bytes`; signatures are not checked.

        Raises
        ------
        SpellingError
            it cannot be read.
        """
        what = "the question to the committee"

        def read(facts: Any, blobs: list[bytes]) -> ListRequest:
            listed, key, signers, consents, subsets, counts = facts
            texts, numbers = [key, *signers], [*subsets, *counts]
            if any(not isinstance(text, str) for text in texts) or any(type(number) is not int for number in numbers):
                raise SpellingError(f"{what} has facts of another type")
            boxes = dict(zip(signers, blobs, strict=True))
            given = tuple(Consent(**_row(Consent, consent, _CONSENT)) for consent in consents)
            return cls(_list(listed), key, boxes, given, tuple(subsets), tuple(counts))

        return _undo(data, what, read)


@dataclass(frozen=True)
class AnswerFacts:
    """An ``opening.Answer`` without its blocks."""

    member: str
    digest: str
    subsets: tuple[int, ...]
    tag: int
    signature: bytes

    def to_bytes(self) -> bytes:
        """For ``Answered.facts``."""
        return _spell(_facts(self))

    @classmethod
    def from_bytes(cls, data: bytes) -> AnswerFacts:
        """Undo :meth:`to_bytes`.

        Raises
        ------
        SpellingError
            it cannot be read.
        """
        types = {"member": str, "digest": str, "subsets": tuple, "tag": int, "signature": bytes}
        return _undo(data, "the answer of a member", lambda facts, _: cls(**_row(cls, facts, types)))


@dataclass(frozen=True)
class Proof:
    """What a record claims to be: the sum of the versions of ``lists``, whose tag shares add up to ``tag``."""

    lists: tuple[VersionList, ...]
    tag: int

    @classmethod
    def joined(cls, proofs: Sequence[Proof]) -> Proof:
        """Of the sum of records."""
        lists = tuple(version for proof in proofs for version in proof.lists)
        return cls(lists, sum(proof.tag for proof in proofs) % TAG_PRIME)

    def to_text(self) -> str:
        """For ``RecordHead.proof``, and for a version's file in the run folder."""
        return base64.b64encode(_spell([[_list_facts(version) for version in self.lists], self.tag])).decode()

    @classmethod
    def from_text(cls, text: str) -> Proof:
        """Undo :meth:`to_text`; signatures are not checked.

        Raises
        ------
        SpellingError
            it cannot be read.
        """
        what = "the proof of a record"
        try:
            data = base64.b64decode(text, validate=True)
        except (ValueError, binascii.Error):
            raise SpellingError(f"{what} cannot be read: it was cut or changed on its way") from None

        def read(facts: Any, _: list[bytes]) -> Proof:
            lists, tag = facts
            if type(tag) is not int or not lists:
                raise SpellingError(f"{what} names no version list, or a tag that is no number")
            return cls(tuple(_list(version) for version in lists), tag)

        return _undo(data, what, read)


def join_proofs(texts: Sequence[str]) -> str:
    """The proof of a sum of records; empty where they have none."""
    if not any(texts):
        return ""
    return Proof.joined([Proof.from_text(text) for text in texts]).to_text()
