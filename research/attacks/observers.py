"""What an observer really sees of an update, made and sealed by the code that nodes use.

The update is rounded (``client_app.update.quantise``) under a real plan and closed into a payload
(``client_app.update.payloads``) under a real key. The aggregator parses what any holder of the public layout can: clear
parts become values, sealed parts stay bytes. An attack on an update that is sealed throughout is given a *reading* of
the ciphertexts' bytes, so that "nothing is found" is measured on ciphertexts and not put in.

Not for: the attacks themselves.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from client_app.update.payloads import Payloads, Vault
from client_app.update.quantise import quantise
from crossward.adapters.sensitivity import choose
from crossward.config.encryption_schemes import BFV, CKKS, SCHEMES
from crossward.config.encryption_settings import ALL, NONE, SENSITIVE, EncryptionSettings
from crossward.encryption.holder import ClearSealer
from crossward.encryption.key_format import ConsortiumKey
from crossward.encryption.packing import CLEAR
from crossward.encryption.plan import FieldPlan
from crossward.encryption.secret import Secret
from crossward.protocol.parts import Payload
from research.attacks.laboratory import Laboratory, Trainer, Vector
from research.attacks.sizes import Setting
from research.attacks.stolen import Stolen

SENSITIVITY, RANDOM, REVERSED = "sensitivity", "random", "worst"
RANKINGS = (SENSITIVITY, RANDOM, REVERSED)
NOISED_BITS = 18  # of a value where a hospital's noise is added, as a run's automatic plan has it
Noise = Callable[[Vector, np.random.Generator], Vector]


@dataclass(frozen=True)
class Protection:
    """How updates are protected.

    ``blocks`` says which are sealed (None: all or none, as the policy says). With ``members`` updates are sealed to a
    committee of four hospitals, any two of which open them, and the observer holds the keys of so many. ``noise``
    changes an update before it is rounded, as noise inside the ciphertext does; ``trainer`` replaces the training, as
    DP-SGD does.
    """

    name: str
    policy: str = NONE
    scheme: str = BFV
    blocks: tuple[bool, ...] | None = None
    noise: Noise | None = None
    trainer: Trainer | None = None
    members: int | None = None

    def sealed(self, blocks: int) -> tuple[bool, ...]:
        """Which of the layout's blocks are."""
        return self.blocks if self.blocks is not None else (self.policy == ALL,) * blocks


CLEAR_ALL = Protection("clear")
SEALED_ALL = Protection("sealed", ALL)
CKKS_ALL = Protection("sealed, CKKS", ALL, CKKS)


def sealing(lab: Laboratory, fraction: float, ranking: str = SENSITIVITY) -> tuple[bool, ...]:
    """Blocks that hold at least ``fraction`` of the values: by sensitivity, at random, or the least sensitive first."""
    sizes = [block.size for block in lab.layout.blocks]
    return choose(_scores(lab, ranking) if 0.0 < fraction < 1.0 else np.zeros(len(sizes)), sizes, fraction)


def _scores(lab: Laboratory, ranking: str) -> NDArray[np.float64]:
    from client_app.update.sensitivity import scores

    count = len(lab.layout.blocks)
    if ranking == RANDOM:
        return lab.rng("ranking").permutation(count).astype(np.float64) + 1.0
    found = scores(lab.adapted.base, lab.adapted.model, lab.layout)
    return found if ranking == SENSITIVITY else found.max() + 1.0 - found


def sensitive(lab: Laboratory, fraction: float, ranking: str = SENSITIVITY) -> Protection:
    """Policy ``sensitive`` at a fraction; nothing sealed is the clear policy and all the sealed one."""
    blocks = sealing(lab, fraction, ranking)
    name = f"{ranking} {fraction:g}"
    if not any(blocks):
        return Protection(name)
    return Protection(name, ALL) if all(blocks) else Protection(name, SENSITIVE, BFV, blocks)


def clipped_noise(clip: float, sigma: float) -> Noise:
    """The Gaussian mechanism on an update: L2 clipped to ``clip``, noise of deviation ``sigma * clip`` a value.

    For an update of one SGD step on one note this is DP-SGD's step with the rate within the clip; for a whole local
    training it is what a hospital's own noise does, and not DP-SGD.
    """

    def change(delta: Vector, rng: np.random.Generator) -> Vector:
        norm = float(np.linalg.norm(delta))
        shorter = delta * np.float32(min(1.0, clip / max(norm, 1e-30)))
        return (shorter + rng.normal(0.0, sigma * clip, delta.shape)).astype(np.float32)

    return change


