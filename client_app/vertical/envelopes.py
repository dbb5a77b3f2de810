"""Sealing envelopes to other parties and opening theirs: HPKE to the receiver, signed by the sender.

What an envelope is bound to (lineage, sender, receiver, kind, step, number) is in the seal and under the signature, so
that the aggregator can neither read one, change one, nor pass it off as another.

Not for: what is in them (``client_app.vertical.actions``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from client_app.vertical.errors import PartyError
from client_app.vertical.keys import PartyKeys
from crossward.encryption.committee.boxes import BoxError, seal
from crossward.encryption.committee.signatures import verified
from crossward.protocol.vertical.messages import Envelope, Introduction


class Mail:
    """What a party sends and gets in one step, given the ``parties`` as they introduced themselves.

    Raises
    ------
    PartyError
        an introduction is not what the roster vouches for.
    """

    def __init__(self, keys: PartyKeys, parties: Sequence[Introduction], step: int) -> None:
        self.keys, self.step = keys, step
        self.parties: Mapping[str, Introduction] = {one.name: keys.check(one) for one in parties}
        self.outbox: list[Envelope] = []

    def send(self, receiver: str, kind: str, pieces: Iterable[bytes]) -> None:
        """Seal ``pieces`` to ``receiver``, each as an envelope, numbered on from those of the kind before."""
        before = sum((one.receiver, one.kind) == (receiver, kind) for one in self.outbox)
        for number, plain in enumerate(pieces, before):
            empty = Envelope(self.keys.name, receiver, kind, self.step, number, b"")
            data = seal(self.parties[receiver].key, plain, empty.label(self.keys.lineage))
            sealed = empty._replace(data=data)
            signature = self.keys.identity.sign(sealed.signed_bytes(self.keys.lineage))
            self.outbox.append(sealed._replace(signature=signature))

    def opened(self, inbox: Iterable[Envelope], kind: str, pieces_each: int = 0) -> dict[str, list[bytes]]:
        """The pieces of each sender's envelopes of a ``kind``, in order; ``pieces_each`` of each sender, 0: any number.

        Raises
        ------
        PartyError
            one is not to this party, not from a party, not signed by its sender, or does not open; or pieces are too
            few or many.
        """
        found: dict[str, dict[int, bytes]] = defaultdict(dict)
        for one in inbox:
            if one.kind == kind:
                found[one.sender][one.number] = self._open(one)
        for sender, pieces in found.items():
            if sorted(pieces) != list(range(len(pieces))):
                raise PartyError(f"of the envelopes {kind!r} of {sender!r} some are missing")
            if pieces_each and len(pieces) != pieces_each:
                raise PartyError(f"{sender!r} sent {len(pieces)} envelopes {kind!r}, expected {pieces_each}")
        return {sender: [pieces[number] for number in sorted(pieces)] for sender, pieces in found.items()}

    def _open(self, one: Envelope) -> bytes:
        what = f"the envelope {one.kind!r} of {one.sender!r}, step {one.step}"
        if one.receiver != self.keys.name or one.sender not in self.parties or one.step >= self.step:
            raise PartyError(f"{what} is not to this party, from no party of the run, or of a step to come")
        sender = self.parties[one.sender]
        if not verified(sender.public_key.hex(), one.signature, one.signed_bytes(self.keys.lineage)):
            raise PartyError(f"{what} is not signed by its sender: it was changed on its way")
        try:
            return self.keys.sealing.open(one.data, one.label(self.keys.lineage))
        except BoxError as error:
            raise PartyError(f"{what} does not open: {error}") from error
