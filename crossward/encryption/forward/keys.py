"""Keys of Okamoto-Uchiyama with 2048 bits, and encryption with more randomness than ``sf-heu`` gives it.

Randomness. The library encrypts m as ``G^m H^r`` with r of 110 bits (its ``kRandomBits2048``), so that whoever guesses
m can confirm it in about 2^55 steps (Pollard's kangaroo on H^r): too few for patients' data. Here every ciphertext is
multiplied by encryptions of zero with base ``H^(2^110)`` and, before a product is sent, ``H^(2^220)``, so that r is
uniform over 220 bits in sealed values (110 bits of security, as the modulus has) and over 330 in products. A product
of sealed values and weights carries ``sum r_i w_i``, at most 220 + 24 + 26 bits long; 330 uniform bits hide it up to
2^-60. So a product does not reveal the weights even to one who knows every r_i and the secret key.

Bytes from outside never reach the library's parser in a form of the sender's choosing: they are whole numbers of fixed
width, checked here, which are put into the frame that the library expects (``cells`` likewise).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import Any, NoReturn

import numpy as np

from crossward.encryption.forward.frames import SCHEMA, WIDTH, framed, other_version, string
from crossward.encryption.forward.library import ForwardError, heu
from crossward.encryption.forward.plan import CAPACITY

BITS = 2048
PUBLIC_BYTES = 3 * WIDTH
SECRET_BYTES = 7 * WIDTH
SHORT = 110  # bits of the library's randomness
_CAPACITY = b"\xcd" + CAPACITY.to_bytes(2, "big")  # as the library writes it; some of its keys have room for a bit more
_ZEROS_ONLY = b"\x0a"  # tables for plaintexts of 10 bits: these keys encrypt nothing but zero
SEALING, SENDING = 2, 3  # times SHORT bits of randomness


@dataclass(frozen=True)
class ForwardPublic:
    """A public key: n, G and H, each a number of :data:`WIDTH` bytes, little-endian.

    Raises
    ------
    ForwardError
        the bytes are no such key.
    """

    data: bytes

    def __post_init__(self) -> None:
        if len(self.data) != PUBLIC_BYTES:
            raise ForwardError(f"a public key of encrypted forward has {PUBLIC_BYTES} bytes; got {len(self.data)}")
        n, g, h = self.numbers
        if not BITS <= n.bit_length() <= BITS + 7 or n % 2 == 0 or not (1 < g < n and 1 < h < n):
            raise ForwardError(
                f"a public key of encrypted forward: its numbers are not those of a key of {BITS} bits; ask the key "
                "holder for its key again"
            )

    @property
    def numbers(self) -> tuple[int, int, int]:
        """n, G, H."""
        n, g, h = (int.from_bytes(self.data[i : i + WIDTH], "little") for i in range(0, PUBLIC_BYTES, WIDTH))
        return n, g, h

    def kit(self) -> Any:
        """The library's arrays, encryptor and evaluator under this key."""
        return _kits(self.data, SEALING)[0]

    def encrypt(self, values: Any, factors: int = SEALING) -> Any:
        """Python integers (an object array [n, m]) as the library's ciphertexts; r is uniform over 110 ``factors``."""
        kits = _kits(self.data, factors)
        evaluator = kits[0].evaluator()
        out = kits[0].encryptor().encrypt(kits[0].array(values))
        for kit in kits[1:]:
            out = evaluator.add(out, kit.encryptor().encrypt(kit.array(np.zeros(values.shape, dtype=object))))
        return out


@functools.lru_cache(maxsize=8)
def _kits(data: bytes, factors: int) -> tuple[Any, ...]:
    """A key whose H is raised to 2^(110 i), for every i below ``factors``. About 40 MB of tables the first of them."""
    n, g, h = ForwardPublic(data).numbers
    library, arrays, out = heu("phe"), heu("numpy"), []
    for i in range(factors):
        raised, capacity = pow(h, 1 << (SHORT * i), n), _ZEROS_ONLY if i else _CAPACITY
        written = b"\x94" + framed(n) + framed(g) + framed(raised) + capacity + SCHEMA
        out.append(arrays.setup(library.PublicKey.load_from(written)))
    return tuple(out)


@dataclass(frozen=True)
class ForwardKey:
    """A secret key with its public one. Refuses to be pickled.

    ``secret`` is the library's own writing of it, which only its holder ever reads back.
    """

    public: ForwardPublic
    secret: bytes = field(repr=False)

    @classmethod
    def generate(cls) -> ForwardKey:
        """A new one, from the library's cryptographic generator; takes about a second."""
        kit = heu("numpy").setup(heu("phe").SchemaType.OU, BITS)
        numbers, rest = _numbers(kit.public_key().serialize())
        if rest[:1] + rest[3:] != _CAPACITY[:1] + SCHEMA or rest[1:3] < _CAPACITY[1:]:
            raise other_version()
        return cls(ForwardPublic(b"".join(n.to_bytes(WIDTH, "little") for n in numbers)), kit.secret_key().serialize())

    @functools.cached_property
    def _decryptor(self) -> Any:
        n, g, h = self.public.numbers
        library = heu("phe")
        written = b"\x94" + framed(n) + framed(g) + framed(h) + _ZEROS_ONLY + SCHEMA  # it encrypts nothing
        pair = library.setup(library.PublicKey.load_from(written), library.SecretKey.load_from(self.secret))
        return heu("numpy").HeKit(pair).decryptor()

    def decrypt(self, ciphertexts: Any) -> Any:
        """The library's ciphertexts [n, m] as Python integers, an object array [n, m], in (-p/2, p/2)."""
        return self._decryptor.decrypt(ciphertexts).to_numpy()

    def __reduce__(self) -> NoReturn:
        raise TypeError("a key of encrypted forward is never pickled")


def _numbers(written: bytes) -> tuple[list[int], bytes]:
    """The three numbers of a public key that the library wrote, and the bytes behind them."""
    found, at = [], 1
    for _ in range(3):
        number, at = string(written, at)
        found.append(int.from_bytes(number, "little"))
    return found, written[at:]
