"""What a party does in a step: ``ACTIONS``, a function for each action of ``crossward.protocol.vertical.messages``.

A function takes the party and the turn, reads the turn's mail and the party's folder, and sends envelopes and reports
public facts by the turn. It is a function of what is on disk: done again after a kill, it does the same.
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
