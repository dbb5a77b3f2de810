"""The BFV secret key that a seed stands for, and a fingerprint of how this SEAL derives it.

Every hospital makes the same key from the same 64 bytes, because SEAL's key generator draws it from a Blake2xb stream
that they seed. The stream belongs to key generation alone: a context that encrypts must keep SEAL's default source of
randomness, or two ciphertexts would share their noise and give their difference away.

Not for: encrypting or opening (``crossward.encryption.holder``) nor key files (``crossward.cli.keys``).
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import tenseal.sealapi as S

RING_DEGREE = 4096
COEFFICIENT_BITS = (60,)
SEED_SIZE = 64
CHECK_PLAIN_BITS = 45  # any: the key does not depend on it


def seeded_secret_key(secret_seed: bytes, plain_bits: int) -> Any:
    """The ``SecretKey`` of ``secret_seed`` for N = 4096, one 60-bit prime, a batching prime of ``plain_bits`` bits.

    Its coefficients are the same for every ``plain_bits``; SEAL ties a key to the parameters it was made under, so a
    key is made for each. It fits every context of those parameters, also one with SEAL's default randomness.

    Parameters
    ----------
    secret_seed
        64 secret bytes, read as eight little-endian uint64 words.
    plain_bits
        16 to 58, bits of the plain modulus.

    Raises
    ------
    ValueError
        wrong length, ``plain_bits`` out of range, or parameters that SEAL does not accept.
    """
    if len(secret_seed) != SEED_SIZE:
        raise ValueError(f"a seed of the BFV secret key has {SEED_SIZE} bytes, got {len(secret_seed)}")
    if not 16 <= plain_bits <= 58:
        raise ValueError(f"a plain modulus of {plain_bits} bits: expected 16 to 58 for N = {RING_DEGREE}")
    parameters = S.EncryptionParameters(S.SCHEME_TYPE.BFV)
    parameters.set_poly_modulus_degree(RING_DEGREE)
    parameters.set_coeff_modulus(S.CoeffModulus.Create(RING_DEGREE, list(COEFFICIENT_BITS)))
    parameters.set_plain_modulus(S.PlainModulus.Batching(RING_DEGREE, plain_bits))
    words = [int.from_bytes(secret_seed[i : i + 8], "little") for i in range(0, SEED_SIZE, 8)]
    parameters.set_random_generator(S.Blake2xbPRNGFactory(words))
    context = S.SEALContext(parameters, True, S.SEC_LEVEL_TYPE.TC128)
    if not context.parameters_set():
        raise ValueError(f"SEAL refuses N = {RING_DEGREE} with a {plain_bits}-bit plain modulus at 128-bit security")
    return S.KeyGenerator(context).secret_key()


def key_check(seed: bytes) -> str:
    """16 hex digits of the key that this SEAL derives from ``seed``: SHA-256 over its N uint64, little-endian.

    Kept in the key file, so that a library that would derive another key is refused before it produces garbage. The
    key has far more entropy than anyone can try, so the digits give nothing of it away.
    """
    key = seeded_secret_key(seed, CHECK_PLAIN_BITS)
    data = key.data()  # a view into ``key``, which the binding does not keep alive
    coefficients = np.fromiter((data[i] for i in range(RING_DEGREE)), dtype="<u8", count=RING_DEGREE)
    return hashlib.sha256(coefficients.tobytes()).hexdigest()[:16]
