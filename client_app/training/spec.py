"""What decides a node's learner, as plain values: they can be sent to another process, which makes the same learner.

Not for: the learner (``client_app.training.learner``), or what a node keeps secret.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

Value = str | int | float | bool
_MODEL = ("model.", "lora.", "run.seed", "node.")


@dataclass(frozen=True)
class LearnerSpec:
    """The run config as this node follows it, sorted by key, and which notes are its own.

    ``partition`` of ``partitions`` in a simulation, else None; ``site`` is the hospital's name, or empty.
    """

    config: tuple[tuple[str, Value], ...]
    partition: int | None = None
    partitions: int | None = None
    site: str = ""

    @staticmethod
    def of(
        config: dict[str, Value], partition: int | None = None, partitions: int | None = None, site: str = ""
    ) -> LearnerSpec:
        """The spec of a run config, whatever order its keys are in."""
        return LearnerSpec(tuple(sorted(config.items())), partition, partitions, site)

    def to_json(self) -> dict[str, Any]:
        """Plain values that :meth:`from_json` reads."""
        return {
            "config": dict(self.config),
            "partition": self.partition,
            "partitions": self.partitions,
            "site": self.site,
        }

    @staticmethod
    def from_json(value: dict[str, Any]) -> LearnerSpec:
        """The spec that :meth:`to_json` wrote."""
        return LearnerSpec.of(value["config"], value["partition"], value["partitions"], value["site"])

    def group_key(self, code: str) -> str:
        """sha256 hex of what worker processes must have been started with: model, processes, and folder ``code``."""
        kept = [(key, value) for key, value in self.config if key.startswith(_MODEL)]
        return hashlib.sha256(json.dumps([code, kept]).encode()).hexdigest()
