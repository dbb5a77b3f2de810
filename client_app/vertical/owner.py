"""Whose state of a run it is: what models and alignment need of a party, or of whoever opens its folder afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from crossward.config.run_config import RunConfig
from data.party import PartyData


class Owner(Protocol):
    """Whose models they are: a party in a run, or whoever opens its folder afterwards."""

    @property
    def config(self) -> RunConfig:
        """The run's."""

    @property
    def folder(self) -> Path:
        """Where the party keeps its state of the run."""

    @property
    def data(self) -> PartyData:
        """What the party has."""
