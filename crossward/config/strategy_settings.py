"""Run-config keys under ``strategy.``, and the strategy's constants.

Not for: keys that nodes need too (``crossward.config.schedule``) or bits per field
(``crossward.config.encryption_settings``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from crossward.config.settings import AUTO
from crossward.config.variance_reduction import CACHED, NONE, VARIANCE_REDUCTION
from crossward.config.weight_rules import (
    ASYNC_HYBRID,
    DAMPINGS,
    DP_FEDAVG,
    FEDASYNC,
    FEDAVG,
    FEDBUFF,
    WeightRule,
    weight_rule,
)
from crossward.config.weightings import EQUAL, WEIGHTINGS

STRATEGIES = {  # name: what it does; each has an entry in strategies.registry
    ASYNC_HYBRID: "aggregates whenever the buffer is full",
    FEDAVG: "waits for every sampled node",
    DP_FEDAVG: "is fedavg that refuses to run without privacy.unit",
    FEDBUFF: "fills a buffer and shortens each update by its staleness",
    FEDASYNC: "makes a version of each update, so that members can read it",
}
IN_ROUNDS = (FEDAVG, DP_FEDAVG)  # sample up to strategy.buffer-size nodes a round (0: all) instead of filling a buffer

POLL_SECONDS = 0.2  # between looks for replies
RETRY_SECONDS = 5.0  # before a failed node is asked again; doubles up to 64 times
TIMEOUT_FACTOR = 3.0  # a task's deadline as a multiple of the node's measured times (mean and four deviations)
MIN_TIMEOUT = 120.0  # shortest deadline in seconds (at most task-timeout), however fast a node was
CLAIM_RATIO = 8.0  # how many times the other hospitals' median a hospital's mean loss or tokens count for, or 1 / that
LOSS_OFFSET = 1e-3  # e of the corrected weighting, nats
MIN_DELTA = 1e-3  # smallest fall of the loss that counts as improvement, nats a token
STALL_TIMEOUT = 7200.0  # seconds without an accepted update after which a run stops, at least two task timeouts
SNAPSHOT_EVERY = 20  # versions between lossless snapshots for newcomers


def _key(name: str, help: str, **limits: Any) -> dict[str, Any]:
    return {"key": f"strategy.{name}", "help": help, **limits}


@dataclass(frozen=True)
class StrategySettings:
    """How the server selects, weighs, aggregates and stops."""

    name: str = field(
        default=ASYNC_HYBRID,
        metadata=_key(
            "name",
            "; ".join(f"{name} {about}" for name, about in STRATEGIES.items()) + ".",
            choices=tuple(STRATEGIES),
        ),
    )
    buffer_size: int = field(
        default=3,
        metadata=_key(
            "buffer-size",
            "Updates from distinct hospitals that make a version; for fedavg the nodes sampled per round (0: all).",
            min=0,
            max=100000,
        ),
    )
    min_contributors: int = field(
        default=3,
        metadata=_key(
            "min-contributors",
            "Minimum number of distinct hospitals in a version; below 3 a member can subtract its own update and see "
            "another's.",
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
            "max-wait",
            "Seconds after which a buffer that has min-contributors is aggregated without waiting to fill up.",
            above=0.0,
        ),
    )
    concurrency: int = field(
        default=0, metadata=_key("concurrency", "Maximum concurrent tasks (0: unlimited).", min=0, max=100000)
    )
    max_staleness: int = field(
        default=-1,
        metadata=_key(
            "max-staleness",
            "Versions an update may lag behind; older ones are discarded as late. -1: four times as many as pass "
            "between a node's turns (nodes / buffer), at least 10.",
            min=-1,
            max=100000,
        ),
    )
    weighting: str = field(
        default=AUTO,
        metadata=_key(
            "weighting",
            "; ".join(f"{name}: {weighting.about}" for name, weighting in WEIGHTINGS.items())
            + ". auto: the strategy's own.",
            choices=(AUTO, *WEIGHTINGS),
        ),
    )
    exponents: str = field(
        default=AUTO,
        metadata=_key(
            "exponents",
            "Exponents of the weights, as 'a,p,q': a of the bandwidth in the paper's weights (Mbit/s), p of the "
            "staleness factor (1+s)^-p, q of the loss in the corrected weighting. auto: the strategy's own.",
        ),
    )
    damping: str = field(
        default=AUTO,
        metadata=_key(
            "damping",
            "; ".join(f"{name}: {about}" for name, about in DAMPINGS.items()) + ". auto: the strategy's own.",
            choices=(AUTO, *DAMPINGS),
        ),
    )
    variance_reduction: str = field(
        default=NONE,
        metadata=_key(
            "variance-reduction",
            "; ".join(f"{name}: {about}" for name, about in VARIANCE_REDUCTION.items()) + ".",
            choices=tuple(VARIANCE_REDUCTION),
        ),
    )
    max_share: float = field(
        default=0.45,
        metadata=_key("max-share", "Largest share of a version that one hospital may have.", above=0.0, max=1.0),
    )
    task_timeout: float = field(
        default=3600.0,
        metadata=_key(
            "task-timeout",
            "Seconds after which a node's first task counts as failed; later deadlines follow the node's measured "
            "times, and double with every consecutive task that got no reply. A run stops after two hours without an "
            "accepted update, or twice this time where that is longer, or later where nodes are known to be slow.",
            above=0.0,
        ),
    )
    evaluate_every: int = field(
        default=8,
        metadata=_key(
            "evaluate-every", "Versions between federated evaluations (0: only at the end).", min=0, max=100000
        ),
    )
    target_loss: float = field(
        default=0.0,
        metadata=_key(
            "target-loss", "Stop once the federated loss (nats per token) is at most this (0: off).", min=0.0
        ),
    )
    patience: int = field(
        default=0,
        metadata=_key("patience", "Stop after this many losses without improvement (0: off).", min=0, max=100000),
    )
    rollback_ratio: float = field(
        default=1.5,
        metadata=_key(
            "rollback-ratio",
            "Roll back to the last good version when the federated loss exceeds its best by this factor (0: off).",
            min=0.0,
            max=100.0,
        ),
    )
    timeout_factor: float = TIMEOUT_FACTOR
    min_timeout: float = MIN_TIMEOUT
    claim_ratio: float = CLAIM_RATIO
    retry_seconds: float = RETRY_SECONDS
    poll_seconds: float = POLL_SECONDS
    stall_timeout: float = 0.0  # see stall_seconds
    snapshot_every: int = SNAPSHOT_EVERY
    min_delta: float = MIN_DELTA
    loss_offset: float = LOSS_OFFSET

    def check_size(self, nodes: int) -> None:
        """Refuse what no more than ``nodes`` nodes can ever meet.

        Raises
        ------
        ValueError
            a setting waits for more nodes than that.
        """
        keys = {"min-nodes": self.min_nodes, "min-contributors": self.min_contributors}
        if self.name not in IN_ROUNDS:  # rounds sample all when there are fewer
            keys["buffer-size"] = self.buffer_size
        if over := [f"strategy.{key} = {value}" for key, value in keys.items() if value > nodes]:
            raise ValueError(
                f"{' and '.join(over)} cannot be met by {nodes} hospital{'s' if nodes > 1 else ''}: simulate "
                f"{max(keys.values())} or more, or lower the setting (of fewer than 3 contributors one sees another's "
                "update)"
            )

    def __post_init__(self) -> None:
        if self.name not in IN_ROUNDS and self.buffer_size < 1:
            raise ValueError(f"strategy.buffer-size = 0 is for fedavg; {self.name} needs a buffer of at least 1")
        if 0 < self.buffer_size < self.min_contributors:
            raise ValueError(
                f"strategy.buffer-size = {self.buffer_size} is smaller than strategy.min-contributors = "
                f"{self.min_contributors}: no version could ever be made; raise the one or lower the other"
            )
        if self.variance_reduction == CACHED and not self.buffer_size:
            raise ValueError(
                f"strategy.variance-reduction = {CACHED!r} does nothing where every node is in every round "
                "(strategy.buffer-size = 0): set it to 'none'"
            )
        if 0.0 < self.rollback_ratio <= 1.0:
            raise ValueError(f"strategy.rollback-ratio = {self.rollback_ratio}: expected 0 (off) or more than 1")
        rule = self.rule  # refuses exponents that are none
        if self.cached and not WEIGHTINGS[rule.weighting].fixed:
            raise ValueError(
                f"strategy.variance-reduction = {CACHED!r} needs weights that do not change from version to version, "
                f"strategy.weighting = {rule.weighting!r} gives others: set strategy.weighting to {EQUAL!r}"
            )
        if self.name == FEDASYNC and (self.buffer_size, self.min_contributors) != (1, 1):
            raise ValueError(
                "strategy.name = 'fedasync' makes a version of each update, which every hospital that opens it can "
                "then read: where that is agreed, say so with strategy.buffer-size = 1 and strategy.min-contributors "
                "= 1; otherwise use 'fedbuff'"
            )

    @property
    def rule(self) -> WeightRule:
        """How updates are weighed: the strategy's rule, and what the settings have in place of its parts."""
        return weight_rule(self.name, self.weighting, self.damping, self.exponents)

    @property
    def cached(self) -> int:
        """With cached updates (``crossward.config.variance_reduction``) how many a full buffer holds, else 0."""
        return self.buffer_size if self.variance_reduction == CACHED else 0

    def fine_weight(self, nodes: int) -> int:
        """The least W in which updates of ``nodes`` that lag behind as far as is usual weigh 1 each, undiminished.

        Usual is as many versions as are made while all train that may at once; a staleness factor for which W is too
        coarse would be rounded up.
        """
        buffer = self.buffer_size or nodes
        training = 0 if self.name in IN_ROUNDS else min(self.concurrency or nodes, nodes)
        return math.ceil(buffer * (1.0 + training / buffer) ** self.staleness_exponent)

    @property
    def stall_seconds(self) -> float:
        """Seconds without an accepted update, or without enough nodes, after which a run stops."""
        return self.stall_timeout or max(STALL_TIMEOUT, 2.0 * self.task_timeout)

    @property
    def bandwidth_exponent(self) -> float:
        """a in the paper's weights."""
        return self.rule.bandwidth_exponent

    @property
    def staleness_exponent(self) -> float:
        """p in the staleness factor."""
        return self.rule.staleness_exponent

    @property
    def loss_exponent(self) -> float:
        """q of the corrected weighting."""
        return self.rule.loss_exponent
