"""What a party keeps to itself in an alignment: a file of its own (0600), so that a step done again gives equal bytes.

Fresh for a run and party. The scalar together with a blinded set says whether a guessed identifier is in it, so it is
removed with the folder once the alignment has ended.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from crossward.alignment.errors import AlignmentError
from crossward.alignment.points import SCALAR_BYTES, SEED_BYTES, scalar
from crossward.machine.files import write_new

_NAME = "secret.json"


@dataclass(frozen=True)
class Secret:
    """A party's scalar, and the seeds of its padding and of the common order, of one run."""

    lineage: str
    party: str
    scalar: bytes = field(repr=False)
    padding: bytes = field(repr=False)
    order: bytes = field(repr=False)

    @classmethod
    def of(cls, folder: Path, lineage: str, party: str) -> Secret:
        """The one that ``folder`` holds; a fresh one where it holds none.

        Raises
        ------
        AlignmentError
            the folder is of another run or party, or its file is damaged.
        """
        path = folder / _NAME
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            fresh = [scalar(), *(secrets.token_bytes(SEED_BYTES) for _ in range(2))]
            write_new(path, json.dumps([lineage, party, *(one.hex() for one in fresh)]).encode(), private=True)
        try:
            of_run, of_party, *texts = json.loads(path.read_bytes())
            found = [bytes.fromhex(text) for text in texts]
            exponent, padding, order = found
        except (ValueError, TypeError):
            raise _damaged(path) from None
        if [len(one) for one in found] != [SCALAR_BYTES, SEED_BYTES, SEED_BYTES]:
            raise _damaged(path)
        if (of_run, of_party) != (lineage, party):
            raise AlignmentError(f"{folder} holds an alignment of another run or party: choose a folder of its own")
        return cls(lineage, party, exponent, padding, order)


def _damaged(path: Path) -> AlignmentError:
    return AlignmentError(f"{path} is damaged: remove its folder, and begin the alignment anew at all parties")
