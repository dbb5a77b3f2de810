"""Which patients two or more parties have in common, found without any of them showing the others the rest.

One party's side, in a folder of its own; the caller carries messages (``docs/alignment.md`` has the protocol)::

    ring = Ring(lineage, ("heart", "vitals", "laboratory"), label_holder="heart")
    party = Party(folder, ring, "vitals")
    declaration = party.prepare(Given(patients, pepper, Normalisation()))  # to all parties
    party.agree(declarations)                                             # from all parties
    for message in party.messages("vitals"): ...                          # to ring.next("vitals", "vitals")
    if (origin := party.receive(message)) is not None:                     # for every message that arrives
        receipt = party.raise_set(origin)                                  # to the label holder
        for message in party.messages(origin): ...                         # to ring.next(origin, "vitals"), if any
    aligned = party.accept(given, positions)                               # from the label holder's compare(receipts)

Holders only: the aggregator's side must not import this package.
"""

from crossward.alignment.errors import AlignmentError
from crossward.alignment.given import Given
from crossward.alignment.identifiers import Normalisation
from crossward.alignment.psi import Aligned, Party
from crossward.alignment.receipts import Receipt
from crossward.alignment.ring import Declared, Ring

__all__ = ["Aligned", "AlignmentError", "Declared", "Given", "Normalisation", "Party", "Receipt", "Ring"]
