"""Frames: what is sent arrives, and nothing else is taken for a frame."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_app.group import frames
from client_app.group.frames import FrameError


def packed(text: bytes) -> bytes:
    return struct.pack("<I", len(text)) + text


def received(sent: bytes) -> frames.Frame:
    """What a receiver makes of these bytes and the end of the connection."""
    with (pair := socket.socketpair())[0] as ours, pair[1] as theirs:
        theirs.settimeout(60)
        ours.sendall(sent)  # less than what the socket buffers
        ours.shutdown(socket.SHUT_WR)
        return frames.receive(theirs)


def awaited(sent: bytes) -> frames.Frame:
    """The same, with asyncio."""

    async def read() -> frames.Frame:
        reader = asyncio.StreamReader()
        reader.feed_data(sent)
        reader.feed_eof()
        return await frames.read(reader)

    return asyncio.run(read())


both = pytest.mark.parametrize("take", [received, awaited])


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    one, other = socket.socketpair()
    one.settimeout(60)
    other.settimeout(60)
    with one, other:
        yield one, other


headers = st.dictionaries(
    st.text(max_size=8).filter(lambda key: key != "blobs"),
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=8)),
    max_size=5,
)


@given(headers, st.lists(st.binary(max_size=100), max_size=4))
def test_what_is_sent_arrives(header: dict[str, Any], blobs: list[bytes]) -> None:
    one, other = socket.socketpair()
    with one, other:
        other.settimeout(60)
        frames.send(one, header, blobs)
        assert frames.receive(other) == (header, [bytearray(blob) for blob in blobs])


def test_large_blobs_of_any_type_arrive(pair: tuple[socket.socket, socket.socket]) -> None:
    rng = np.random.default_rng(0)
    blobs = [rng.standard_normal(3_000_000, dtype=np.float32), rng.bytes(1), rng.integers(0, 9, (100, 1000))]
    threading.Thread(target=frames.send, args=(pair[0], {"n": 1}, blobs), daemon=True).start()
    header, got = frames.receive(pair[1])
    assert header == {"n": 1} and [bytes(blob) for blob in got] == [bytes(memoryview(b).cast("B")) for b in blobs]
    got[0][0] = 1  # what arrives can be written into


def test_large_blobs_pass_through_asyncio() -> None:
    big = np.random.default_rng(0).bytes(20_000_000)

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await frames.write(writer, *await frames.read(reader))
        writer.close()

    async def main() -> frames.Frame:
        one, other = socket.socketpair()
        there = asyncio.create_task(echo(*await asyncio.open_unix_connection(sock=other)))
        reader, writer = await asyncio.open_unix_connection(sock=one)
        await frames.write(writer, {"x": "ü"}, [bytearray(big), bytearray()])
        answer = await frames.read(reader)
        await there
        writer.close()
        return answer

    header, blobs = asyncio.run(main())
    assert header == {"x": "ü"} and bytes(blobs[0]) == big and blobs[1] == b""


def test_frames_follow_each_other(pair: tuple[socket.socket, socket.socket]) -> None:
    for number in range(3):
        frames.send(pair[0], {"number": number}, [bytes(number)])
    assert [frames.receive(pair[1]) for _ in range(3)] == [({"number": n}, [bytearray(n)]) for n in range(3)]


@both
def test_a_frame_that_is_cut_off_is_no_frame(take: Any) -> None:
    whole = frames.start({"a": 1}, [b"abc"]) + b"abc"
    assert take(whole) == ({"a": 1}, [bytearray(b"abc")])
    for end in range(len(whole)):
        with pytest.raises(EOFError):
            take(whole[:end])


@both
@pytest.mark.parametrize("length", [frames.MOST_HEADER + 1, 0xFFFFFFFF])
def test_a_header_that_claims_too_much_is_refused_before_it_is_read(take: Any, length: int) -> None:
    with pytest.raises(FrameError, match=f"claims {length} bytes"):
        take(struct.pack("<I", length))


@both
@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\xff\xfe",
        b"{",
        b"[]",
        b"5",
        b"null",
        b"{}",
        b'"blobs"',
        b'{"blobs": 5}',
        b'{"blobs": [-1]}',
        b'{"blobs": ["1"]}',
        b'{"blobs": [1.0]}',
        b'{"blobs": null}',
        json.dumps({"blobs": [frames.MOST_BLOB + 1]}).encode(),
    ],
)
def test_a_header_that_is_none_is_refused(take: Any, text: bytes) -> None:
    with pytest.raises(FrameError, match="header cannot be read"):
        take(packed(text))


@both
def test_a_header_nested_too_deeply_is_refused(take: Any) -> None:
    with pytest.raises(FrameError):
        take(packed(b"[" * 100_000))


@both
@given(st.binary(max_size=200))
def test_garbage_is_never_taken_for_a_frame(take: Any, sent: bytes) -> None:
    with pytest.raises((FrameError, EOFError)):
        take(packed(sent))


def test_an_empty_array_can_be_sent(pair: tuple[socket.socket, socket.socket]) -> None:
    frames.send(pair[0], {}, [np.empty(0, np.float32)])
    assert frames.receive(pair[1]) == ({}, [bytearray()])
