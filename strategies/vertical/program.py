"""The steps of a vertical run, in order. Adding one is an entry here and a function of ``client_app.vertical.actions``.

Not for: asking parties and passing envelopes on (``strategies.vertical.relay``).
"""

from __future__ import annotations

from dataclasses import dataclass

from crossward.config.vertical_settings import VerticalSettings
from crossward.protocol.vertical.messages import (
    APPROACH,
    BLIND,
    COMBINE,
    DISTIL,
    FINISH,
    HELLO,
    MATCH,
    PIN,
    RAISE,
    REPRESENT,
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


def program(settings: VerticalSettings, parties: int) -> tuple[Step, ...]:
    """The steps of a run of so many parties."""
    steps: list[tuple[str, str, int, bool]] = [(HELLO, EVERYBODY, 0, True), (BLIND, EVERYBODY, 0, True)]
    steps += [(RAISE, EVERYBODY, hop, True) for hop in range(1, parties)]
    steps += [(MATCH, HOLDER, 0, True)]
    if not settings.cardinality_only:
        steps += [(PIN, EVERYBODY, 0, True), (REPRESENT, EVERYBODY, 0, True)]
        for exchange in range(1, settings.exchanges + 1):
            steps += [(COMBINE, HOLDER, exchange, True), (APPROACH, OTHERS, exchange, False)]
        steps.append((FINISH, HOLDER, 0, True))
        if settings.distil:
            steps.append((DISTIL, EVERYBODY, 0, False))
    return tuple(Step(number, action, who, turn, waits) for number, (action, who, turn, waits) in enumerate(steps))
