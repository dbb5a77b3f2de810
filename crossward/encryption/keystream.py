"""AES-256-CTR keystreams as machine words: seekable, so that any range of one is made by itself.

Known to both faces: who holds a key decides what it may make.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from numpy.typing import NDArray

PIECE = 1 << 16  # words at a time, so that what is worked on stays in a cache
_AES = 16  # bytes of a block
_ZEROS = memoryview(bytes(8 * PIECE + _AES))


def keystream(key: bytes, kind: np.dtype[Any], first: int, count: int) -> NDArray[Any]:
    """Words ``first`` to ``first + count - 1`` of the keystream of a 32-byte key: a new array [count] of ``kind``."""
    return _write(key, kind, first, count, np.empty(kind.itemsize * count + 2 * _AES, dtype=np.uint8))


def add_keystream(words: NDArray[Any], key: bytes, first: int) -> None:
    """Add the keystream from its word ``first`` on to ``words`` [n], in place."""
    for start in range(0, words.size, PIECE):
        piece = words[start : start + PIECE]
        piece += _write(key, words.dtype, first + start, piece.size, _room.data)


def _write(key: bytes, kind: np.dtype[Any], first: int, count: int, room: NDArray[np.uint8]) -> NDArray[Any]:
    block, skip = divmod(kind.itemsize * first, _AES)
    size = skip + kind.itemsize * count
    encryptor = Cipher(algorithms.AES(key), modes.CTR(block.to_bytes(_AES, "big"))).encryptor()
    zeros = _ZEROS[:size] if size <= len(_ZEROS) else bytes(size)
    encryptor.update_into(zeros, room.data)  # which wants room for a block more
    return np.frombuffer(room, dtype=kind, offset=skip, count=count)


class _Room(threading.local):
    """A thread's own: a new one each time costs more in page faults than AES."""

    def __init__(self) -> None:
        self.data = np.empty(8 * PIECE + 2 * _AES, dtype=np.uint8)


_room = _Room()
