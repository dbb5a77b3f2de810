"""What travels over a worker group's socket: a JSON header and raw blobs after it. Nothing is unpickled.

Not for: what headers mean (``supervisor``, ``rank``, ``client``).
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Sequence
from typing import Any

Header = dict[str, Any]
Frame = tuple[Header, list[bytearray]]
_LENGTH = struct.Struct("<I")
MOST_HEADER, MOST_BLOB = 1 << 24, 1 << 36


class FrameError(RuntimeError):
    """What came over the socket is no frame."""


def start(header: Header, blobs: Sequence[Any] = ()) -> bytes:
    """The bytes before the blobs."""
    text = json.dumps(header | {"blobs": [memoryview(b).nbytes for b in blobs]}).encode()
    return _LENGTH.pack(len(text)) + text


def _header(text: bytes | bytearray) -> tuple[Header, list[int]]:
    try:
        header = json.loads(text)
        sizes = header.pop("blobs")
        if not all(isinstance(size, int) and 0 <= size <= MOST_BLOB for size in sizes):
            raise ValueError("sizes")
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        raise FrameError(f"a frame's header cannot be read: {error}") from error
    return header, sizes


def _checked(length: int) -> int:
    if length > MOST_HEADER:
        raise FrameError(f"a frame's header claims {length} bytes")
    return length


def send(sock: socket.socket, header: Header, blobs: Sequence[Any] = ()) -> None:
    """Send a frame; blobs are anything with a buffer."""
    sock.sendall(start(header, blobs))
    for blob in blobs:
        sock.sendall(memoryview(blob).cast("B"))


def _exactly(sock: socket.socket, size: int) -> bytearray:
    out = bytearray(size)
    view, got = memoryview(out), 0
    while got < size:
        count = sock.recv_into(view[got:])
        if not count:
            raise EOFError
        got += count
    return out


def receive(sock: socket.socket) -> Frame:
    """The next frame; EOFError when the other side has closed."""
    length = _checked(_LENGTH.unpack(_exactly(sock, _LENGTH.size))[0])
    header, sizes = _header(_exactly(sock, length))
    return header, [_exactly(sock, size) for size in sizes]


async def read(reader: asyncio.StreamReader) -> Frame:
    """The next frame; EOFError (asyncio's IncompleteReadError is one) when the other side has closed."""
    length = _checked(_LENGTH.unpack(await reader.readexactly(_LENGTH.size))[0])
    header, sizes = _header(await reader.readexactly(length))
    return header, [bytearray(await reader.readexactly(size)) for size in sizes]


async def write(writer: asyncio.StreamWriter, header: Header, blobs: Sequence[Any] = ()) -> None:
    """Send a frame and wait until the other side takes it."""
    writer.write(start(header, blobs))
    for blob in blobs:
        writer.write(blob)
    await writer.drain()
