"""A personal adapter, and how it came about.

Not for: making one (``client_app.personal.methods``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from client_app.training.trained import Vector

GLOBAL, PERSONAL = "global", "personal"  # whose validation losses a method reports


@dataclass(frozen=True)
class Personal:
    """A personal adapter ``vector`` float32 [total], which ``method`` made in ``steps`` optimiser steps.

    It lies ``share`` of the way from the global adapter, 0.0, to where the steps led, 1.0. ``validation`` holds losses
    on the hospital's validation patients in nats a token, by adapter; it is empty where the hospital has one patient.
    """

    vector: Vector
    method: str
    steps: int
    share: float = 1.0
    validation: dict[str, float] = field(default_factory=dict)

    def facts(self) -> dict[str, Any]:
        """All but the vector, as plain values that :meth:`of` reads."""
        return {"method": self.method, "steps": self.steps, "share": self.share, "validation": self.validation}

    @classmethod
    def of(cls, vector: Vector, facts: Mapping[str, Any]) -> Personal:
        """The adapter with this vector and ``facts``, which may hold more."""
        return cls(vector, **{name: facts[name] for name in ("method", "steps", "share", "validation")})

    def line(self) -> str:
        """For the hospital's log."""
        if not self.validation:
            return f"personal adapter by {self.method}: {self.steps} steps, {self.share:.0%} of the way, not validated"
        before, after = self.validation[GLOBAL], self.validation[PERSONAL]
        if not self.share:
            return (
                f"personal adapter by {self.method}: the global adapter, {before:.4f} on validation, as no step helps"
            )
        return (
            f"personal adapter by {self.method}: {self.steps} steps, {self.share:.0%} of the way; loss on validation "
            f"patients {after:.4f}, of the global adapter {before:.4f}"
        )
