"""Bottom models by kind: what a party trains on its own features.

A kind is one line in :data:`BOTTOMS`, and a class of its own.
"""

from __future__ import annotations

from client_app.vertical.learning.bottoms.bottom import Bottom, BottomSettings
from client_app.vertical.learning.bottoms.registry import BOTTOMS, Features, Opening, kinds_of, open_bottom

__all__ = ["BOTTOMS", "Bottom", "BottomSettings", "Features", "Opening", "kinds_of", "open_bottom"]
