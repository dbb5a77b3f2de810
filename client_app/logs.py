"""What a node says to whoever runs its SuperNode: one line an event on stderr, which Flower passes on.

Not for: the server's output (``server_app.progress``).
"""

from __future__ import annotations

import logging

_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def show_log() -> None:
    """Print this application's log from level INFO, unless logging is already configured."""
    ours = logging.getLogger("crossward")
    if ours.handlers or logging.getLogger().handlers:
        return
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter(_FORMAT))
    ours.addHandler(handler)
    ours.setLevel(logging.INFO)
