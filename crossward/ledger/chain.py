"""What a ledger line is, how lines hang together, and how to check a chain and the heads that nodes kept.

    {"seq": 1, "time": 0.0, "event": "accepted", ...facts, "prev": "00..", "hash": "sha256 of the rest"}

The hash is taken over the canonical JSON (sorted keys, no spaces, ASCII) of the line without ``hash``. A line has
exactly one spelling, so any changed byte is found. Everything here streams: memory does not grow with the file.

Not for: writing (`crossward.ledger.file`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crossward.protocol.messages import Head

GENESIS = "0" * 64
RESERVED = frozenset({"seq", "time", "event", "prev", "hash"})


class LedgerError(Exception):
    """The ledger cannot be written, or its chain does not hold: the text names the line and what differs."""


EMPTY = Head(0, GENESIS)


@dataclass(frozen=True)
class Entry:
    """One line."""

    seq: int
    time: float
    event: str
    facts: Mapping[str, Any]
    prev: str
    hash: str


@dataclass(frozen=True)
class Verification:
    """What `verify` found. ``problems`` is empty when chain and heads hold."""

    entries: int
    head: Head
    heads: int
    problems: tuple[str, ...] = field(default=())

    @property
    def ok(self) -> bool:
        """Whether nothing was found wrong."""
        return not self.problems


def _dumps(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def encode(entry: Mapping[str, Any]) -> bytes:
    """The one spelling of a line (without its newline): known keys around the sorted facts."""
    facts = {k: entry[k] for k in sorted(entry) if k not in RESERVED}
    front = {k: entry[k] for k in ("seq", "time", "event")}
    return _dumps(front | facts | {"prev": entry["prev"], "hash": entry["hash"]}).encode()


def digest(entry: Mapping[str, Any]) -> str:
    """sha256 hex of a line's sorted JSON without its ``hash``."""
    rest = {k: v for k, v in entry.items() if k != "hash"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def checked(line: bytes, head: Head, where: str) -> Entry:
    """The entry in ``line``, which must follow ``head``."""
    try:
        raw = json.loads(line)
        spelled = encode(raw) if isinstance(raw, dict) else b""
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise LedgerError(f"{where} is not a ledger line ({type(error).__name__}: {error})") from error
    if not isinstance(raw, dict) or spelled + b"\n" != line:
        raise LedgerError(f"{where} is spelled otherwise than the ledger writes it: it was edited")
    if (type(raw["seq"]), type(raw["time"]), type(raw["event"])) != (int, float, str):
        raise LedgerError(f"{where}: expected a whole number as seq, a decimal as time and text as event")
    if raw["seq"] != head.seq + 1:
        raise LedgerError(f"{where}: seq is {raw['seq']}, expected {head.seq + 1}: a line is missing, extra or moved")
    if raw["prev"] != head.hash:
        raise LedgerError(f"{where}: prev is {raw['prev']}, but the line before it has the hash {head.hash}")
    if raw["hash"] != (expected := digest(raw)):
        raise LedgerError(f"{where}: hash is {raw['hash']}, but its content hashes to {expected}: it was edited")
    facts = {k: v for k, v in raw.items() if k not in RESERVED}
    return Entry(raw["seq"], raw["time"], raw["event"], facts, raw["prev"], raw["hash"])


def lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Line number, from 1, and bytes of each line, newline included."""
    with path.open("rb") as file:
        yield from enumerate(file, start=1)


def read_entries(path: str | Path) -> Iterator[Entry]:
    """Every whole entry of a ledger, checked on the way; a torn last line is left out. Nothing is written."""
    head = EMPTY
    for number, line in lines(Path(path)):
        if not line.endswith(b"\n"):
            return
        entry = checked(line, head, f"{path}, line {number}")
        head = Head(entry.seq, entry.hash)
        yield entry


def verify(path: str | Path, heads: Iterable[Head] = ()) -> Verification:
    """Check the chain in the file at ``path`` and that every head in ``heads`` is part of it."""
    path = Path(path)
    kept = dict.fromkeys(heads)
    wanted: dict[int, set[str]] = {}
    for known in kept:
        wanted.setdefault(known.seq, set()).add(known.hash)
    head, problems = EMPTY, []
    for number, line in lines(path):
        differing = wanted.pop(head.seq, set()) - {head.hash}
        problems += [_rewritten(head, other) for other in sorted(differing)]
        if not line.endswith(b"\n"):
            problems.append(f"{path}, line {number} is torn (no newline); a restarted run repairs it")
            break
        try:
            entry = checked(line, head, f"{path}, line {number}")
        except LedgerError as error:
            problems.append(str(error))
            break
        head = Head(entry.seq, entry.hash)
    problems += [_rewritten(head, other) for other in sorted(wanted.pop(head.seq, set()) - {head.hash})]
    for seq, hashes in sorted(wanted.items()):
        problems += [f"kept head {seq} ({h}) is not in the chain, which holds up to {head.seq}" for h in sorted(hashes)]
    return Verification(head.seq, head, len(kept), tuple(problems))


def _rewritten(head: Head, kept: str) -> str:
    return f"line {head.seq} has the hash {head.hash}, but a node kept {kept}: the chain was rewritten"


def read_heads(path: str | Path) -> Iterator[Head]:
    """The heads a node kept: JSON lines ``{"seq": int, "hash": str}``."""
    for number, line in lines(Path(path)):
        try:
            raw = json.loads(line)
            yield Head(int(raw["seq"]), str(raw["hash"]))
        except (ValueError, KeyError, TypeError) as error:
            raise LedgerError(f'{path}, line {number}: expected {{"seq": number, "hash": text}}') from error
