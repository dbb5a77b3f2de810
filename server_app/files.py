"""Payloads on disk: one file each, written part by part, replaced in one step, read part by part.

Layout: the parts' bytes back to back, then a JSON footer (facts, index, digest), then its length in 8 bytes. The
footer comes last because an index of streamed parts is known only at the end.

Not for: what is in a payload (only holders can open a sealed one).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from crossward.machine.files import replacing
from crossward.protocol.parts import Part, PartHead, Payload, ProtocolError, index_digest

Facts = dict[str, Any]


_MOST = 1 << 30  # bytes that one read gives at most


class PayloadError(RuntimeError):
    """A payload file cannot be read or written."""


class StoredPayload(Payload):
    """A payload whose parts are read from its file when they are asked for, so that it holds no memory.

    It keeps the file open: what is dropped or replaced meanwhile is still read as it was.
    """

    def __init__(self, path: Path, heads: Iterable[PartHead], size: int) -> None:
        self.path = path
        self.heads = tuple(heads)
        self._digest = ""
        self._check(size)
        self._file = os.open(path, os.O_RDONLY)

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            os.close(self._file)

    @property
    def data(self) -> bytes:
        """All bytes, read from the file anew at each use."""
        size = self.size
        if size <= _MOST:
            return self._read(size, 0)
        return b"".join(self._read(min(_MOST, size - start), start) for start in range(0, size, _MOST))

    def _read(self, size: int, start: int) -> bytes:
        data = os.pread(self._file, size, start)
        if len(data) != size:
            raise PayloadError(f"{self.path} became shorter while it was read; restore it from a backup")
        return data

    def __iter__(self) -> Iterator[Part]:
        start = 0
        for head in self.heads:
            yield Part(head, self._read(head.size, start))
            start += head.size


def write_payload(path: Path, facts: Facts, parts: Iterable[Part], durable: bool = True) -> str:
    """Write ``parts`` as they come; the payload's digest. The file appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    heads: list[PartHead] = []
    sha = hashlib.sha256()
    try:
        with replacing(path, durable=durable) as file:
            for part in parts:
                file.write(part.data)
                sha.update(part.data)
                heads.append(part.head)
            digest = index_digest(heads, sha.digest())
            footer = json.dumps({"facts": facts, "index": heads, "digest": digest}).encode()
            file.write(footer + len(footer).to_bytes(8, "little"))
    except OSError as error:
        raise PayloadError(f"{path} could not be written ({error}); free disk space, then resume the run") from error
    return digest


def read_payload(path: Path, check: bool = False) -> tuple[Facts, Payload, str]:
    """Facts, payload (unread) and digest of a file; with ``check`` its bytes are hashed and compared.

    Raises
    ------
    PayloadError
        the file is missing, truncated or changed.
    """
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            if size < 8:
                raise ProtocolError(f"{size} bytes are no payload file")
            file.seek(size - 8)
            length = int.from_bytes(file.read(8), "little")
            if length > size - 8:
                raise ProtocolError("the footer's length is beyond the file's")
            file.seek(size - 8 - length)
            footer = json.loads(file.read(length))
        payload = StoredPayload(path, (PartHead(*row) for row in footer["index"]), size - 8 - length)
        if check and payload.digest() != footer["digest"]:
            raise ProtocolError("its bytes do not match its digest")
        return footer["facts"], payload, footer["digest"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PayloadError(f"{path} is missing, truncated or damaged ({error}); restore it from a backup") from error
