"""Run-config keys under ``strategy.``.

Not for: keys that nodes need too (``crossward.config.schedule``) or bits per field (``crossward.encryption.plan``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from crossward.config.weightings import DEFAULT, WEIGHTINGS
from strategies.registry import STRATEGIES


def _key(name: str, help: str, **limits: Any) -> dict[str, Any]:
    return {"key": f"strategy.{name}", "help": help, **limits}


@dataclass(frozen=True)
class StrategySettings:
    """How the server trains, weighs, adds and stops."""

    name: str = field(
        default="async-hybrid",
        metadata=_key(
            "name",
            "; ".join(f"{name} {entry.about}" for name, entry in STRATEGIES.items()) + ".",
            choices=tuple(STRATEGIES),
        ),
    )
    buffer_size: int = field(
        default=3,
        metadata=_key(
            "buffer-size",
            "Updates of distinct hospitals that make a version; for fedavg the nodes sampled a round (0 = all).",
            min=0,
            max=100000,
        ),
    )
    min_contributors: int = field(
        default=3,
        metadata=_key(
            "min-contributors",
            "Fewest distinct hospitals in a version; below 3 a member can subtract itself and see another's update.",
            min=1,
            max=100000,
        ),
    )
    min_nodes: int = field(
        default=3,
        metadata=_key("min-nodes", "Nodes to wait for before the first task is sent.", min=1, max=100000),
    )
    max_wait: float = field(
        default=600.0,
        metadata=_key(
            "max-wait", "Seconds after which a buffer with at least min-contributors is aggregated as it is.", above=0.0
        ),
    )
    concurrency: int = field(
        default=0, metadata=_key("concurrency", "Most tasks under way at once; 0 = no cap.", min=0, max=100000)
    )
    max_staleness: int = field(
        default=-1,
        metadata=_key(
            "max-staleness",
            "Versions an update may lag behind; an older one is late. -1: four times as many as pass between a node's "
            "turns (nodes / buffer), at least 10.",
            min=-1,
            max=100000,
        ),
    )
    weighting: str = field(
        default=DEFAULT,
        metadata=_key(
            "weighting",
            "; ".join(f"{name}: {weighting.about}" for name, weighting in WEIGHTINGS.items()) + ".",
            choices=tuple(WEIGHTINGS),
        ),
    )
    bandwidth_exponent: float = field(
        default=0.5,
        metadata=_key("bandwidth-exponent", "a in the paper's weights, on Mbit/s.", min=0.0, max=4.0),
    )
    staleness_exponent: float = field(
        default=0.5,
        metadata=_key("staleness-exponent", "p in the staleness factor (1+s)^-p.", min=0.0, max=4.0),
    )
    loss_exponent: float = field(
        default=1.0, metadata=_key("loss-exponent", "q of the corrected weighting.", min=0.0, max=8.0)
    )
    loss_offset: float = field(
        default=1e-3, metadata=_key("loss-offset", "e of the corrected weighting, nats.", above=0.0, max=10.0)
    )
    damping: str = field(
        default="relative",
        metadata=_key(
            "damping",
            "relative: staleness only shifts shares within a buffer; absolute: it also shortens the version's step by "
            "the buffer's mean staleness factor.",
            choices=("relative", "absolute"),
        ),
    )
    max_share: float = field(
        default=0.45,
        metadata=_key("max-share", "Largest share of a version one hospital may have.", above=0.0, max=1.0),
    )
    task_timeout: float = field(
        default=3600.0,
        metadata=_key(
            "task-timeout",
            "Seconds after which the first task of a node counts as failed; once its times are known, deadlines follow "
            "them. Doubles with every task in a row that got no answer.",
            above=0.0,
        ),
    )
    timeout_factor: float = field(
        default=3.0,
        metadata=_key(
            "timeout-factor",
            "A task's deadline as a multiple of the node's measured times (mean and four deviations).",
            min=1.0,
            max=1000.0,
        ),
    )
    min_timeout: float = field(
        default=120.0,
        metadata=_key(
            "min-timeout", "Shortest deadline in seconds (at most task-timeout), however fast a node was.", above=0.0
        ),
    )
    claim_ratio: float = field(
        default=8.0,
        metadata=_key(
            "claim-ratio",
            "A hospital's mean loss and tokens count as at most so many times, or at least this part of, the other "
            "hospitals' median; 0 = not bounded.",
            min=0.0,
            max=1e6,
        ),
    )
    retry_seconds: float = field(
        default=5.0,
        metadata=_key("retry-seconds", "Pause before a failed node is asked again; doubles up to 64 times.", above=0.0),
    )
    stall_timeout: float = field(
        default=7200.0,
        metadata=_key(
            "stall-timeout",
            "Seconds without an accepted update until the run is given up; more where nodes are known to be slow.",
            above=0.0,
        ),
    )
    poll_seconds: float = field(
        default=0.2, metadata=_key("poll-seconds", "Pause between looks for replies.", above=0.0, max=60.0)
    )
    snapshot_every: int = field(
        default=20,
        metadata=_key(
            "snapshot-every", "Versions between lossless snapshots for newcomers; 0 = none.", min=0, max=100000
        ),
    )
    evaluate_every: int = field(
        default=8,
        metadata=_key(
            "evaluate-every", "Versions between federated evaluations; 0 = only at the end.", min=0, max=100000
        ),
    )
    target_loss: float = field(
        default=0.0,
        metadata=_key("target-loss", "Stop when the federated loss (nats a token) is at most this; 0 = off.", min=0.0),
    )
    patience: int = field(
        default=0,
        metadata=_key("patience", "Stop after this many losses without improvement; 0 = off.", min=0, max=100000),
    )
    min_delta: float = field(
        default=1e-3, metadata=_key("min-delta", "Smallest fall of the loss that counts as improvement.", min=0.0)
    )
    rollback_ratio: float = field(
        default=1.5,
        metadata=_key(
            "rollback-ratio",
            "Roll back to the last good version when the federated loss exceeds its best by this factor; 0 = off.",
            min=0.0,
            max=100.0,
        ),
    )

    def check_size(self, nodes: int) -> None:
        """Refuse what no more than ``nodes`` nodes can ever meet.

        Raises
        ------
        ValueError
            a setting waits for more nodes than that.
        """
        keys = {"min-nodes": self.min_nodes, "min-contributors": self.min_contributors}
        if not STRATEGIES[self.name].rounds:  # rounds sample all when there are fewer
            keys["buffer-size"] = self.buffer_size
        if over := [f"strategy.{key} = {value}" for key, value in keys.items() if value > nodes]:
            raise ValueError(
                f"{' and '.join(over)} cannot be met by {nodes} hospital{'s' if nodes > 1 else ''}: simulate "
                f"{max(keys.values())} or more, or lower the setting (of fewer than 3 contributors one sees another's "
                "update)"
            )

    def __post_init__(self) -> None:
        if not STRATEGIES[self.name].rounds and self.buffer_size < 1:
            raise ValueError(f"strategy.buffer-size = 0 is for fedavg; {self.name} needs a buffer of at least 1")
        if 0 < self.buffer_size < self.min_contributors:
            raise ValueError(
                f"strategy.buffer-size = {self.buffer_size} is smaller than strategy.min-contributors = "
                f"{self.min_contributors}: no version could ever be made; raise the one or lower the other"
            )
        if 0.0 < self.claim_ratio < 1.0:
            raise ValueError(f"strategy.claim-ratio = {self.claim_ratio}: expected 0 (off) or at least 1")
        if 0.0 < self.rollback_ratio <= 1.0:
            raise ValueError(f"strategy.rollback-ratio = {self.rollback_ratio}: expected 0 (off) or more than 1")
