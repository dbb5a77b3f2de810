"""The comparison of methods, ``crossward compare``: quality, leakage, bytes, seconds and epsilon of each.

Everything is measured by running the product's own code in one process: real ClientApps and nodes that train, seal and
open, the real server's checks and sums, run folders and ledgers, on a grid whose clock is virtual.

Not for: the attacks whose scores it shows (``research.attacks``) or a single run (``crossward evaluate``).
"""

from client_app.training import threads  # noqa: F401 - before torch, so that OpenMP waits passively
