"""BFV ciphertexts as both faces know them: parameters, slots, and how a ciphertext travels. No keys.

Brakerski/Fan-Vercauteren (ePrint 2012/144) in SEAL, ring degree 4096, one 60-bit prime (128-bit security allows
109), batched slots under a prime plain modulus. A ciphertext travels without SEAL's envelope: its coefficients at 60
bits each, and for a fresh symmetric one the 64-byte seed of its second polynomial. So every ciphertext of a plan has
exactly one length, no header of a stranger is ever parsed, and nothing is decompressed; the envelope that SEAL wants
is put around it from our own parameters. :class:`Bfv` checks at its making that the SEAL at hand lays its bytes out so.

Not for: encrypting and decrypting (``crossward.encryption.holder``), adding (``crossward.encryption.aggregator``).
"""

from __future__ import annotations

import os
import struct
import tempfile
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import tenseal.sealapi as seal
from numpy.typing import NDArray

from crossward.config.encryption_schemes import BFV
from crossward.encryption.packing import Buffer, CiphertextError
from crossward.encryption.plan import FRESH_BYTES, MODULUS_BITS, RING, SUM_BYTES, FieldPlan

SEALED = BFV  # the kind of a part that holds BFV ciphertexts
CIPHERTEXTS = 32  # most ciphertexts in a part: what is sealed, added or opened in one piece
_SEED = 64
_WORDS = 8 * RING
_LOW = np.uint64((1 << 60) - 1)
_ENVELOPE = 16  # bytes of a SEAL header: magic 2, its size 1, version 2, compression 1, reserved 2, total size 8


class Scratch:
    """A file in memory: SEAL's binding saves to and loads from paths only."""

    def __init__(self) -> None:
        if hasattr(os, "memfd_create"):
            self._file = os.memfd_create("crossward")
            self.path = f"/proc/self/fd/{self._file}"
        else:
            self._file, self.path = tempfile.mkstemp(prefix="crossward-")
        weakref.finalize(self, _dispose, self._file, self.path)  # at exit, too: modules may be torn down in any order

    def put(self, *pieces: Buffer) -> str:
        """The path of a file that holds ``pieces``."""
        os.ftruncate(self._file, 0)
        os.lseek(self._file, 0, os.SEEK_SET)
        os.writev(self._file, pieces)
        return self.path

    def take(self, thing: Any) -> bytes:
        """What ``thing`` saves."""
        thing.save(self.path)
        return os.pread(self._file, os.fstat(self._file).st_size, 0)


def _dispose(file: int, path: str) -> None:
    os.close(file)
    if not path.startswith("/proc/"):
        Path(path).unlink(missing_ok=True)


def context(plain_bits: int) -> Any:
    """A SEAL context of the ring, the 60-bit prime and a plain modulus of ``plain_bits`` bits.

    Its randomness is the system's: only the derivation of the secret key is seeded (``crossward.encryption.bfv_key``).
    """
    parameters = seal.EncryptionParameters(seal.SCHEME_TYPE.BFV)
    parameters.set_poly_modulus_degree(RING)
    parameters.set_coeff_modulus(seal.CoeffModulus.Create(RING, [MODULUS_BITS]))
    parameters.set_plain_modulus(seal.PlainModulus.Batching(RING, plain_bits))
    made = seal.SEALContext(parameters, True, seal.SEC_LEVEL_TYPE.TC128)
    if not made.parameters_set():
        raise CiphertextError(f"SEAL refuses a plain modulus of {plain_bits} bits: {made.parameters_error_message()}")
    return made


