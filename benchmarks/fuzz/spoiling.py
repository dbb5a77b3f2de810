"""Ways in which files of notes are damaged: by transport, by editors and exports, or at random.

Each is ``(content, rng) -> content``. Not for: what becomes of them (``benchmarks.fuzz.readers``).
"""

from __future__ import annotations

import bz2
import gzip
import io
import random
import zipfile
import zlib
from collections.abc import Callable

Spoil = Callable[[bytes, random.Random], bytes]
SPOILS: list[tuple[str, Spoil]] = []

_PIECES = (
    *(b'"', b"'", b",", b";", b"\t", b"|", b"\n", b"\r", b"\r\n", b"\\", b'\\"', b'""'),  # of CSV
    *(b"{", b"}", b"[", b"]", b":", b"null", b"\\ud83d", b"<", b"&lt;"),  # of JSON and XML
    *(b"NULL", b"\\N", b"NaN", b"7.0", b"007", b"1e400", b"-", b"sep=;\n"),  # values
    *(b"\0", bytes(40), b"\xff", b"\xef\xbb\xbf", b"\xe9", b"\xc3\xa9", b"\x1a"),  # bytes
    *(b"\x1f\x8b", b"PK\x03\x04", b"PAR1"),  # beginnings of formats
)


def spoil(weight: int) -> Callable[[Spoil], Spoil]:
    """Register a way, ``weight`` times as likely as one of weight 1."""

    def registered(act: Spoil) -> Spoil:
        SPOILS.extend([(act.__name__.replace("_", " "), act)] * weight)
        return act

    return registered


def inside(content: bytes, act: Spoil, rng: random.Random) -> bytes:
    """``content`` damaged; what is compressed, as often as not before it was compressed."""
    try:
        if content.startswith(b"\x1f\x8b") and rng.random() < 0.7:
            return gzip.compress(act(gzip.decompress(content), rng), 1, mtime=0)
        if content.startswith(b"BZh") and rng.random() < 0.7:
            return bz2.compress(act(bz2.decompress(content), rng))
        if content.startswith(b"PK") and rng.random() < 0.7:
            return _one_member(content, act, rng)
    except (OSError, EOFError, ValueError, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError):
        pass  # it is damaged already
    return act(content, rng)


def _one_member(content: bytes, act: Spoil, rng: random.Random) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        spoilt = rng.choice(old.namelist())
        for name in old.namelist():
            new.writestr(name, act(old.read(name), rng) if name == spoilt else old.read(name))
    return file.getvalue()


def _lines(content: bytes) -> list[bytes]:
    return content.splitlines(keepends=True) or [b""]


@spoil(4)
def bits_flipped(content: bytes, rng: random.Random) -> bytes:
    """One or a few bits."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 20)) if data else 0):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(data)


@spoil(4)
def cut_off(content: bytes, rng: random.Random) -> bytes:
    """The end is missing."""
    return content[: rng.randrange(len(content) + 1)]


@spoil(8)
def something_put_in(content: bytes, rng: random.Random) -> bytes:
    """A sign that means something to a format, somewhere."""
    for _ in range(rng.choice((1, 1, 1, 5))):
        at = rng.randrange(len(content) + 1)
        content = content[:at] + rng.choice(_PIECES) + content[at:]
    return content


@spoil(3)
def a_piece_taken_out(content: bytes, rng: random.Random) -> bytes:
    """Up to a hundred bytes are missing."""
    at = rng.randrange(len(content) + 1)
    return content[:at] + content[at + rng.randrange(100) :]


@spoil(2)
def a_piece_twice(content: bytes, rng: random.Random) -> bytes:
    """A piece is there twice, as after a broken transfer that was taken up too early."""
    at, size = rng.randrange(len(content) + 1), rng.randrange(300)
    return content[: at + size] + content[at:]


@spoil(2)
def a_hole(content: bytes, rng: random.Random) -> bytes:
    """Zeros in place of a piece, as after a crash."""
    at, size = rng.randrange(len(content) + 1), rng.randrange(200)
    return content[:at] + bytes(len(content[at : at + size])) + content[at + size :]


@spoil(2)
def lines_in_disorder(content: bytes, rng: random.Random) -> bytes:
    """Two lines changed places, or one is missing."""
    lines = _lines(content)
    a, b = rng.randrange(len(lines)), rng.randrange(len(lines))
    lines[a], lines[b] = lines[b], lines[a]
    if rng.random() < 0.5:
        del lines[a]
    return b"".join(lines)


@spoil(2)
def without_the_first_line(content: bytes, rng: random.Random) -> bytes:
    """No column names, or blank lines before them."""
    lines = _lines(content)
    return b"".join(lines[1:]) if rng.random() < 0.5 else b"\n \n" + content


@spoil(3)
def in_another_encoding(content: bytes, rng: random.Random) -> bytes:
    """Saved by an editor in an encoding of its own, with letters that are not of ASCII."""
    try:
        text = content.decode().replace("well", "wéll")
    except UnicodeDecodeError:
        return content
    return text.encode(rng.choice(("cp1252", "utf-16", "utf-16-le", "utf-8-sig", "cp1250", "mac_roman")), "replace")


@spoil(3)
def other_signs(content: bytes, rng: random.Random) -> bytes:
    """Every delimiter, quote or line's end is another one."""
    old, new = rng.choice(
        ((b",", b";"), (b",", b"\t"), (b'"', b"'"), (b'"', b""), (b"\n", b"\r\n"), (b"\n", b"\r"), (b'""', b'\\"'))
    )
    return content.replace(old, new)


@spoil(1)
def two_files_in_one(content: bytes, rng: random.Random) -> bytes:
    """The file after itself, as cat would put it."""
    return content + content


@spoil(1)
def nothing_left(content: bytes, rng: random.Random) -> bytes:
    """Empty, or of white space."""
    return rng.choice((b"", b"\n", b" ", b"\0", b"\xef\xbb\xbf"))
