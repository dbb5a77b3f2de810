"""What a party does in a step: ``ACTIONS``, a function for each action of ``crossward.protocol.vertical.messages``.

Not for: the functions (``client_app.vertical.actions``), the order of steps (``strategies.vertical.program``).
"""

from __future__ import annotations

from client_app.vertical.actions import alignment, encrypted, finishing, training, transfer
from client_app.vertical.party import Action
from crossward.protocol.vertical import messages

ACTIONS: dict[str, Action] = {
    messages.BLIND: alignment.blind,
    messages.RAISE: alignment.raise_sets,
    messages.MATCH: alignment.match,
    messages.PIN: alignment.pin,
    messages.REPRESENT: training.represent,
    messages.COMBINE: training.combine,
    messages.APPROACH: training.approach,
    messages.SEAL: encrypted.represent,
    messages.GRADIENT: encrypted.gradient,
    messages.OPEN: encrypted.open_products,
    messages.FORWARD: encrypted.forward,
    messages.FINISH: finishing.finish,
    messages.DISTIL: transfer.distil,
}
