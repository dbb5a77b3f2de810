"""Run-config keys under ``personal.``: the adapter that each hospital makes of the global one and keeps.

Not for: the methods themselves (``client_app.personal.methods``, which has an entry for each name here).
"""

from __future__ import annotations

from dataclasses import dataclass, field

NONE = "none"
FINE_TUNE = "fine-tune"
METHODS = (NONE, FINE_TUNE)


@dataclass(frozen=True)
class PersonalSettings:
    """How a hospital makes its personal adapter, after the run's last version."""

    method: str = field(
        default=FINE_TUNE,
        metadata={
            "key": "personal.method",
            "help": "How each hospital makes a personal adapter of the global one when the run ends; it stays at the "
            "hospital. fine-tune: continue training on its own notes as far as its own validation patients gain; "
            "none: do not make one.",
            "choices": METHODS,
            "hospital": True,
        },
    )
    steps: int = field(
        default=0,
        metadata={
            "key": "personal.steps",
            "help": "Optimiser steps from the global to the personal adapter (0: as many as training alone takes).",
            "min": 0,
            "max": 1000000,
            "hospital": True,
        },
    )
    peak: float = field(
        default=0.0,
        metadata={
            "key": "personal.learning-rate",
            "help": "Peak learning rate of the personal adapter (0: train.learning-rate).",
            "min": 0.0,
            "max": 1.0,
            "hospital": True,
        },
    )


NOT_PERSONAL = PersonalSettings(method=NONE)  # nobody is set aside to validate one
