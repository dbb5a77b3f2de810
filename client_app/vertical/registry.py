"""What a party does in a step: ``ACTIONS``, a function for each action of ``crossward.protocol.vertical.messages``.

Functions are named and imported when a step asks for them: most steps need no model, and importing one takes seconds.

Not for: the functions (``client_app.vertical.actions``), the order of steps (``crossward.protocol.vertical.program``).
"""

from __future__ import annotations

from pkgutil import resolve_name

from client_app.vertical.party import Action
from crossward.protocol.vertical import messages

ACTIONS: dict[str, str] = {
    messages.BLIND: "client_app.vertical.actions.alignment:blind",
    messages.RAISE: "client_app.vertical.actions.alignment:raise_sets",
    messages.MATCH: "client_app.vertical.actions.alignment:match",
    messages.PIN: "client_app.vertical.actions.alignment:pin",
    messages.REPRESENT: "client_app.vertical.actions.training:represent",
    messages.COMBINE: "client_app.vertical.actions.training:combine",
    messages.APPROACH: "client_app.vertical.actions.training:approach",
    messages.SEAL: "client_app.vertical.actions.encrypted:represent",
    messages.GRADIENT: "client_app.vertical.actions.encrypted:gradient",
    messages.OPEN: "client_app.vertical.actions.encrypted:open_products",
    messages.FORWARD: "client_app.vertical.actions.encrypted:forward",
    messages.FINISH: "client_app.vertical.actions.finishing:finish",
    messages.DISTIL: "client_app.vertical.actions.transfer:distil",
}
"""By the name of the step."""


def action_of(name: str) -> Action:
    """The function for a step."""
    found: Action = resolve_name(ACTIONS[name])
    return found
