"""What a party has where parties hold different features of the same patients, before a run: ``check_party``.

Nothing here repeats an identifier or a note, nor says whose a value is.

Not for: reading it (``data.party.reading``), or notes of hospitals that all hold notes (``data.check``).
"""

from data.check.party.check import Spelling, check_party
from data.check.party.findings import PartyFindings

__all__ = ["PartyFindings", "Spelling", "check_party"]
