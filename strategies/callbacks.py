"""Callbacks: code of one's own that sees every event of a run, and can stop it.

    class Patience(Callback):
        def on_event(self, event, state):
            if isinstance(event, Evaluated) and event.version >= 10 and event.loss > 3.0:
                self.request_stop(f"held-out loss {event.loss:.2f} at version {event.version}")

    AsyncHybrid(..., callbacks=[Patience()]).start(grid)

or ``run.callbacks = "package.module:Patience"`` for the ServerApp. A callback runs within the aggregator and sees
what its ledger holds, nothing that is sealed. An exception in it ends the run at once; the run can be resumed.

Not for: weights (``strategies.aggregation.weighting``), what an event says (``crossward.ledger.events``).
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable

from crossward.ledger.events import Event
from crossward.ledger.state import RunState


class CallbackError(ValueError):
    """A callback that was asked for cannot be used: the text says which, and what to do."""


class Callback:
    """Sees a run's events in order. Derive from it; ``stop_requested`` is why it wants the run to stop, if it does."""

    stop_requested: str = ""

    def on_event(self, event: Event, state: RunState) -> None:
        """``event`` was written, and has been applied to ``state``, which is only to be read."""

    def request_stop(self, reason: str) -> None:
        """Have the run stop as it does after its last version: no more versions, but last evaluations."""
        self.stop_requested = self.stop_requested or reason or "no reason given"


def load_callback(name: str) -> Callback:
    """The callback ``"package.module:Class"``, made without arguments.

    Raises
    ------
    CallbackError
        it cannot be imported or made, or is no :class:`Callback`.
    """
    module, _, attribute = name.strip().partition(":")
    if not module or not attribute:
        raise CallbackError(f"callback {name!r}: expected module:Class, as in my_package.my_module:MyCallback")
    try:
        kind = getattr(importlib.import_module(module), attribute)
    except Exception as error:  # whatever the module does when it is imported
        raise CallbackError(
            f"callback {name!r} cannot be imported ({type(error).__name__}: {error}): install its package beside this "
            "project, or put its folder on PYTHONPATH of the process that runs the ServerApp"
        ) from error
    if not (isinstance(kind, type) and issubclass(kind, Callback)):
        raise CallbackError(f"callback {name!r} is not a subclass of strategies.callbacks.Callback")
    try:
        return kind()
    except Exception as error:
        raise CallbackError(f"callback {name!r} cannot be made ({type(error).__name__}: {error})") from error


def load_callbacks(names: str) -> list[Callback]:
    """The callbacks in ``names``, separated by commas; errors as for :func:`load_callback`."""
    return [load_callback(name) for name in names.split(",") if name.strip()]


def stop_requested(callbacks: Iterable[Callback]) -> str:
    """Why the first of ``callbacks`` that wants the run to stop does; empty when none does."""
    return next((callback.stop_requested for callback in callbacks if callback.stop_requested), "")
