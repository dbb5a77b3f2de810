"""The holder's face of BFV: fields into fresh symmetric ciphertexts, and sums of them back into integers.

Not for: adding (``crossward.encryption.aggregator.bfv``).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tenseal.sealapi as seal
from numpy.typing import NDArray

from crossward.encryption.bfv import CIPHERTEXTS, SEALED, Bfv
from crossward.encryption.bfv_key import seeded_secret_key
from crossward.encryption.holder import Integers, unsigned
from crossward.encryption.packing import Buffer, CiphertextError
from crossward.encryption.plan import FRESH_BYTES, SUM_BYTES, FieldPlan

_TRIES = 8  # ciphertexts drawn for one that SEAL does not find compressible


class BfvSealer:
    """BFV ciphertexts of fresh symmetric encryptions under the key of a 64-byte seed."""

    kind = SEALED

    def __init__(self, plan: FieldPlan, seed: bytes) -> None:
        self.plan, self.bfv = plan, Bfv(plan)
        self.chunk = CIPHERTEXTS * self.bfv.capacity
        key = seeded_secret_key(seed, self.bfv.plain_bits)
        self._encryptor = seal.Encryptor(self.bfv.context, key)
        self._decryptor = seal.Decryptor(self.bfv.context, key)

    def seal(self, values: NDArray[Any]) -> bytes:
        """``values`` [n] as fresh ciphertexts, each of as many fields as fit."""
        fields, step = unsigned(values, self.plan), self.bfv.capacity
        return b"".join(self._encrypt(fields[start : start + step]) for start in range(0, values.size, step))

    def _encrypt(self, fields: Integers) -> bytes:
        plaintext = seal.Plaintext()
        self.bfv.encoder.encode(self.bfv.to_slots(fields).tolist(), plaintext)
        for _ in range(_TRIES):  # a ciphertext that SEAL's zstd found compressible is drawn anew
            if data := self.bfv.fresh_words(self._encryptor.encrypt_symmetric(plaintext)):
                return data
        raise CiphertextError("SEAL compresses every ciphertext: its randomness is broken")

    def open(self, data: Buffer, bits: int, count: int, weight_sum: int, dithered: int = 0) -> Integers:
        """``sum w*q``, int64 [count], of fresh or summed ciphertexts; CiphertextError where they do not decrypt."""
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
