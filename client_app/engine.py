"""Where a node's learner computes: in this process, or in the node's resident worker group.

Not for: either of them (``client_app.learner``, ``client_app.group``).
"""

from __future__ import annotations

from pathlib import Path

from client_app import threads
from client_app.node import PrivateLearner
from client_app.settings import IN_PROCESS, EngineSettings
from client_app.spec import LearnerSpec
from crossward.adapters.lazy_imports import no_collection
from crossward.config.settings import read_settings


def open_learner(spec: LearnerSpec, folder: Path) -> PrivateLearner:
    """The learner that ``spec`` describes; a worker group is found, or started, in ``folder``."""
    settings = read_settings(EngineSettings, dict(spec.config), "run config, or what node config has instead")
    simulated = spec.partition is not None
    if settings.engine == IN_PROCESS or (settings.engine == "auto" and simulated):
        with no_collection():
            from client_app.learner import local_learner

        threads.share_cores(settings.threads)
        return local_learner(spec)
    from client_app.group.client import GroupLearner

    return GroupLearner(spec, folder, settings)
