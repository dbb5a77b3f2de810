"""What decides a node's learner, as plain values: they can be sent to another process, which makes the same learner.

Not for: the learner (``client_app.training.learner``), or what a node keeps secret.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from crossward.config.run_config import RunConfig
from crossward.machine.text import one_line

_MODEL = ("model.", "lora.", "run.seed", "node.")


@dataclass(frozen=True)
class LearnerSpec:
    """The run config as this node follows it, and which notes are its own.

    ``partition`` of ``partitions`` in a simulation, else None; ``site`` is the hospital's name, or empty. ``rank`` is
    how many components it trains, 0 for all of the run's.
    """

    config: RunConfig
    partition: int | None = None
    partitions: int | None = None
    site: str = ""
    rank: int = 0

    def to_json(self) -> dict[str, Any]:
        """Plain values that :meth:`from_json` reads."""
        return {
            "config": self.config.by_key(),
            "partition": self.partition,
            "partitions": self.partitions,
            "site": self.site,
            "rank": self.rank,
        }

    @staticmethod
    def from_json(value: dict[str, Any]) -> LearnerSpec:
        """The spec that :meth:`to_json` wrote."""
        config = RunConfig.read(value["config"])
        return LearnerSpec(config, value["partition"], value["partitions"], value["site"], value["rank"])

    def group_key(self, code: str) -> str:
        """sha256 hex of what worker processes must have been started with: model, processes, and folder ``code``."""
        kept = [(key, value) for key, value in sorted(self.config.by_key().items()) if key.startswith(_MODEL)]
        return hashlib.sha256(json.dumps([code, kept]).encode()).hexdigest()


def site_name(name: str) -> str:
    """``name`` as it is sent: one line of at most 200 printable characters, whatever a column of a file holds."""
    return one_line(name, 200) or "hospital"
