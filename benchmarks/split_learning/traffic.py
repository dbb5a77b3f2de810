"""Messages and bytes between parties, as counted, not as sent: float32 values and int32 positions of patients.

Not for: envelopes and seals, whose bytes a run reports.
"""

from __future__ import annotations

from dataclasses import dataclass

VALUE, POSITION = 4, 4


@dataclass
class Traffic:
    """``messages`` from a party to a party, and their ``bytes``."""

    messages: int = 0
    bytes: int = 0

    def rows(self, patients: int, dim: int, *, positions: bool = True) -> None:
        """One message with ``dim`` values of each of ``patients``, and where needed which they are."""
        self.messages += 1
        self.bytes += patients * (dim * VALUE + positions * POSITION)

    def copy(self) -> Traffic:
        """As it is now."""
        return Traffic(self.messages, self.bytes)
