"""Strategies by the name that ``strategy.name`` gives: ``STRATEGIES``.

They are named and imported when a run is made. Adding one is a module, an entry here, and a line in
``crossward.config.strategy_settings``, which says what it does: settings are read where no strategy is.

Not for: making one from a run config (``server_app.strategy``).
"""

from __future__ import annotations

from pkgutil import resolve_name
from typing import TYPE_CHECKING

from crossward.config.weight_rules import ASYNC_HYBRID, DP_FEDAVG, FEDASYNC, FEDAVG, FEDBUFF

if TYPE_CHECKING:
    from strategies.async_hybrid import AsyncHybrid


STRATEGIES = {  # name: "module:class" of strategies, a class that takes what async_hybrid.AsyncHybrid takes
    ASYNC_HYBRID: "async_hybrid:AsyncHybrid",
    FEDAVG: "fedavg:FedAvg",
    # a name alone: crossward.config.privacy_checks holds it to a privacy unit, and the privacy is the nodes' work
    DP_FEDAVG: "fedavg:FedAvg",
    FEDBUFF: "fedbuff:FedBuff",
    FEDASYNC: "fedasync:FedAsync",
}


def strategy_class(name: str) -> type[AsyncHybrid]:
    """The class of the strategy that ``strategy.name`` = ``name`` means."""
    found: type[AsyncHybrid] = resolve_name(f"strategies.{STRATEGIES[name]}")
    return found