def to_60_bits(words: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """uint64 [n] below 2**60, n even, as uint8 [n * 60 / 8]: two words in 15 bytes."""
    out = np.empty((words.size // 2, 15), dtype=np.uint8)
    first, second = words[0::2], words[1::2]
    out[:, :8] = (first | (second << np.uint64(60))).view(np.uint8).reshape(-1, 8)
    out[:, 8:] = (second >> np.uint64(4)).view(np.uint8).reshape(-1, 8)[:, :7]
    return out.reshape(-1)


def from_60_bits(data: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Undo :func:`to_60_bits`."""
    rows = data.reshape(-1, 15)
    low = np.ascontiguousarray(rows[:, :8]).view("<u8").reshape(-1)
    high = np.zeros((rows.shape[0], 8), dtype=np.uint8)
    high[:, :7] = rows[:, 8:]
    out = np.empty(2 * rows.shape[0], dtype=np.uint64)
    out[0::2] = low & _LOW
    out[1::2] = (low >> np.uint64(60)) | (high.view("<u8").reshape(-1) << np.uint64(4))
    return out


class Bfv:
    """Parameters of a plan, its slots, and its ciphertexts' bytes.

    Raises
    ------
    PlanError
        sums under the plan would not be exact.
    CiphertextError
        the SEAL at hand lays out its bytes differently.
    """

    def __init__(self, plan: FieldPlan) -> None:
        plan.check_sealable()
        self.plan = plan
        self.fields = plan.fields_per_slot
        self.bits = plan.field_bits
        self.plain_bits = plan.plain_bits(self.fields)
        self.capacity = RING * self.fields
        self.context = context(self.plain_bits)
        self.encoder = seal.BatchEncoder(self.context)
        self.modulus = int(self.context.key_context_data().parms().coeff_modulus()[0].value())
        if int(self.context.key_context_data().parms().plain_modulus().value()) <= plan.largest_slot:
            raise CiphertextError(f"SEAL's plain modulus of {self.plain_bits} bits is below the largest slot of {plan}")
        self._scratch = Scratch()
        parameters = self._scratch.take(self.context.key_context_data().parms())
        envelope, plain = parameters[:5] + b"\0\0\0", struct.pack("<4Q", *self.context.first_parms_id())
        # parms_id, is NTT form, polynomials, degree, primes, scale, correction factor
        inner = plain + struct.pack("<?QQQdQ", False, 2, RING, 1, 1.0, 1)
        self._fresh = self._frame(envelope, inner, 1, b"".join([envelope, struct.pack("<QB", 16 + 1 + _SEED, 1)]))
        self._sum = self._frame(envelope, inner, 2, b"")
        self._check_layout()

    @staticmethod
    def _frame(envelope: bytes, inner: bytes, polynomials: int, tail: bytes) -> tuple[bytes, bytes]:
        """What SEAL wants before the words and between words and seed."""
        words = _WORDS * polynomials
        nested = envelope + struct.pack("<QQ", 16 + 8 + words, RING * polynomials)
        seed = _SEED if tail else 0
        total = _ENVELOPE + len(inner) + len(nested) + words + len(tail) + seed
        return envelope + struct.pack("<Q", total) + inner + nested, tail

    def _check_layout(self) -> None:
        # incompressible, as ciphertexts are: SEAL must store them as they lie
        words = np.random.default_rng(0).integers(0, self.modulus, 2 * RING, dtype=np.uint64)
        try:
            made = self.load(to_60_bits(words).tobytes())
            known = [made[0], made[1], made[RING], made[2 * RING - 1]] == [int(words[i]) for i in (0, 1, RING, -1)]
            fresh = self.load(to_60_bits(words[:RING]).tobytes() + bytes(range(_SEED)))
            known = known and fresh[RING - 1] == int(words[RING - 1]) and not fresh.is_transparent()
            known = known and (made.size(), made.poly_modulus_degree(), made.is_ntt_form()) == (2, RING, False)
        except (RuntimeError, ValueError, IndexError) as error:
            raise CiphertextError(f"this SEAL does not lay its ciphertexts out as expected ({error})") from error
        if not known or self.words(made) != to_60_bits(words).tobytes():
            raise CiphertextError("this SEAL does not lay its ciphertexts out as expected: use tenseal 0.3.18")

    # ------------------------------------------------------------------ slots

    def ciphertexts(self, count: int) -> int:
        """How many ciphertexts ``count`` values take."""
        return -(-count // self.capacity)

    def to_slots(self, fields: NDArray[np.int64]) -> NDArray[np.int64]:
        """Unsigned fields int64 [n], n at most k * 4096, as slots int64 [4096], k fields each, zeros behind."""
        padded = np.zeros(self.capacity, dtype=np.int64)
        padded[: fields.size] = fields
        columns = padded.reshape(RING, self.fields)
        slots = columns[:, 0].copy()
        for number in range(1, self.fields):
            slots |= columns[:, number] << np.int64(number * self.bits)
        return slots

    def from_slots(self, slots: NDArray[np.int64], count: int) -> NDArray[np.int64]:
        """Undo :meth:`to_slots`: int64 [count].

        Raises
        ------
        CiphertextError
            something stands behind the last field.
        """
        mask = np.int64((1 << self.bits) - 1)
        columns = np.empty((RING, self.fields), dtype=np.int64)
        for number in range(self.fields):
            columns[:, number] = (slots >> np.int64(number * self.bits)) & mask
        flat = columns.reshape(-1)
        if flat[count:].any():
            raise CiphertextError(
                "behind its last value a ciphertext holds something: it was made or changed by a wrong key"
            )
        return flat[:count]

    # ------------------------------------------------------------------ bytes

    def load(self, data: Buffer) -> Any:
        """A SEAL ciphertext from its bytes, fresh or sum by their length.

        Raises
        ------
        CiphertextError
            the length is neither, or a coefficient is not below the modulus.
        """
        if len(data) not in (FRESH_BYTES, SUM_BYTES):
            raise CiphertextError(f"a ciphertext of {len(data)} bytes, expected {FRESH_BYTES} or {SUM_BYTES}")
        fresh = len(data) == FRESH_BYTES
        raw = np.frombuffer(data, dtype=np.uint8)
        seed = raw[-_SEED:].tobytes() if fresh else b""
        words = from_60_bits(raw[: FRESH_BYTES - _SEED] if fresh else raw)
        before, between = self._fresh if fresh else self._sum
        made = seal.Ciphertext()
        try:
            made.load(self.context, self._scratch.put(before, words.data.cast("B"), between, seed))
        except (RuntimeError, ValueError) as error:
            raise CiphertextError(f"a ciphertext that SEAL refuses ({error})") from error
        return made

    def check(self, data: Buffer, fresh: bool) -> str:
        """Why ``data`` is not ciphertexts back to back with coefficients below the modulus; empty when it is."""
        size = FRESH_BYTES if fresh else SUM_BYTES
        rows = np.frombuffer(data, dtype=np.uint8).reshape(-1, size)
        for number in range(rows.shape[0]):
            words = from_60_bits(rows[number, : size - _SEED] if fresh else rows[number])
            if int(words.max()) >= self.modulus:
                return f"ciphertext {number} has a coefficient that is not below the modulus"
        return ""

    def words(self, ciphertext: Any) -> bytes:
        """The bytes of a ciphertext of two polynomials."""
        return to_60_bits(self._words(self._scratch.take(ciphertext), ciphertext, 2)).tobytes()

    def fresh_words(self, serializable: Any) -> bytes:
        """The bytes of a fresh, seeded ciphertext as ``encrypt_symmetric`` returns it; empty if compressed."""
        saved = self._scratch.take(serializable)
        start = self._stored(saved, len(self._fresh[0]) + _WORDS + len(self._fresh[1]) + _SEED)
        if start < 0:
            return b""
        first = start + len(self._fresh[0])
        tail = saved[first + _WORDS :]
        if saved[start + _ENVELOPE : first] != self._fresh[0][_ENVELOPE:] or tail[:-_SEED] != self._fresh[1]:
            raise CiphertextError("this SEAL does not lay its fresh ciphertexts out as expected: use tenseal 0.3.18")
        return to_60_bits(np.frombuffer(saved, dtype="<u8", count=RING, offset=first)).tobytes() + tail[-_SEED:]

    @staticmethod
    def _stored(saved: bytes, size: int) -> int:
        """Where a SEAL stream of ``size`` bytes begins in ``saved`` (less its header); -1 when it is compressed.

        SEAL wraps it in zstd, which stores what it cannot compress as one raw block.
        """
        start = len(saved) - (size - _ENVELOPE)
        block = int.from_bytes(saved[start - 3 : start], "little") if start > _ENVELOPE else 0
        return start - _ENVELOPE if block & 7 == 1 and block >> 3 == size - _ENVELOPE else -1

    def _words(self, saved: bytes, ciphertext: Any, polynomials: int) -> NDArray[np.uint64]:
        count = RING * polynomials
        start = self._stored(saved, len(self._sum[0]) + 8 * count)
        if start < 0:  # zstd found something to compress: read the coefficients one by one
            return np.array([ciphertext[i] for i in range(count)], dtype=np.uint64)
        return np.frombuffer(saved, dtype="<u8", count=count, offset=start + len(self._sum[0])).astype(np.uint64)
