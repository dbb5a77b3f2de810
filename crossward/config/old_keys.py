"""Run-config keys of earlier versions, and what took their place.

Not for: keys that never existed (``crossward.config.run_config`` suggests the nearest one).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from crossward.config import schedule, strategy_settings, train_settings


@dataclass(frozen=True)
class OldKey:
    """``neutral``: the value that needs no replacement, the old default; ``now``: what a user does instead."""

    neutral: Any
    now: str


def _fixed(value: Any, why: str) -> OldKey:
    return OldKey(value, f"is now fixed at {value!r} ({why})")


_PLAN = "is now part of encryption.plan, 'value,weight,guard' bits such as '8,7,2'"
_EXPONENTS = "is now part of strategy.exponents, 'bandwidth,staleness,loss' such as '0.5,0.5,1'"

OLD_RUN_KEYS: dict[str, OldKey] = {
    "run.alone-steps": OldKey(0, "is now derived: strategy.num-versions x train.local-steps"),
    "data.label-column": OldKey("", "is now data.label, which names the column in csv and jsonl files"),
    "data.name": OldKey("", "is now site in a hospital's node config"),
    "encryption.value-bits": OldKey(0, _PLAN),
    "encryption.weight-bits": OldKey(0, _PLAN),
    "encryption.guard-bits": OldKey(-1, _PLAN),
    "privacy.accountant": _fixed("pld", "the tighter of the two"),
    "strategy.bandwidth-exponent": OldKey(0.5, _EXPONENTS),
    "strategy.staleness-exponent": OldKey(0.5, _EXPONENTS),
    "strategy.loss-exponent": OldKey(1.0, _EXPONENTS),
    "strategy.claim-ratio": _fixed(strategy_settings.CLAIM_RATIO, "it bounds what one hospital's claims can do"),
    "strategy.loss-offset": _fixed(strategy_settings.LOSS_OFFSET, "it only keeps weights above zero"),
    "strategy.min-delta": _fixed(strategy_settings.MIN_DELTA, "smaller falls of the loss are noise"),
    "strategy.min-timeout": _fixed(strategy_settings.MIN_TIMEOUT, "deadlines follow each node's measured times"),
    "strategy.poll-seconds": _fixed(strategy_settings.POLL_SECONDS, "a reply is never waited for longer"),
    "strategy.retry-seconds": _fixed(strategy_settings.RETRY_SECONDS, "it doubles with every failure"),
    "strategy.snapshot-every": _fixed(strategy_settings.SNAPSHOT_EVERY, "newcomers cost little at any other"),
    "strategy.stall-timeout": OldKey(
        strategy_settings.STALL_TIMEOUT, "is now derived: two hours, or twice strategy.task-timeout where that is more"
    ),
    "strategy.timeout-factor": _fixed(strategy_settings.TIMEOUT_FACTOR, "deadlines follow each node's measured times"),
    "train.adam-epsilon": _fixed(train_settings.ADAM_EPSILON, "smaller ones turn rounding into full steps"),
    "train.learning-rate-floor": _fixed(schedule.FLOOR, "train.schedule and train.warmup shape the rate"),
    "train.value-range": _fixed(1.0, "learning rate x local steps is what AdamW can move a weight by"),
}


def current_keys(values: Mapping[str, Any]) -> dict[str, Any]:
    """``values`` of a run folder, which an earlier version may have written, without old keys at their default."""
    out = {key: value for key, value in values.items() if key not in OLD_RUN_KEYS or value != OLD_RUN_KEYS[key].neutral}
    if column := out.pop("data.label-column", ""):
        out["data.label"] = column
    return out
