"""What an observer sees of a party's embeddings, under every protection, as numbers that an attack can read.

Not for: attacks (``inversion``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crossward.encryption.committee.boxes import SealingKey, seal
from crossward.encryption.forward.disclosure import Disclosure
from crossward.encryption.forward.fixed_point import FixedPoint
from crossward.encryption.forward.plan import ProductPlan
from crossward.privacy.embeddings import EmbeddingNoise
from research.attacks.scores import AGGREGATOR, KEY_HOLDER, LABEL_HOLDER
from research.attacks.vertical.consortium import CLIP, Consortium

Floats = NDArray[np.float64]
DELTA = 1e-5
CLEAR = "clear"
_CIPHER_BYTES = 64  # of every box, that the attack reads


@dataclass(frozen=True)
class Guise:
    """How embeddings look to ``view`` under ``method``; ``see`` maps them [n, d] to numbers [n, m].

    ``hidden``: whether nothing at all should be found; ``control``: whether the attack must succeed.
    """

    view: str
    method: str
    see: Callable[[NDArray[np.float32]], Floats]
    hidden: bool = False
    control: bool = False


def guises(lab: Consortium) -> list[Guise]:
    """Of all protections, the clear one first."""
    rng = lab.rng("guises")
    dim, made = lab.size.dim, [Guise(LABEL_HOLDER, CLEAR, lambda h: h.astype(np.float64), control=True)]
    for epsilon in lab.size.epsilons:
        for releases, name in ((1, "one-shot"), (lab.size.exchanges, f"{lab.size.exchanges} exchanges")):
            noise = EmbeddingNoise.calibrated(CLIP, epsilon, DELTA, releases)
            made.append(Guise(LABEL_HOLDER, f"noised, epsilon {epsilon:g}, {name}", _averaged(noise, releases, lab)))
    for columns in (Disclosure(dim).most, 2):
        weights = rng.uniform(-1, 1, (dim, columns))
        made.append(Guise(LABEL_HOLDER, f"encrypted forward, {columns} of {dim} columns", _times(weights)))
    made.append(Guise(KEY_HOLDER, "encrypted forward", _masked(rng.uniform(-1, 1, (dim, dim // 2)), rng), hidden=True))
    made.append(Guise(AGGREGATOR, "sealed", _boxes, hidden=True))
    return made


def _averaged(noise: EmbeddingNoise, releases: int, lab: Consortium) -> Callable[[NDArray[np.float32]], Floats]:
    """The mean of all releases of embeddings that do not change: the most that an attacker can make of them."""
    rng = lab.rng("noise", f"{noise.noise_multiplier}", f"{releases}")

    def see(h: NDArray[np.float32]) -> Floats:
        sent = [noise(h, rng.standard_normal).astype(np.float64) for _ in range(releases)]
        return np.asarray(np.mean(sent, axis=0), dtype=np.float64)

    return see


def _times(weights: Floats) -> Callable[[NDArray[np.float32]], Floats]:
    return lambda h: np.asarray(h.astype(np.float64) @ weights)


def _masked(weights: Floats, rng: np.random.Generator) -> Callable[[NDArray[np.float32]], Floats]:
    """The key holder's plaintexts: the protocol's integers and masks, without the encryption around them."""

    def see(h: NDArray[np.float32]) -> Floats:
        left, right = FixedPoint(CLIP), FixedPoint(1.0)
        plan = ProductPlan(left, right, h.shape[0], h.shape[1], weights.shape[1])
        product = left.encode(h, "h") @ right.encode(weights, "W")
        digits = rng.integers(0, 1 << 32, (3, *product.shape)).astype(object)
        mask = (digits[0] << 64 | digits[1] << 32 | digits[2]) & ((1 << plan.mask_bits) - 1)
        return np.asarray((product.astype(object) + plan.value_bound + mask) / (1 << plan.mask_bits), dtype=np.float64)

    return see


def _boxes(h: NDArray[np.float32]) -> Floats:
    """Bytes of what the aggregator relays: a box a patient, sealed to the label holder."""
    key = SealingKey.generate()
    boxes = [seal(key.public, row.tobytes(), b"crossward/attack")[-_CIPHER_BYTES:] for row in h]
    return np.frombuffer(b"".join(boxes), dtype=np.uint8).reshape(len(h), -1) / 255.0 - 0.5
