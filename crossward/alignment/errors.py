"""What goes wrong in an alignment, in words that name no identifier."""

from __future__ import annotations


class AlignmentError(ValueError):
    """Identifiers, a message or a folder that the alignment cannot use; names the party, the place and the remedy."""

    tellable = True  # see client_app.guard.refusals
