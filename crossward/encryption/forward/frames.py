"""The few forms of msgpack in which ``sf-heu`` writes keys and ciphertexts: numbers are strings, little-endian."""

from __future__ import annotations

from crossward.encryption.forward.library import ForwardError

WIDTH = 257  # bytes of a number below n, which has at most 2,055 bits
SCHEMA = (1).to_bytes(8, "little")  # the library's index of Okamoto-Uchiyama, behind every object
_LENGTHS = {0xD9: 1, 0xDA: 2, 0xDB: 4}  # marker of a string: bytes of its length


def other_version() -> ForwardError:
    """What to raise where the library writes anything else than what is known of it."""
    return ForwardError("sf-heu writes its objects in another form than version 0.5.2b0 does; install that version")


def framed(number: int) -> bytes:
    """A number as the library reads it, always of :data:`WIDTH` bytes."""
    return b"\xda" + WIDTH.to_bytes(2, "big") + number.to_bytes(WIDTH, "little")


def string(data: bytes, at: int) -> tuple[bytes, int]:
    """The string at ``at`` in what the library wrote, as short as its value allows, and where it ends.

    Raises
    ------
    ForwardError
        there is something else.
    """
    marker = data[at]
    size = _LENGTHS.get(marker, 0)
    if not size and not 0xA0 <= marker <= 0xBF:
        raise other_version()
    begin = at + 1 + size
    end = begin + (int.from_bytes(data[at + 1 : begin], "big") if size else marker & 0x1F)
    return data[begin:end], end


def integer(value: int) -> bytes:
    """A whole number in msgpack's shortest form."""
    if value < 1 << 7:
        return bytes([value])
    for marker, size in ((b"\xcc", 1), (b"\xcd", 2), (b"\xce", 4)):
        if value < 1 << (8 * size):
            return marker + value.to_bytes(size, "big")
    raise ForwardError(f"a matrix of ciphertexts with a side of {value} is too large")


def array(count: int) -> bytes:
    """The beginning of an array of ``count`` objects."""
    if count < 16:
        return bytes([0x90 | count])
    return b"\xdc" + count.to_bytes(2, "big") if count < 1 << 16 else b"\xdd" + count.to_bytes(4, "big")
