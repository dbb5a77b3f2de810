"""A profile run: what ``run.profile = true`` makes of a run config.

It takes each hospital's counts of notes in place of an update and adds them up as one version, with equal weights: all
that protects updates (encryption, the committee's consents, ``min-contributors``, the ledger) protects counts. Nothing
is trained.

Not for: what is counted (``data.profile``), how counts become an update (``client_app.profile``).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from crossward.config.encryption_schemes import MOST_FIELD_BITS, SCHEMES
from crossward.config.encryption_settings import ALL, NONE
from crossward.config.personal_settings import PersonalSettings
from crossward.config.privacy_settings import HOSPITAL, LOCAL_UNITS
from crossward.config.schedule import CONSTANT, Schedule
from crossward.config.settings import SettingsError
from crossward.config.strategy_settings import StrategySettings
from crossward.config.weightings import EQUAL

if TYPE_CHECKING:
    from crossward.config.run_config import RunConfig

WEIGHT_BITS = 8
MOST_HOSPITALS = (1 << WEIGHT_BITS) // 4  # that a version of so many weight bits can hold


def profile_run(config: RunConfig, where: str) -> RunConfig:
    """``config`` as a profile run follows it; the same again where it is one.

    Raises
    ------
    SettingsError
        its privacy or encryption is none under which counts can be added.
    """
    encryption, strategy = config.encryption, config.strategy
    if encryption.policy == NONE or not SCHEMES[encryption.scheme].exact:
        used = f"encryption.policy = {encryption.policy!r} and encryption.scheme = {encryption.scheme!r}"
        exact = " or ".join(repr(name) for name, scheme in SCHEMES.items() if scheme.exact)
        raise SettingsError(
            f"{where}: a profile run (run.profile) adds counts that nobody may see singly, and {used} do not seal them "
            f"exactly: set encryption.policy to {ALL!r} and encryption.scheme to {exact}"
        )
    if config.privacy.unit == HOSPITAL:
        units = " or ".join(map(repr, LOCAL_UNITS))
        raise SettingsError(
            f"{where}: privacy.unit = {HOSPITAL!r} has no noise for counts of a profile run (run.profile): set it to "
            f"{units}, or to 'none'"
        )
    hospitals = max(strategy.min_nodes, strategy.min_contributors)
    if hospitals > MOST_HOSPITALS:
        raise SettingsError(
            f"{where}: strategy.min-nodes = {hospitals}: a profile run (run.profile) adds counts of at most "
            f"{MOST_HOSPITALS} hospitals"
        )
    counting = StrategySettings(
        buffer_size=hospitals,
        min_contributors=strategy.min_contributors,
        min_nodes=strategy.min_nodes,
        max_wait=strategy.max_wait,
        concurrency=strategy.concurrency,
        max_share=strategy.max_share,
        task_timeout=strategy.task_timeout,
        weighting=EQUAL,
        evaluate_every=0,
    )
    return replace(
        config,
        run=replace(config.run, alone=False),
        lora=replace(config.lora, ranks=""),
        schedule=Schedule(versions=1, local_steps=1, peak=1.0, kind=CONSTANT, warmup=0.0, server_rate=1.0),
        strategy=counting,
        encryption=replace(encryption, policy=ALL, plan=f"{MOST_FIELD_BITS - WEIGHT_BITS},{WEIGHT_BITS},0"),
        train=replace(config.train, local_seconds=0.0, loss_grid=1.0),
        personal=PersonalSettings(method="none"),
        privacy=replace(config.privacy, micro_batch=1),
    )
