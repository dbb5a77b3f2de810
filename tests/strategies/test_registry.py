"""Every name of ``strategy.name`` makes a strategy, and every strategy has a name."""

from __future__ import annotations

import subprocess
import sys
from pkgutil import resolve_name

import pytest

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
    config = {"strategy.name": name, "encryption.policy": "none"}
    made = make_strategy(config, PRESETS["compact"], MemoryJournal(), SystemClock(), Bandwidths())
    assert type(made) is resolve_name(f"strategies.{STRATEGIES[name].strategy}")
    assert STRATEGIES[name].rounds == isinstance(made, FedAvg)


def test_a_run_that_names_none_is_asynchronous() -> None:
    made = make_strategy(
        {"encryption.policy": "none"}, PRESETS["compact"], MemoryJournal(), SystemClock(), Bandwidths()
    )
    assert type(made) is AsyncHybrid


def test_reading_settings_does_not_load_flower() -> None:
    code = "import sys, strategies.settings; print('flwr' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
