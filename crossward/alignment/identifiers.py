"""The one spelling of a patient identifier under which parties compare: rules that all of them share.

In this order: NFKC and case folding; decimal digits of every script become ASCII; everything but letters, marks and
digits is removed (spaces, hyphens, dots, slashes, invisible characters, wherever they are); a prefix that the rules
name is removed once; leading zeros are removed, but for a last one.

Not for: matching people by name and birth date. What differs in a letter or a digit is another patient.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from crossward.alignment.errors import AlignmentError


@dataclass(frozen=True)
class Normalisation:
    """Which rules apply; every party has the same.

    Parameters
    ----------
    fold_case : bool (default: True)
        Whether ``a`` and ``A`` are the same.
    remove_separators : bool (default: True)
        Whether everything but letters, marks and digits is removed; otherwise white space around it alone.
    strip_zeros : bool (default: True)
        Whether leading zeros are removed.
    prefixes : tuple of str (default: none)
        What may stand in front of an identifier, such as ``MRN``; the longest that fits is removed. Prefixes are
        written as identifiers are: the rules before apply to them.
    """

    fold_case: bool = True
    remove_separators: bool = True
    strip_zeros: bool = True
    prefixes: tuple[str, ...] = ()

    def fingerprint(self) -> str:
        """64 hexadecimal digits that are the same where the rules are."""
        rules = asdict(self) | {"prefixes": sorted({self._spelt(prefix) for prefix in self.prefixes})}
        return hashlib.sha256(json.dumps(["identifiers of an alignment 1", rules], sort_keys=True).encode()).hexdigest()

    def __call__(self, identifier: str) -> str:
        """The identifier's one spelling; empty where nothing of it is left."""
        found = self._spelt(identifier)
        for prefix in sorted(map(self._spelt, self.prefixes), key=len, reverse=True):
            if prefix and found.startswith(prefix):
                found = found.removeprefix(prefix)
                break
        return (found.lstrip("0") or found[-1:]) if self.strip_zeros else found

    def _spelt(self, text: str) -> str:
        """Without prefixes and zeros: characters alone."""
        if text.isascii():  # which most are; what follows changes nothing of it
            found = text.casefold() if self.fold_case else text
        else:
            found = unicodedata.normalize("NFKC", text)
            if self.fold_case:  # folding can undo NFKC, and the other way round
                found = unicodedata.normalize("NFKC", found.casefold()).casefold()
            found = "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in found)
        if not self.remove_separators:
            return found.strip()
        if found.isalnum():
            return found
        kept = "".join(c for c in found if unicodedata.category(c)[0] in "LMN")
        return unicodedata.normalize("NFKC", kept)  # a mark may have met its letter


def own_rules(prefix: str) -> Normalisation:
    """The rules by which a party spells its identifiers before those that all parties share: without its ``prefix``."""
    return Normalisation(prefixes=(prefix,) if prefix else ())


@dataclass(frozen=True)
class Spelt:
    """Identifiers in their one spelling.

    Parameters
    ----------
    names : tuple of str
        Without repetitions; none is empty.
    rows : tuple of int
        Of each, the first identifier that is spelt so.
    empty, repeated : int
        Identifiers left out since nothing is left of them, or since one before is spelt the same.
    """

    names: tuple[str, ...]
    rows: tuple[int, ...]
    empty: int = 0
    repeated: int = 0


def spell(identifiers: Sequence[str], rules: Normalisation, *, merge: bool = False) -> Spelt:
    """Every identifier in its one spelling.

    Identifiers of which nothing is left, and those spelt as one before, are counted. With ``merge`` they are left out,
    so that a patient's first row stands for all of hers; otherwise any is an error.

    Raises
    ------
    AlignmentError
        an identifier is empty or repeated, and ``merge`` is off; or none is left.
    """
    first: dict[str, int] = {}
    empty = 0
    for row, identifier in enumerate(identifiers):
        name = rules(identifier)
        if name:
            first.setdefault(name, row)
        else:
            empty += 1
    repeated = len(identifiers) - empty - len(first)
    if (empty or repeated) and not merge:
        raise AlignmentError(
            f"of {len(identifiers):,} patient identifiers {empty:,} are empty and {repeated:,} the same as one before "
            "once separators, case and leading zeros are removed: correct them, switch a rule off, or have the first "
            "row of each patient taken"
        )
    if not first:
        raise AlignmentError("no patient identifier is left to compare: check the column that they are read from")
    return Spelt(tuple(first), tuple(first.values()), empty, repeated)
