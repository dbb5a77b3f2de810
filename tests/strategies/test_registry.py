"""Every name of ``strategy.name`` makes a strategy, and every strategy has a name."""

from __future__ import annotations

import subprocess
import sys
from pkgutil import resolve_name

import pytest

from crossward.config import strategy_settings
from crossward.config.run_config import RunConfig
from crossward.config.strategy_settings import IN_ROUNDS
from crossward.config.weight_rules import DP_FEDAVG, FEDASYNC
from crossward.encryption.plan import PRESETS
from server_app.strategy import make_strategy
from strategies.async_hybrid import AsyncHybrid
from strategies.exchange.bandwidth import Bandwidths
from strategies.exchange.clock import SystemClock
from strategies.fedavg import FedAvg
from strategies.history.journal import MemoryJournal
from strategies.registry import STRATEGIES


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_run_gets_the_strategy_that_it_names(name: str) -> None:
    given: dict[str, str | float] = {"strategy.name": name, "encryption.policy": "none"}
    if name == DP_FEDAVG:
        given |= {"privacy.unit": "example", "privacy.epsilon": 8.0, "strategy.weighting": "equal"}
    if name == FEDASYNC:
        given |= {"strategy.buffer-size": 1, "strategy.min-contributors": 1}
    config = RunConfig.read(given)
    made = make_strategy(config, PRESETS["compact"], MemoryJournal(), SystemClock(), Bandwidths())
    assert type(made) is resolve_name(f"strategies.{STRATEGIES[name]}")
    assert (name in IN_ROUNDS) == isinstance(made, FedAvg)


def test_settings_offer_the_registrys_strategies() -> None:
    assert tuple(strategy_settings.STRATEGIES) == tuple(STRATEGIES)


def test_a_run_that_names_none_is_asynchronous() -> None:
    config = RunConfig.read({"encryption.policy": "none"})
    made = make_strategy(config, PRESETS["compact"], MemoryJournal(), SystemClock(), Bandwidths())
    assert type(made) is AsyncHybrid


def test_reading_settings_does_not_load_flower() -> None:
    code = "import sys, crossward.config.run_config; print('flwr' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
