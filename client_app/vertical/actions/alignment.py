"""Steps in which parties find out which patients they have in common (``crossward.alignment``).

Files in the party's folder: ``alignment/`` while it lasts, then ``common.npy``, the party's rows of the common patients
in the order that all parties share.

Not for: the protocol and what it hides (``docs/alignment.md``).
"""

from __future__ import annotations

import hashlib
import hmac
import io
import logging
import shutil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from client_app.vertical.errors import PartyError
from client_app.vertical.owner import Owner
from client_app.vertical.party import Party, Turn
from crossward.alignment.given import Given
from crossward.alignment.identifiers import own_rules
from crossward.alignment.psi import Party as Aligner
from crossward.alignment.receipts import Receipt
from crossward.alignment.ring import Declared, Ring
from crossward.machine.files import write_atomic
from crossward.protocol.vertical.messages import DECLARED, DIGEST, POSITIONS, RECEIPTS, SET

COMMON, DIGEST_FILE = "common.npy", "common.sha256"
FEWEST = 20  # patients in common, below which no model can be held out, stopped and measured
logger = logging.getLogger("crossward.node")


def _aligner(party: Party, turn: Turn) -> Aligner:
    settings = party.config.vertical
    names = tuple(one.name for one in turn.work.parties)
    ring = Ring(party.keys.lineage, names, turn.holder, settings.cardinality_only, settings.most_patients)
    return Aligner(party.folder / "alignment", ring, party.keys.name)


def _given(party: Party) -> Given:
    patients = tuple(map(own_rules(party.prefix), party.data.patients))  # what is left is spelt as at every party
    return Given(patients, party.keys.pepper, padding=max(party.config.vertical.padding, 1))


def blind(party: Party, turn: Turn) -> None:
    """Blind the party's identifiers; declare the set to all, and send it to the next in the ring."""
    aligner = _aligner(party, turn)
    declared = aligner.prepare(_given(party))
    write_atomic(_declared(party), declared.encode(), private=True)
    for other in turn.others:
        turn.mail.send(other, DECLARED, [declared.encode()])
    receiver = aligner.ring.next(party.keys.name, party.keys.name)
    assert receiver is not None  # noqa: S101 - a ring has two parties
    turn.mail.send(receiver, SET, aligner.messages(party.keys.name))
    turn.facts["declared patients"] = declared.size


def raise_sets(party: Party, turn: Turn) -> None:
    """Raise the sets that have arrived, and send each on; the label holder keeps what ends with it."""
    aligner = _aligner(party, turn)
    if turn.work.round == 1:
        found = turn.mail.opened(turn.work.inbox, DECLARED, 1)
        declared = [_of(name, Declared.decode(one)) for name, (one,) in found.items()]
        aligner.agree([Declared.decode(_declared(party).read_bytes()), *declared])
    _receive(party, turn, aligner)


def _receive(party: Party, turn: Turn, aligner: Aligner) -> None:
    """Take in sets and receipts of the step before, raise the sets, and pass sets and receipts on."""
    receipts: list[Receipt] = []
    for sender, pieces in turn.mail.opened(turn.work.inbox, SET).items():
        for origin in filter(None, [aligner.receive(piece, sender) for piece in pieces]):
            if origin == party.keys.name:
                continue
            receipts.append(aligner.raise_set(origin))
            if (receiver := aligner.ring.next(origin, party.keys.name)) is not None:
                turn.mail.send(receiver, SET, aligner.messages(origin))
    if turn.holder == party.keys.name:
        for name, pieces in turn.mail.opened(turn.work.inbox, RECEIPTS).items():
            receipts.extend(_by(name, Receipt.decode(piece)) for piece in pieces)
    elif receipts:
        turn.mail.send(turn.holder, RECEIPTS, [receipt.encode() for receipt in receipts])
    text = b"\n".join(receipt.encode() for receipt in receipts)
    write_atomic(_receipts_path(party, turn.work.step), text, private=True)


def _of(sender: str, one: Declared) -> Declared:
    """A declaration, if it is of its sender's own set."""
    if one.origin != sender:
        raise PartyError(f"{sender!r} declares a set of {one.origin!r}")
    return one


