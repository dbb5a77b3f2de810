"""The BFV key of a seed: the same everywhere, for every plain modulus, and only key generation follows the seed."""

from typing import Any

import pytest
import tenseal.sealapi as S

from crossward.encryption.bfv_key import COEFFICIENT_BITS, RING_DEGREE, key_check, seeded_secret_key

SEED = bytes(range(64))


def coefficients(key: Any) -> list[int]:
    data = key.data()
    return [data[i] for i in range(RING_DEGREE)]


def context(plain_bits: int) -> Any:
    """Of the same parameters, with SEAL's default source of randomness."""
    parameters = S.EncryptionParameters(S.SCHEME_TYPE.BFV)
    parameters.set_poly_modulus_degree(RING_DEGREE)
    parameters.set_coeff_modulus(S.CoeffModulus.Create(RING_DEGREE, list(COEFFICIENT_BITS)))
    parameters.set_plain_modulus(S.PlainModulus.Batching(RING_DEGREE, plain_bits))
    return S.SEALContext(parameters, True, S.SEC_LEVEL_TYPE.TC128)


def test_the_check_of_a_seed_is_this_one() -> None:
    assert key_check(SEED) == "fdf614087ef0e041"
    assert key_check(bytes(64)) == "caa7423b17ab122b"


def test_every_plain_modulus_gives_the_same_key() -> None:
    known = coefficients(seeded_secret_key(SEED, 45))
    assert all(coefficients(seeded_secret_key(SEED, bits)) == known for bits in (16, 24, 36, 58))
    assert coefficients(seeded_secret_key(bytes([1]) + SEED[1:], 45)) != known


def test_the_key_opens_what_another_copy_of_it_sealed_with_fresh_randomness() -> None:
    here = context(45)
    encoder = S.BatchEncoder(here)
    plain = S.Plaintext()
    encoder.encode([7, 11, *[0] * (RING_DEGREE - 2)], plain)
    sealed = []
    for _ in range(2):
        cipher = S.Ciphertext(here)
        S.Encryptor(here, seeded_secret_key(SEED, 45)).encrypt_symmetric(plain, cipher)
        sealed.append(cipher)
    opened = S.Plaintext()
    for cipher in sealed:
        S.Decryptor(here, seeded_secret_key(SEED, 45)).decrypt(cipher, opened)
        assert encoder.decode_uint64(opened)[:3] == [7, 11, 0]
    assert any(sealed[0][i] != sealed[1][i] for i in range(16))  # the seed is not the encryptions' randomness


@pytest.mark.parametrize("size", [0, 32, 63, 65])
def test_a_seed_of_another_length_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"64 bytes, got {size}"):
        seeded_secret_key(bytes(size), 45)


@pytest.mark.parametrize("bits", [0, 15, 59])
def test_a_plain_modulus_that_cannot_be_is_refused(bits: int) -> None:
    with pytest.raises(ValueError, match=f"a plain modulus of {bits} bits"):
        seeded_secret_key(SEED, bits)
