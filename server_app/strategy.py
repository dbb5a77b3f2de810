"""The strategy that a run config asks for: one place for the ServerApp and for whoever runs one in a process.

Not for: what the strategy does (``strategies``) or where its history is kept (``server_app.run_folder``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from crossward.config.hospital_privacy import hospital_mechanism, run_schedule
from crossward.config.privacy_settings import PrivacySettings
from crossward.config.run_settings import RunSettings
from crossward.config.settings import read_settings
from crossward.encryption.aggregator import Kinds, arithmetic
from crossward.encryption.dither import Dither
from crossward.encryption.plan import FieldPlan
from crossward.encryption.settings import ALL, EncryptionSettings
from crossward.protocol.messages import ALONE, EVALUATE
from strategies.async_hybrid import AsyncHybrid
from strategies.callbacks import Callback
from strategies.exchange.bandwidth import Bandwidths
from strategies.exchange.clock import Clock
from strategies.history.journal import Journal
from strategies.registry import strategy_class
from strategies.settings import StrategySettings
from strategies.stopping.hospital_budget import HospitalBudget


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
    dither: Dither | None = None,
    callbacks: Sequence[Callback] = (),
) -> AsyncHybrid:
    """The strategy of a run with ``config``.

    ``kinds`` replaces its arithmetic (:func:`kinds_of`), ``dither`` a dither under a random key; ``callbacks``
    see its events.
    """
    settings, run = read_settings(StrategySettings, config), read_settings(RunSettings, config)
    encryption, privacy = read_settings(EncryptionSettings, config), read_settings(PrivacySettings, config)
    mechanism, budget = hospital_mechanism(config), None
    if mechanism is not None:
        exposed = encryption.policy != ALL
        budget = HospitalBudget(mechanism, privacy.delta, privacy.epsilon, settings.min_contributors, exposed)
    return strategy_class(settings.name)(
        settings,
        plan,
        run_schedule(config),
        journal,
        clock=clock,
        bandwidths=bandwidths,
        last_task=ALONE if run.alone else EVALUATE,
        last_steps=run.alone_steps,
        kinds=kinds or kinds_of(config, plan),
        key=encryption.key,
        privacy_unit=privacy.unit,
        budget=budget,
        dither=dither,
        callbacks=callbacks,
    )
