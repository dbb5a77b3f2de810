"""The holder's face: signed integers into parts and parts back into signed integers.

Only hospitals and the evaluation import this module; the aggregator never does (an import-contract test
holds that). A :class:`Sealer` makes and opens the parts of one kind; :mod:`crossward.encryption.parallel` runs sealers
in processes.

Not for: adding parts (``crossward.encryption.aggregator``) or making integers from floats
(``client_app.update.quantise``).
"""

from __future__ import annotations

import functools
from typing import Any, Protocol

import numpy as np
import tenseal.sealapi as seal
from numpy.typing import NDArray

from crossward.config.encryption_settings import BFV
from crossward.encryption.bfv import CIPHERTEXTS, SEALED, Bfv, CiphertextError
from crossward.encryption.bfv_key import seeded_secret_key
from crossward.encryption.packing import CLEAR, Buffer, pack, unpack
from crossward.encryption.plan import FRESH_BYTES, SUM_BYTES, FieldPlan

Integers = NDArray[np.int64]
_TRIES = 8


class Sealer(Protocol):
    """Parts of one kind, of at most ``chunk`` values each."""

    kind: str
    chunk: int

    def close(self, values: NDArray[Any]) -> bytes:
        """A node's part: [n] of any integer type, in [-q_max, q_max]."""

    def open(self, data: Buffer, bits: int, count: int, weight_sum: int, dithered: int = 0) -> Integers:
        """``sum w*q``, int64 [count], of a part that is ``sum w*(q + offset)`` with ``sum w = weight_sum``.

        ``dithered`` is how many of its versions carry a dither: its mean is removed, the rest stays in the values.
        """


def _fields(values: NDArray[Any], plan: FieldPlan) -> Integers:
    """Signed values as unsigned fields, int64."""
    values = values.astype(np.int64)
    if values.size and max(int(values.max()), -int(values.min())) > plan.q_max:
        raise ValueError(f"a quantised value exceeds q_max = {plan.q_max} of {plan.value_bits} value bits")
    return values + plan.offset


class ClearSealer:
    """Bit-packed fields, for blocks that the policy leaves in the clear."""

    kind = CLEAR

    def __init__(self, plan: FieldPlan) -> None:
        self.plan, self.chunk = plan, 1 << 18

    def close(self, values: NDArray[Any]) -> bytes:
        return pack(_fields(values, self.plan), self.plan.update_bits)

    def open(self, data: Buffer, bits: int, count: int, weight_sum: int, dithered: int = 0) -> Integers:
        return unpack(data, bits, count) - np.int64(self.plan.removed(weight_sum, dithered))


class BfvSealer:
    """BFV ciphertexts of fresh symmetric encryptions under the key of a 64-byte seed."""

    kind = SEALED

    def __init__(self, plan: FieldPlan, seed: bytes) -> None:
        self.plan, self.bfv = plan, Bfv(plan)
        self.chunk = CIPHERTEXTS * self.bfv.capacity
        key = seeded_secret_key(seed, self.bfv.plain_bits)
        self._encryptor = seal.Encryptor(self.bfv.context, key)
        self._decryptor = seal.Decryptor(self.bfv.context, key)

    def close(self, values: NDArray[Any]) -> bytes:
        fields, step = _fields(values, self.plan), self.bfv.capacity
        return b"".join(self._encrypt(fields[start : start + step]) for start in range(0, values.size, step))

    def _encrypt(self, fields: Integers) -> bytes:
        plaintext = seal.Plaintext()
        self.bfv.encoder.encode(self.bfv.to_slots(fields).tolist(), plaintext)
        for _ in range(_TRIES):  # a ciphertext that SEAL's zstd found compressible is drawn anew
            if data := self.bfv.fresh_words(self._encryptor.encrypt_symmetric(plaintext)):
                return data
        raise CiphertextError("SEAL compresses every ciphertext: its randomness is broken")

    def open(self, data: Buffer, bits: int, count: int, weight_sum: int, dithered: int = 0) -> Integers:
        number = self.bfv.ciphertexts(count)
        size = len(data) // max(number, 1)
        if size not in (FRESH_BYTES, SUM_BYTES) or size * number != len(data):
            raise CiphertextError(f"a sealed part of {count} fields has {len(data)} bytes")
        view, out = memoryview(data), np.empty(count, dtype=np.int64)
        for index in range(number):
            start = index * self.bfv.capacity
            here = min(self.bfv.capacity, count - start)
            ciphertext = self.bfv.load(view[index * size : (index + 1) * size])
            try:
                out[start : start + here] = self._decrypt(ciphertext, here, weight_sum, dithered)
            except CiphertextError as error:
                if self._decryptor.invariant_noise_budget(ciphertext) > 0:
                    raise
                raise CiphertextError(
                    "a ciphertext has no noise room left: it was made under another key, or changed on its way"
                ) from error
        return out

    def _decrypt(self, ciphertext: object, count: int, weight_sum: int, dithered: int) -> Integers:
        """``sum w*q`` of one ciphertext, int64 [count].

        What decrypts wrongly, for too much noise or another key, is random in every slot: among thousands of fields
        some lie beyond what the weights allow or behind the last value, and no honest sum has such.
        """
        plaintext = seal.Plaintext()
        self._decryptor.decrypt(ciphertext, plaintext)
        slots = np.array(self.bfv.encoder.decode_uint64(plaintext), dtype=np.int64)
        values = self.bfv.from_slots(slots, count) - np.int64(self.plan.removed(weight_sum, dithered))
        most = self.plan.largest_sum(weight_sum, dithered)
        if max(int(values.max()), -int(values.min())) > most:
            raise CiphertextError(
                f"a part opens to {int(np.abs(values).max())}, weights of {weight_sum} allow {most}: a hospital "
                "filled its fields beyond their bits, or something was changed on its way"
            )
        return values


@functools.lru_cache(maxsize=4)
def sealer(scheme: str, plan: FieldPlan, material: bytes) -> Sealer:
    """The sealer of a scheme; ``material`` is the BFV seed or the secret CKKS context. Made once a process."""
    if scheme == BFV:
        return BfvSealer(plan, material)
    from crossward.encryption.ckks_holder import CkksSealer

    return CkksSealer(plan, material)
