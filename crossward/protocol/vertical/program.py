"""The steps of a vertical run, in order. Adding one is an entry here and one in ``client_app.vertical.registry``.

Not for: asking parties and passing envelopes on (``strategies.vertical.relay``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from crossward.config.vertical_settings import ENCRYPTED, NOISED, SEALED, VerticalSettings
from crossward.protocol.vertical.messages import (
    APPROACH,
    BLIND,
    COMBINE,
    DISTIL,
    FINISH,
    FORWARD,
    GRADIENT,
    HELLO,
    MATCH,
    OPEN,
    PIN,
    RAISE,
    REPRESENT,
    SEAL,
)

EVERYBODY, HOLDER, OTHERS = "everybody", "label holder", "others"


@dataclass(frozen=True)
class Step:
    """What is asked of whom; ``round`` counts repeated steps from 1.

    Parameters
    ----------
    waits : bool
        Whether it waits for every party; else it goes on after ``vertical.max-wait``.
    """

    number: int
    action: str
    who: str
    round: int = 0
    waits: bool = True

    def parties(self, names: tuple[str, ...], holder: str) -> tuple[str, ...]:
        """Which of the parties ``names`` it is for."""
        return tuple(name for name in names if self.who == EVERYBODY or (self.who == HOLDER) == (name == holder))


_Asked = tuple[str, str, int, bool]


def _embeddings(exchanges: int) -> list[_Asked]:
    """Parties send embeddings, and improve them by what the label holder returns."""
    steps: list[_Asked] = [(REPRESENT, EVERYBODY, 0, True)]
    for exchange in range(1, exchanges + 1):
        steps += [(COMBINE, HOLDER, exchange, True), (APPROACH, OTHERS, exchange, False)]
    return steps


def _encrypted(exchanges: int) -> list[_Asked]:
    """Parties send encrypted embeddings, and open masked gradients and products of them."""
    steps: list[_Asked] = [(SEAL, EVERYBODY, 0, True)]
    for exchange in range(1, exchanges + 1):
        steps += [(GRADIENT, HOLDER, exchange, True), (OPEN, OTHERS, exchange, True)]
        steps += [(FORWARD, HOLDER, exchange, True), (OPEN, OTHERS, exchange, True)]
    return steps


TRAINING: dict[str, Callable[[int], list[_Asked]]] = {
    SEALED: _embeddings,
    NOISED: _embeddings,
    ENCRYPTED: _encrypted,
}
"""The steps of training by ``vertical.protection``, of so many exchanges."""


def program(settings: VerticalSettings, parties: int) -> tuple[Step, ...]:
    """The steps of a run of so many parties."""
    steps: list[_Asked] = [(HELLO, EVERYBODY, 0, True), (BLIND, EVERYBODY, 0, True)]
    steps += [(RAISE, EVERYBODY, hop, True) for hop in range(1, parties)]
    steps += [(MATCH, HOLDER, 0, True)]
    if not settings.cardinality_only:
        steps += [(PIN, EVERYBODY, 0, True), *TRAINING[settings.protection](settings.exchanges)]
        steps.append((FINISH, HOLDER, 0, True))
        if settings.distil:
            steps.append((DISTIL, EVERYBODY, 0, False))
    return tuple(Step(number, action, who, turn, waits) for number, (action, who, turn, waits) in enumerate(steps))
