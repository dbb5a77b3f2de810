"""The strategy that a run config asks for: one place for the ServerApp and for whoever runs one in a process.

Not for: what the strategy does (``strategies``) or where its history is kept (``server_app.run_folder``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from encryption.aggregator import Kinds, arithmetic
from encryption.plan import FieldPlan
from encryption.settings import EncryptionSettings
from protocol.run_settings import RunSettings
from protocol.schedule import Schedule
from protocol.settings import read_settings
from strategies.async_hybrid import AsyncHybrid
from strategies.bandwidth import Bandwidths
from strategies.clock import Clock
from strategies.fedavg import FedAvg
from strategies.journal import Journal
from strategies.settings import StrategySettings


def kinds_of(config: Mapping[str, Any], plan: FieldPlan) -> Kinds:
    """The kinds of part that the run's encryption policy allows, with their arithmetic."""
    encryption = read_settings(EncryptionSettings, config)
    return arithmetic(plan, encryption.policy, encryption.scheme)


def make_strategy(
    config: Mapping[str, Any],
    plan: FieldPlan,
    journal: Journal,
    clock: Clock,
    bandwidths: Bandwidths,
    kinds: Kinds | None = None,
) -> AsyncHybrid:
    """The strategy of a run with ``config``; ``kinds`` replaces its arithmetic (:func:`kinds_of`)."""
    settings, run = read_settings(StrategySettings, config), read_settings(RunSettings, config)
    kind = FedAvg if settings.name == "fedavg" else AsyncHybrid
    return kind(
        settings,
        plan,
        read_settings(Schedule, config),
        journal,
        clock=clock,
        bandwidths=bandwidths,
        last_task=run.last_task,
        last_steps=run.alone_steps,
        kinds=kinds or kinds_of(config, plan),
        key=read_settings(EncryptionSettings, config).key,
    )
