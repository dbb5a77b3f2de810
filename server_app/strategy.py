"""The strategy that a run config asks for: one place for the ServerApp and for whoever runs one in a process.

Not for: what the strategy does (``strategies``) or where its history is kept (``server_app.run_folder``).
"""

from __future__ import annotations

from collections.abc import Sequence

from crossward.config.encryption_settings import ALL
from crossward.config.run_config import RunConfig
from crossward.encryption.aggregator import Kinds, arithmetic
from crossward.encryption.dither import Dither
from crossward.encryption.plan import FieldPlan
from crossward.protocol.messages import ALONE, EVALUATE
from strategies.async_hybrid import AsyncHybrid
from strategies.callbacks import Callback
from strategies.exchange.bandwidth import Bandwidths
from strategies.exchange.clock import Clock
from strategies.history.journal import Journal
from strategies.opening.committee import Committee
from strategies.registry import strategy_class
from strategies.stopping.hospital_budget import HospitalBudget


def kinds_of(config: RunConfig, plan: FieldPlan) -> Kinds:
    """The kinds of part that the run's encryption policy allows, with their arithmetic."""
    return arithmetic(plan, config.encryption.policy, config.encryption.scheme)


def make_strategy(
    config: RunConfig,
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
    settings, encryption, privacy = config.strategy, config.encryption, config.privacy
    mechanism, budget = config.mechanism, None
    if mechanism is not None:
        exposed = encryption.policy != ALL
        budget = HospitalBudget(mechanism, privacy.delta, privacy.epsilon, settings.min_contributors, exposed)
    return strategy_class(settings.name)(
        settings,
        plan,
        config.schedule,
        journal,
        clock=clock,
        bandwidths=bandwidths,
        last_task=ALONE if config.run.alone else EVALUATE,
        kinds=kinds or kinds_of(config, plan),
        key=encryption.key,
        privacy_unit=privacy.unit,
        budget=budget,
        dither=dither,
        callbacks=callbacks,
        committee=Committee(journal.lineage, encryption.stretch) if encryption.has_committee else None,
        ranks=config.lora.hospital_ranks,
    )