def _by(sender: str, one: Receipt) -> Receipt:
    """A receipt, if its sender raised the set."""
    if one.party != sender:
        raise PartyError(f"{sender!r} sends a receipt of {one.party!r}")
    return one


def match(party: Party, turn: Turn) -> None:
    """The label holder compares the blinded sets and sends every party the positions of its common patients."""
    aligner = _aligner(party, turn)
    _receive(party, turn, aligner)
    receipts = [receipt for step in range(turn.work.step + 1) for receipt in _receipts(party, step)]
    if party.config.vertical.cardinality_only:
        turn.facts["common patients"] = aligner.cardinality(receipts)
        return
    found = aligner.compare(receipts)
    for other in turn.others:
        turn.mail.send(other, POSITIONS, [found[other]])
    write_atomic(party.folder / "positions", found[party.keys.name], private=True)


def pin(party: Party, turn: Turn) -> None:
    """Keep the rows of the common patients; report their number, and prove to the others that they are the same."""
    if turn.holder == party.keys.name:
        message = (party.folder / "positions").read_bytes()
    else:
        found = turn.mail.opened(turn.work.inbox, POSITIONS, 1)
        if set(found) != {turn.holder}:
            raise PartyError(f"positions of common patients did not come from {turn.holder!r} alone")
        message = found[turn.holder][0]
    aligned = _aligner(party, turn).accept(_given(party), message)
    if len(aligned.rows) < FEWEST:
        raise PartyError(
            f"the parties have {len(aligned.rows)} patients in common, fewer than {FEWEST}: nothing can be learnt from "
            "so few. Run `crossward data check party.toml` at each party and compare how identifiers are spelt there"
        )
    buffer = io.BytesIO()
    np.save(buffer, aligned.rows, allow_pickle=False)
    write_atomic(party.folder / COMMON, buffer.getvalue(), private=True)
    write_atomic(party.folder / DIGEST_FILE, aligned.digest, private=True)
    for other in turn.others:
        turn.mail.send(other, DIGEST, [_proof(aligned.digest, party.keys.name)])
    turn.facts["common patients"] = len(aligned.rows)
    logger.info("%d patients are in common", len(aligned.rows))


def _proof(digest: str, name: str) -> bytes:
    """What shows others that party ``name`` has this digest, and cannot be sent back as one's own."""
    return hmac.new(digest.encode(), name.encode(), hashlib.sha256).digest()


def check_same(party: Party, turn: Turn) -> None:
    """Every party has the digest that this one has: they mean the same patients, in the same order.

    Raises
    ------
    PartyError
        one has another, or sent none.
    """
    own = (party.folder / DIGEST_FILE).read_text()
    found = turn.mail.opened(turn.work.inbox, DIGEST)
    if other := sorted(name for name in turn.others if found.get(name) != [_proof(own, name)]):
        raise PartyError(
            f"{', '.join(other)} has not this party's digest of the common patients: a set was changed, or "
            "another party's data have changed during the alignment. Nothing was sent; start a new run"
        )
    shutil.rmtree(party.folder / "alignment", ignore_errors=True)  # its secret and the sets together answer guesses


def common_rows(party: Owner) -> NDArray[np.int64]:
    """The party's rows of the common patients, int64 [common], in the order that all parties share; -1: a decoy.

    Raises
    ------
    PartyError
        they are not known here.
    """
    try:
        rows: NDArray[np.int64] = np.load(party.folder / COMMON, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise PartyError(
            f"{party.folder / COMMON} cannot be read ({error}): this party's state folder must last as long as the run"
        ) from error
    return rows


def _declared(party: Party) -> Path:
    return party.folder / "declared"


def _receipts_path(party: Party, step: int) -> Path:
    return party.folder / f"receipts-{step:03d}"


def _receipts(party: Party, step: int) -> list[Receipt]:
    path = _receipts_path(party, step)
    return [Receipt.decode(line) for line in path.read_bytes().splitlines()] if path.exists() else []
