"""Run-config keys under ``encryption.``.

Not for: the plan that they come to (``crossward.encryption.settings``) or where a hospital keeps its key
(``crossward.config.node_config``).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from crossward.config.encryption_schemes import COMMITTEE, SCHEMES
from crossward.config.settings import AUTO

ALL, SENSITIVE, NONE = "all", "sensitive", "none"
POLICIES = (NONE, SENSITIVE, ALL)  # by how much is sealed
COMPACT, BALANCED, PRECISE = "compact", "balanced", "precise"


@dataclass(frozen=True)
class EncryptionSettings:
    """What is encrypted, how, and with how many bits a field."""

    policy: str = field(
        default=ALL,
        metadata={
            "key": "encryption.policy",
            "help": "Which adapter blocks are encrypted: all of them, the most sensitive ones, or none.",
            "choices": (ALL, SENSITIVE, NONE),
        },
    )
    fraction: float = field(
        default=0.3,
        metadata={
            "key": "encryption.fraction",
            "help": "Share of the values that the policy 'sensitive' encrypts, most sensitive blocks first.",
            "above": 0.0,
            "max": 1.0,
        },
    )
    scheme: str = field(
        default=COMMITTEE,
        metadata={
            "key": "encryption.scheme",
            "help": "; ".join(f"{name}: {scheme.about}" for name, scheme in SCHEMES.items()) + ".",
            "choices": tuple(SCHEMES),
        },
    )
    preset: str = field(
        default=AUTO,
        metadata={
            "key": "encryption.preset",
            "help": "Bits per field (value, weight, guard): compact 8,7,0; balanced 8,6,6; precise 12,10,0. auto finds "
            "8-bit values' plan of the fewest bytes for the run's nodes and buffer; with privacy.unit = 'hospital' it "
            "picks values of 14 to 18 bits: as many as fit two to a slot of bfv, 14 under committee.",
            "choices": (AUTO, COMPACT, BALANCED, PRECISE),
        },
    )
    plan: str = field(
        default="",
        metadata={
            "key": "encryption.plan",
            "help": "Bits per field in place of the preset, as 'value,weight,guard', e.g. '8,7,2': bits per value, "
            "log2 of the largest sum of integer weights, log2 of the versions one catch-up sum may hold. Empty: the "
            "preset's.",
        },
    )
    key: str = field(
        default="",
        metadata={
            "key": "encryption.key",
            "help": "Fingerprint of the consortium key that updates must be encrypted with; empty: the key of the "
            "first version.",
        },
    )
    stretch: int = field(
        default=16,
        metadata={
            "key": "encryption.stretch",
            "help": "Versions after which committee members change the keys that updates are sealed to; what was "
            "sealed two changes ago cannot be opened any more.",
            "min": 1,
            "max": 100000,
        },
    )
    workers: int = field(
        default=0,
        metadata={
            "key": "encryption.workers",
            "help": "Processes per node that encrypt and decrypt large adapters (0: one per core, up to 8).",
            "min": 0,
            "max": 1024,
            "hospital": True,
        },
    )

    def __post_init__(self) -> None:
        if self.key and not (len(self.key) == 16 and set(self.key) <= set("0123456789abcdef")):
            raise ValueError(
                f"encryption.key = {self.key!r} is no fingerprint: expected 16 hex digits, as "
                "`crossward keys show` prints them"
            )
        parts = self.plan.split(",")
        if self.plan and not (len(parts) == 3 and all(part.strip().isdecimal() for part in parts)):
            raise ValueError(
                f"encryption.plan = {self.plan!r}: expected three whole numbers of bits, 'value,weight,guard', such as "
                "'8,7,2'"
            )

    @property
    def has_committee(self) -> bool:
        """Whether a committee of hospitals opens the run's versions."""
        return self.policy != NONE and SCHEMES[self.scheme].committee

    @property
    def bits(self) -> tuple[int, int, int] | None:
        """Value, weight and guard bits of ``plan``; None where the preset decides."""
        if not self.plan:
            return None
        value, weight, guard = (int(part) for part in self.plan.split(","))
        return value, weight, guard
