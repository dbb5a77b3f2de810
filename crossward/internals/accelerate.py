"""Lets one process use Accelerate with one precision after another."""

from __future__ import annotations

from crossward.internals.check import Dependency

ACCELERATE = Dependency("accelerate", "1.15", __name__)


def reset_precision() -> None:
    """Forget the precision and device that this process chose with its first ``Accelerator``, if there was one.

    Raises
    ------
    InternalsError
        this Accelerate keeps them elsewhere.
    """
    shared = ACCELERATE.require("accelerate.state:AcceleratorState._shared_state")
    reset = ACCELERATE.require("accelerate.state:AcceleratorState._reset_state", "reset_partial_state")
    if shared:
        reset(reset_partial_state=True)
