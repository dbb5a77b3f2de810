"""Where a node's learner computes: in this process, or in the node's resident worker group.

Not for: either of them (``client_app.training.learner``, ``client_app.group``).
"""

from __future__ import annotations

from pathlib import Path

from client_app.node import PrivateLearner
from client_app.training import threads
from client_app.training.spec import LearnerSpec
from crossward.adapters.lazy_imports import no_collection
from crossward.config.settings import AUTO
from crossward.config.train_settings import IN_PROCESS


def open_learner(spec: LearnerSpec, folder: Path) -> PrivateLearner:
    """The learner that ``spec`` describes; a worker group is found or started in ``folder``, unless it only counts."""
    if spec.config.run.profile:
        from client_app.profile.learner import profile_learner

        return profile_learner(spec)
    settings = spec.config.node
    simulated = spec.partition is not None
    if settings.engine == IN_PROCESS or (settings.engine == AUTO and simulated):
        with no_collection():
            from client_app.training.learner import local_learner

        threads.share_cores(settings.threads)
        return local_learner(spec)
    from client_app.group.client import GroupLearner

    return GroupLearner(spec, folder)
