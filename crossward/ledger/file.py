"""The run's audit trail: an append-only file of JSON lines, each holding the hash of the one before.

Whoever runs the aggregator could rewrite the whole file, so nodes get the head (``seq`` and ``hash`` of the
last line), keep it, and `verify` checks that every kept head is still in the chain. The format of a line is in
`crossward.ledger.chain`.

Not for: metrics (they have their own file), anything secret, or proving that the aggregator wrote the truth.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from crossward.ledger.chain import (
    EMPTY,
    RESERVED,
    Entry,
    LedgerError,
    Verification,
    checked,
    digest,
    encode,
    lines,
    read_entries,
    read_heads,
    verify,
)
from crossward.machine.files import sync_folder
from crossward.protocol.messages import Head

__all__ = [
    "FILE_NAME",
    "Entry",
    "Head",
    "Ledger",
    "LedgerError",
    "Verification",
    "read_entries",
    "read_heads",
    "verify",
]

FILE_NAME = "ledger.jsonl"


def _normal(facts: Mapping[str, Any], event: str) -> dict[str, Any]:
    """Facts as they will be read back: plain JSON values, keys sorted at every depth."""
    if taken := RESERVED & facts.keys():
        raise LedgerError(f"event {event!r}: the ledger itself writes {sorted(taken)}; rename these facts")
    normal: dict[str, Any] = {}
    for key in sorted(facts):
        try:
            normal[key] = json.loads(json.dumps(facts[key], sort_keys=True, allow_nan=False))
        except (TypeError, ValueError) as error:
            raise LedgerError(
                f"event {event!r}: fact {key!r} is not JSON ({error}); "
                "give finite numbers, text, lists and dicts with text keys"
            ) from error
    return normal


class Ledger:
    """Appends entries to the file at ``path``; one writer at a time.

    Opening an existing file checks its whole chain once (streaming); an append then costs the same however long
    the file is. A last line without its newline was torn by a crash: its bytes move to ``<path>.torn`` and a
    ``repaired`` entry says so. Anything else that does not hold is refused.

    Parameters
    ----------
    clock : returns the ``time`` of an entry, in seconds.
    durable : wait until the disk has each line before `append` returns (default: True).
    """

    def __init__(self, path: str | Path, clock: Callable[[], float] = time.time, *, durable: bool = True) -> None:
        self.path = Path(path)
        self._clock, self._durable, self._mutex = clock, durable, threading.Lock()
        self._file = self.path.open("ab", buffering=0)
        try:
            self._lock()
            if durable:
                sync_folder(self.path.parent)
            self._head, self._size, torn = self._load()
            if torn:
                self._repair(torn)
        except BaseException:
            self._file.close()
            raise

    def append(self, event: str, /, **facts: Any) -> Entry:
        """Write one line and return it. Raises LedgerError when a fact is not JSON or the disk refuses."""
        normal = _normal(facts, event)
        with self._mutex:
            head = self._head
            raw = {"seq": head.seq + 1, "time": float(self._clock()), "event": event, **normal, "prev": head.hash}
            raw["hash"] = digest(raw)
            line = encode(raw) + b"\n"
            self._write(line)
            self._head = Head(head.seq + 1, raw["hash"])
            self._size += len(line)
        return Entry(raw["seq"], raw["time"], event, normal, head.hash, raw["hash"])

    def head(self) -> Head:
        """Number and hash of the last entry."""
        return self._head

    def entries(self) -> Iterator[Entry]:
        """Every entry, read back from the disk and checked on the way."""
        return read_entries(self.path)

    def close(self) -> None:
        """Release the writer's lock; closing twice does nothing."""
        if not self._file.closed:
            fcntl.flock(self._file, fcntl.LOCK_UN)
            self._file.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LedgerError(f"{self.path} is being written by another process; stop that run first") from error

    def _load(self) -> tuple[Head, int, bytes]:
        head, size = EMPTY, 0
        for number, line in lines(self.path):
            if not line.endswith(b"\n"):
                return head, size, line
            try:
                entry = checked(line, head, f"{self.path}, line {number}")
            except LedgerError as error:
                raise LedgerError(
                    f"{error}. Nothing was changed: keep the file, compare it with the heads that nodes "
                    "kept (crossward ledger verify), and start a new run"
                ) from error
            head, size = Head(entry.seq, entry.hash), size + len(line)
        return head, size, b""

    def _repair(self, torn: bytes) -> None:
        side = self.path.with_name(self.path.name + ".torn")
        with side.open("ab") as file:
            file.write(torn + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self._file.truncate(self._size)
        self.append("repaired", torn_bytes=len(torn), torn_sha256=hashlib.sha256(torn).hexdigest(), kept_in=side.name)

    def _write(self, line: bytes) -> None:
        try:
            if (written := self._file.write(line)) != len(line):
                raise OSError(f"only {written} of {len(line)} bytes were taken")
            if self._durable:
                os.fsync(self._file.fileno())
        except OSError as error:
            self._file.truncate(self._size)
            raise LedgerError(f"{self.path}: a line could not be written ({error}); is the disk full?") from error