@dataclass(frozen=True)
class Seen:
    """An update as the aggregator has it.

    ``values`` float32 [total] are the clear ones, zero where sealed; ``clear`` bool [total]; ``sealed`` the bytes of
    the sealed parts with the number of values in each; ``size`` the payload's bytes.
    """

    values: Vector
    clear: NDArray[np.bool_]
    sealed: tuple[tuple[bytes, int], ...]
    size: int
    unit: float

    def blocks(self, lab: Laboratory) -> NDArray[np.bool_]:
        """Which of the layout's blocks are clear: bool [blocks]."""
        return np.array([self.clear[block.offset] for block in lab.layout.blocks], dtype=np.bool_)

    def reading(self) -> Vector:
        """What an attack works on: the clear values or, where none is clear, the ciphertexts' bytes as if they were.

        A value is then the mean of the bytes that its share of the ciphertext has, less the mean of all bytes.
        """
        if self.clear.any():
            return self.values
        return np.concatenate([_read(data, count) for data, count in self.sealed]) * np.float32(self.unit)


def _read(data: bytes, count: int) -> Vector:
    raw = np.frombuffer(data, dtype=np.uint8).astype(np.float64)
    edges = np.linspace(0, len(raw), count + 1)[:-1].astype(np.int64)
    if len(raw) < count:  # several values share a byte
        return (raw[np.arange(count) * len(raw) // count] - 127.5).astype(np.float32)
    widths = np.diff(np.append(edges, len(raw)))
    return (np.add.reduceat(raw, edges) / widths - 127.5).astype(np.float32)


@functools.lru_cache(maxsize=2)
def _key(scheme: str) -> ConsortiumKey:
    from crossward.encryption.holder.ckks import make_context  # for the one scheme that has a context

    return ConsortiumKey(Secret.generate(), (), make_context()[0] if SCHEMES[scheme].has_context else b"")


def plan_of(setting: Setting) -> FieldPlan:
    """The preset ``compact``, or as many value bits as the setting asks for."""
    return FieldPlan(setting.value_bits, 7, 0)


class Observer:
    """The aggregator's eyes for one protection. Payloads are made one after another under one key.

    Noise and rounding are drawn apart for each ``role``: an attacker's shadows do not share them with its victims.
    """

    def __init__(self, lab: Laboratory, setting: Setting, protection: Protection, role: str = "") -> None:
        self.lab, self.setting, self.protection = lab, setting, protection
        self.plan = FieldPlan(NOISED_BITS, 7, 0) if protection.noise is not None else plan_of(setting)
        sizes = tuple(block.size for block in lab.layout.blocks)
        self.mask = protection.sealed(len(sizes))
        key = _key(protection.scheme) if protection.policy != NONE else None
        settings = EncryptionSettings(policy=protection.policy, scheme=protection.scheme, workers=1)
        self.payloads = Payloads(sizes, self.plan, Vault(settings, key, protection.blocks))
        self.stolen = Stolen(self.plan, protection.members) if protection.members is not None else None
        self.rng = lab.rng("observer", setting.name, protection.name, role)

    def integers(self, delta: Vector) -> tuple[NDArray[np.signedinteger], float]:
        """The update as it is rounded, and what a unit is worth."""
        if self.protection.noise is not None:
            delta = self.protection.noise(delta, self.rng)
        reach = float(np.abs(delta).max()) or 1.0
        if not self.setting.fitted and self.protection.noise is None:  # fields of noised updates hold the noise's tail
            reach = self.lab.schedule.peak * self.setting.steps * self.lab.schedule.range_factor
        q_max = self.plan.q_max
        return quantise(delta, None, reach, q_max, self.rng).values, reach / q_max

    def see(self, delta: Vector) -> Seen:
        """``delta`` (float32 [total]) as a node sends it and the aggregator parses it."""
        values, unit = self.integers(delta)
        if self.stolen is not None:
            left = self.stolen.left(values.astype(np.int64)).astype(np.float32) * np.float32(unit)
            return Seen(left, np.ones(left.size, np.bool_), (), 0, unit)
        return self.parse(self.payloads.seal(values), unit)

    def parse(self, payload: Payload, unit: float) -> Seen:
        """What can be read without the key.

        The places of the clear parts are public; the bytes of the others are not values.
        """
        total = self.lab.layout.total
        found, clear = np.zeros(total, np.float32), np.zeros(total, np.bool_)
        opener = ClearSealer(self.plan)
        places = (b for b, hidden in zip(self.lab.layout.blocks, self.mask, strict=True) if not hidden)
        sealed: list[tuple[bytes, int]] = []
        for part in payload:
            if part.head.kind != CLEAR:
                sealed.append((bytes(part.data), part.head.length))
                continue
            block = next(places)
            here = slice(block.offset, block.offset + block.size)
            found[here] = opener.open(part.data, part.head.bits, part.head.length, 1).astype(np.float64) * unit
            clear[here] = True
        return Seen(found, clear, tuple(sealed), payload.size, unit)
