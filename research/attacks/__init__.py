"""The attack suite: what each observer of a run can find out about the notes behind it, in figures with intervals.

Not for: which method is attacked in a comparison (``research.compare``).
"""

from client_app.training import threads  # noqa: F401 - before torch, so that OpenMP waits passively
