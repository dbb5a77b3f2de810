"""The methods that are compared, each as the run config that makes it.

``fl``, ``dp-fl`` and ``he-fl`` are synchronous rounds weighted by examples (arXiv 1602.05629); ``hybrid`` and
``encrypted`` are this project's method (arXiv 2503.12226), which seals a part of the adapter or all of it. All send
8-bit integers under one field plan, so that what differs is what the method's name says. What is sealed is sealed under
BFV, or CKKS for ``he-fl``: versions then carry the dither of a run in the clear, and adapters can be compared bit for
bit. A committee's members make a dither of their own (``benchmarks.encryption`` measures that scheme). ``personal`` is
``encrypted`` and what every hospital then trains at home, which costs nothing but its seconds there.

Not for: data, steps and seeds, which all methods share (``research.compare.settings``).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from crossward.config.encryption_schemes import BFV, CKKS
from crossward.config.encryption_settings import ALL, COMPACT, NONE, SENSITIVE, EncryptionSettings
from crossward.config.privacy_settings import PATIENT
from crossward.config.strategy_settings import IN_ROUNDS
from crossward.config.weight_rules import ASYNC_HYBRID, FEDAVG

CENTRALISED, LOCAL, FL, DP_FL, HE_FL, HYBRID, ENCRYPTED, PERSONAL = (
    "centralised",
    "local",
    "fl",
    "dp-fl",
    "he-fl",
    "hybrid",
    "encrypted",
    "personal",
)
ENCRYPTED_SYNC = "encrypted-sync"  # no method of its own: a check that sealing changes nothing

_ROUNDS = {"strategy.name": FEDAVG, "strategy.weighting": "examples", "strategy.buffer-size": 0}
_ASYNC = {"strategy.name": ASYNC_HYBRID}  # weights and damping are its own


@dataclass(frozen=True)
class Method:
    """``config`` is laid over the comparison's run config; empty for what is no federated run.

    With ``personal`` every hospital ends with an adapter of its own, trained at home from the global one.
    """

    name: str
    title: str
    config: dict[str, Any] = field(default_factory=dict)
    personal: bool = False

    @property
    def federated(self) -> bool:
        """Whether there is a federated run behind it."""
        return bool(self.config)

    @property
    def at_home(self) -> bool:
        """Whether every hospital uses an adapter of its own."""
        return self.personal or self.name == LOCAL

    @property
    def synchronous(self) -> bool:
        """Whether its rounds wait for all of a cohort."""
        return self.federated and self.config["strategy.name"] in IN_ROUNDS

    @property
    def sealed(self) -> bool:
        """Whether it seals anything."""
        return bool(self.config.get("encryption.policy", NONE) != NONE)

    @property
    def fraction(self) -> float:
        """Share of the values that it seals, as far as whole blocks allow."""
        if self.config.get("encryption.policy") == SENSITIVE:
            return float(self.config["encryption.fraction"])
        return float(self.sealed)

    def but(self, name: str, title: str, **changes: Any) -> Method:
        """A variant; keywords are run-config keys with ``__`` for a dot and ``_`` for a dash."""
        given = {key.replace("__", ".").replace("_", "-"): value for key, value in changes.items()}
        return replace(self, name=name, title=title, config=self.config | given)


_COMMON = {"encryption.scheme": BFV, "encryption.preset": COMPACT}
_FL = Method(FL, "FL in the clear", _ROUNDS | {"encryption.policy": NONE} | _COMMON)
_ENCRYPTED = Method(ENCRYPTED, "all encrypted", _ASYNC | {"encryption.policy": ALL} | _COMMON)

METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method(CENTRALISED, "centralised"),
        Method(LOCAL, "local only"),
        _FL,
        _FL.but(DP_FL, "DP-FL", privacy__unit=PATIENT),  # epsilon is the comparison's setting
        _FL.but(HE_FL, "HE-FL (CKKS)", encryption__policy=ALL, encryption__scheme=CKKS),
        _ENCRYPTED.but(
            HYBRID, "hybrid", encryption__policy=SENSITIVE, encryption__fraction=EncryptionSettings().fraction
        ),
        _ENCRYPTED,
        replace(_ENCRYPTED, name=PERSONAL, title="personal, from all encrypted", personal=True),
    )
}
CHECKS: dict[str, Method] = {
    ENCRYPTED_SYNC: _FL.but(ENCRYPTED_SYNC, "all encrypted, in FL's rounds", encryption__policy=ALL)
}
