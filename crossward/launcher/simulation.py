"""The command ``flwr-simulation`` of a launch: Flower's, with an actor for messages that must not wait for trainings.

A version is opened by short messages to committee members (the kinds that are ``beside`` in
``crossward.protocol.messages``), sent while other simulated hospitals train. Flower's own command, which a plain
``flwr run`` starts, answers them once an actor is free.

Not for: how Flower is changed for that (``crossward.internals.flower_simulation``).
"""

from __future__ import annotations

import sys

from crossward.internals.check import InternalsError
from crossward.internals.flower_simulation import simulation_command
from crossward.protocol.messages import KINDS


def main() -> None:
    """Run a simulation."""
    try:
        simulate = simulation_command({name for name, kind in KINDS.items() if kind.beside})
    except InternalsError as error:
        raise SystemExit(f"the simulation cannot be started: {error}") from error
    for name in [name for name in sys.modules if name.partition(".")[0] == "crossward"]:
        del sys.modules[name]  # the app that is run has its own copy of this package
    simulate()
