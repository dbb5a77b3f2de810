"""What a hospital's notes come to before anything is trained: ``check_notes`` measures them, ``warnings`` judges.

Nothing here repeats a note. Names of categories, labels and hospitals are those that ``data.quoting`` lets be repeated.

Not for: reading notes (``data.hospitals``), or counts over a consortium (``data.profile``).
"""

from data.check.check import check_notes
from data.check.findings import Findings

__all__ = ["Findings", "check_notes"]
