"""Run-config keys under ``privacy.``: what differential privacy protects, how much of it, and by which noise.

The two sides read them: nodes make the noise, the server refuses what cannot be accounted for and keeps the budget.

Not for: mechanisms or accountants (``crossward.privacy``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

NO_UNIT, EXAMPLE, PATIENT, HOSPITAL = "none", "example", "patient", "hospital"
UNITS = (NO_UNIT, EXAMPLE, PATIENT, HOSPITAL)
LOCAL_UNITS = (EXAMPLE, PATIENT)  # DP-SGD within a hospital; HOSPITAL is noise on the sum of hospitals' updates
LEAST_NOISE = 1 / 128  # of a noise multiplier; below it no epsilon worth the name is left, and accountants fail
RDP, PLD = "rdp", "pld"


def _key(name: str, help: str, **limits: Any) -> dict[str, Any]:
    return {"key": f"privacy.{name}", "help": help, **limits}


@dataclass(frozen=True)
class PrivacySettings:
    """What is protected (``unit``), and the mechanism's and accountant's numbers."""

    unit: str = field(
        default=NO_UNIT,
        metadata=_key(
            "unit",
            "What is protected: the data sets that an observer cannot tell apart differ in one training example or one "
            "patient (DP-SGD at every hospital), or in one whole hospital (noise shares inside its encrypted update).",
            choices=UNITS,
        ),
    )
    epsilon: float = field(
        default=0.0,
        metadata=_key(
            "epsilon",
            "Privacy budget of the run at privacy.delta: it does not start, or stops, before more is spent. 0: no "
            "budget, which needs a noise-multiplier.",
            min=0.0,
        ),
    )
    delta: float = field(
        default=1e-5,
        metadata=_key("delta", "The delta of epsilon; well below one over the number of patients.", above=0.0, max=0.1),
    )
    noise_multiplier: float = field(
        default=0.0,
        metadata=_key(
            "noise-multiplier",
            "Standard deviation of the noise on a sum in units of its sensitivity. 0: the smallest that keeps a "
            "hospital that contributes to every version within privacy.epsilon.",
            min=0.0,
            max=1e6,
        ),
    )
    clip: float = field(
        default=1.0,
        metadata=_key(
            "clip",
            "L2 bound of what one unit contributes to a sum: an example's or a patient's gradient, or a hospital's "
            "update at the first scale epoch (it halves with every further one).",
            min=1e-6,
            max=1e6,
        ),
    )
    batch: int = field(
        default=16,
        metadata=_key(
            "batch",
            "Examples (notes) or patients that a DP-SGD step samples on average: each enters with probability "
            "batch / all, independently (Poisson sampling), so that a step may hold more, fewer or none.",
            min=1,
            max=1000000,
        ),
    )
    notes_per_patient: int = field(
        default=4,
        metadata=_key(
            "notes-per-patient",
            "Maximum sequences of one patient in a step of patient-level DP-SGD, drawn at random.",
            min=1,
            max=100000,
        ),
    )
    colluding: int = field(
        default=1,
        metadata=_key(
            "colluding",
            "Hospital level: contributors of a version that may know and subtract their own share of its noise; one "
            "is the hospital that reads the sum.",
            min=0,
            max=100000,
        ),
    )
    micro_batch: int = field(
        default=1,
        metadata=_key(
            "micro-batch",
            "Examples, on average, whose mean gradient is clipped as one (EFLS's micro-batches), drawn at random. Less "
            "is clipped away, but one example can reverse a whole clipped gradient, so that the noise on the sum is "
            "twice as large for the same epsilon; 1: one each.",
            min=1,
            max=4096,
        ),
    )
    accountant: str = PLD  # of examples and patients; a hospital's epsilon is accounted by RDP

    def __post_init__(self) -> None:
        if self.unit == NO_UNIT and (self.epsilon or self.noise_multiplier):
            raise ValueError(
                f"privacy.epsilon = {self.epsilon} and privacy.noise-multiplier = {self.noise_multiplier} do nothing "
                "while privacy.unit = 'none': choose example, patient or hospital, or leave them 0"
            )
        if self.unit != NO_UNIT and not (self.epsilon or self.noise_multiplier):
            raise ValueError(
                f"privacy.unit = {self.unit!r} says what to protect but not how well: set privacy.epsilon, or "
                "privacy.noise-multiplier, or both"
            )
        if 0.0 < self.noise_multiplier < LEAST_NOISE:
            raise ValueError(
                f"privacy.noise-multiplier = {self.noise_multiplier:g} is next to no noise: at least {LEAST_NOISE:g} "
                "is expected, or 0 to have it calibrated to privacy.epsilon"
            )
        if self.micro_batch > 1 and self.unit != EXAMPLE:
            raise ValueError(
                f"privacy.micro-batch = {self.micro_batch} is for privacy.unit = 'example'; it is {self.unit!r}"
            )
