"""What a party puts into an alignment: its patients, the shared pepper and rules, and what hides its numbers.

- *Padding* adds random points up to a multiple, so that the others learn the number of patients no more finely. It does
  not hide how many are in common.
- *Decoys* are identifiers that are not patients of the party. Those that others have come out as common, so that being
  common is no longer proof of being a patient here. A party knows its own decoys, and embeddings of patients it has
  nothing of may tell them apart later.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

from crossward.alignment.errors import AlignmentError
from crossward.alignment.identifiers import Normalisation, Spelt, spell
from crossward.alignment.points import keyed

DEFAULT_RULES = Normalisation()


@dataclass(frozen=True)
class Given:
    """One party's side of an alignment, as it is each time the party is started.

    Parameters
    ----------
    patients : tuple of str
        Identifiers as the party writes them, one a row.
    pepper : bytes
        16 bytes or more from a random source, the same at all parties; the aggregator lacks it.
    rules : Normalisation
        The same at all parties.
    merge : bool (default: False)
        Whether empty identifiers, and all but the first that are spelt the same, are left out instead of refused.
    decoys : tuple of str (default: none)
        Identifiers that are not patients of this party; one that is a patient after all counts as one.
    padding : int (default: 1)
        The size of the blinded set is a multiple of this.
    """

    patients: tuple[str, ...] = field(repr=False)
    pepper: bytes = field(repr=False)
    rules: Normalisation = DEFAULT_RULES
    merge: bool = False
    decoys: tuple[str, ...] = field(default=(), repr=False)
    padding: int = 1

    def __post_init__(self) -> None:
        if self.padding < 1:
            raise AlignmentError(f"padding to a multiple of {self.padding}: expected 1 or more")

    @cached_property
    def spelt(self) -> Spelt:
        """The patients in their one spelling."""
        return spell(self.patients, self.rules, merge=self.merge)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Spellings of the patients, then of the decoys, all different."""
        if not self.decoys:
            return self.spelt.names
        return tuple(dict.fromkeys((*self.spelt.names, *filter(None, map(self.rules, self.decoys)))))

    @property
    def size(self) -> int:
        """Points of the blinded set."""
        return -(-len(self.names) // self.padding) * self.padding

    def digest(self, use: bytes, lineage: str, names: Iterable[str]) -> str:
        """A digest of ``names`` in their order under the pepper, for one use: 64 hexadecimal digits."""
        found = hmac.new(keyed(self.pepper, use, lineage), digestmod="sha256")
        for name in names:
            data = name.encode()
            found.update(len(data).to_bytes(4, "big") + data)
        return found.hexdigest()
