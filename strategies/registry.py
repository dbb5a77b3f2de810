"""Strategies by the name that ``strategy.name`` gives: ``STRATEGIES``. Adding one is a module and an entry here.

They are named and imported when a run is made: reading a configuration must not cost an import of Flower.

Not for: making one from a run config (``server_app.strategy``).
"""

from __future__ import annotations

from dataclasses import dataclass
from pkgutil import resolve_name
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from strategies.async_hybrid import AsyncHybrid


@dataclass(frozen=True)
class Entry:
    """One strategy.

    Parameters
    ----------
    strategy : str
        "module:class" of ``strategies``: a class that takes what ``strategies.async_hybrid.AsyncHybrid`` takes.
    about : str
        What it does, in the words that follow its name in the settings' reference.
    rounds : bool
        Whether it samples up to ``strategy.buffer-size`` nodes a round (0: all) instead of filling a buffer.
    """

    strategy: str
    about: str
    rounds: bool = False


STRATEGIES: dict[str, Entry] = {
    "async-hybrid": Entry("async_hybrid:AsyncHybrid", "aggregates whenever the buffer is full"),
    "fedavg": Entry("fedavg:FedAvg", "waits for every sampled node", rounds=True),
    # a name alone: crossward.config.privacy_checks holds it to a privacy unit, and the privacy is the nodes' work
    "dp-fedavg": Entry("fedavg:FedAvg", "is fedavg that refuses to run without privacy.unit", rounds=True),
}


def strategy_class(name: str) -> type[AsyncHybrid]:
    """The class of the strategy that ``strategy.name`` = ``name`` means."""
    found: type[AsyncHybrid] = resolve_name(f"strategies.{STRATEGIES[name].strategy}")
    return found
