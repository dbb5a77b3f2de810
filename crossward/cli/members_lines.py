"""What ``crossward members`` prints of a roster.

Not for: the commands (``crossward.cli.members``).
"""

from __future__ import annotations

from collections.abc import Iterator

from crossward.encryption.committee.roster import Roster
from crossward.encryption.committee.roster_file import RosterBook


def grouped(digits: str) -> str:
    """Hex digits in groups of four, to be read out."""
    return " ".join(digits[at : at + 4] for at in range(0, len(digits), 4))


def short(digits: str) -> str:
    """The first 16 of them, as the ledger and messages name a key or a roster."""
    return grouped(digits[:16])


def lines(book: RosterBook) -> Iterator[str]:
    """The newest revision, what follows from its committee, who has signed it, and all revisions."""
    roster = book.roster
    size, signed = len(roster.committee), len(roster.hospitals) - len(book.missing)
    yield f"fingerprint  {grouped(roster.fingerprint[:32])}"
    yield f"             {grouped(roster.fingerprint[32:])}"
    yield f"revision     {roster.revision}"
    yield f"committee    {size} of {len(roster.hospitals)} hospitals: {', '.join(roster.committee)}"
    yield f"threshold    {roster.threshold}: the keys of any {roster.threshold} of {size} open nothing"
    yield f"colluders    {roster.colluders}: {roster.colluders} of {size} may collude with an aggregator that lies"
    yield f"quorum       {roster.quorum} of {size} consent to a version before any of them answers"
    yield f"answers      {roster.openers} of {size} open a version"
    yield f"absent       {roster.absent or 'none'} of {size} may be absent"
    yield f"signatures   {signed} of {len(roster.hospitals)}"
    yield ""
    yield f"{'key':<19}  {'committee':<9}  {'signed':<9}  hospital"
    for name, key in roster.hospitals.items():
        on = "yes" if name in roster.committee else "no"
        has = "yes" if name not in book.missing else "NOT VALID" if name in book.signatures else "no"
        yield f"{short(key)}  {on:<9}  {has:<9}  {name}"
    yield ""
    before: Roster | None = None
    for one in book.revisions:
        yield f"revision {one.revision}   {short(one.fingerprint)}"
        yield from (f"             {what}" for what in changes(before, one))
        before = one
    yield ""


def changes(before: Roster | None, now: Roster) -> Iterator[str]:
    """What a revision changed, a line each; of the first one, what it began with."""
    if before is None:
        yield f"hospitals: {', '.join(now.hospitals)}"
        yield f"committee: {', '.join(now.committee)}; threshold {now.threshold}, colluders {now.colluders}"
        return
    for what, names in (
        ("added", [name for name in now.hospitals if name not in before.hospitals]),
        ("removed", [name for name in before.hospitals if name not in now.hospitals]),
    ):
        if names:
            yield f"{what}: {', '.join(names)}"
    for name, key in now.hospitals.items():
        if before.hospitals.get(name, key) != key:
            yield f"another key: {name} (before {short(before.hospitals[name])}, now {short(key)})"
    if now.committee != before.committee:
        yield f"committee: {', '.join(now.committee)} (before {', '.join(before.committee)})"
    for what, old, new in (
        ("threshold", before.threshold, now.threshold),
        ("colluders", before.colluders, now.colluders),
    ):
        if old != new:
            yield f"{what}: {new} (before {old})"
