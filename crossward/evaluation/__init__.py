"""Opening a global adapter and measuring it.

This package may import every other one; none but the commands may import it.
"""

from client_app.training import threads  # noqa: F401 - before torch, so that OpenMP waits passively
