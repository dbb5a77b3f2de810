"""Three made-up parties, aligned as if by their identifiers, and the models of each.

Not for: alignment itself (``crossward.alignment``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from client_app.vertical.learning.arrays import Floats, Ints
from client_app.vertical.learning.blocks import Blocks, Part
from client_app.vertical.learning.bottoms import Bottom, BottomSettings, Opening, open_bottom
from client_app.vertical.learning.bottoms.hidden_states import LanguageSettings
from client_app.vertical.learning.splits import Split, split
from client_app.vertical.learning.top import TopSettings
from crossward.adapters.base import BaseModel, load_base
from crossward.config.model_settings import ModelConfig
from data.party import PartyData
from data.party.simulated import simulated_party, withheld
from data.synthetic.parties import PARTIES


@dataclass(frozen=True)
class Sizes:
    """``patients`` of all parties together, of whom ``overlap`` are common; how long each model is trained at most."""

    patients: int
    overlap: float = 1.0
    bottom: BottomSettings = field(default_factory=BottomSettings)
    top: TopSettings = field(default_factory=TopSettings)
    language: LanguageSettings = field(default_factory=LanguageSettings)


@dataclass(frozen=True)
class Consortium:
    """``data`` of each party, the label holder's first; ``common[k]`` int64 are party k's rows of common patients.

    ``outcomes`` float32 of each party's patients are known to the label holder alone, and to whoever measures.
    """

    data: tuple[PartyData, ...]
    common: tuple[Ints, ...]
    outcomes: tuple[Floats, ...]
    split: Split
    sizes: Sizes
    seed: int

    @property
    def known(self) -> Split:
        """The part of the split that is of common patients, as rows of the label holder."""
        return self.split.within(self.common[0])

    def at(self, party: int, rows: Ints) -> Ints:
        """The label holder's common ``rows`` as rows of ``party``."""
        place = np.full(len(self.data[0].patients), -1, np.int64)
        place[self.common[0]] = self.common[party]
        return place[rows]

    def split_at(self, party: int) -> Split:
        """The split of common patients as rows of ``party``."""
        known = self.known
        return Split(*(self.at(party, part) for part in (known.train, known.validation, known.test)))

    def fresh(self, party: int) -> Bottom:
        """A bottom of the party's features that has learnt nothing."""
        return self.opened(self.data[party], party)

    def opened(self, data: PartyData, party: int) -> Bottom:
        """A bottom of ``data``, all or some of what the party has."""
        base = base_model() if data.notes is not None else None
        opening = Opening(self.sizes.bottom, self.sizes.language, base=base, seed=self.seed + party)
        return open_bottom(data, opening)

    def represented(self, *, common: bool = False) -> tuple[Bottom, ...]:
        """A bottom of each party that has learnt to represent all of its patients, or the ``common`` ones alone."""
        bottoms = []
        for party, data in enumerate(self.data):
            bottom = self.fresh(party)
            if common:
                narrow = self.opened(data.take(self.common[party]), party)
                narrow.represent(self.seed)
                bottom.load(narrow.state())
            else:
                bottom.represent(self.seed)
            bottoms.append(bottom)
        return tuple(bottoms)

    def blocks(self, others: tuple[Bottom, ...]) -> Blocks:
        """What the label holder has once each of ``others`` has sent embeddings of the common patients."""
        sent = [Part(self.common[0], one.embed(rows)) for one, rows in zip(others, self.common[1:], strict=True)]
        return Blocks.scatter(len(self.data[0].patients), sent)


@cache
def base_model() -> BaseModel:
    """The embedded model."""
    return load_base(ModelConfig(device="cpu"))


def consortium(sizes: Sizes, seed: int) -> Consortium:
    """The parties of a simulation with that seed."""
    numbers = range(len(PARTIES))
    data = tuple(simulated_party(number, sizes.patients, sizes.overlap, seed) for number in numbers)
    known = [withheld(number, sizes.patients, sizes.overlap, seed) for number in numbers]
    rows: list[Any] = []
    for one in known:
        there = np.flatnonzero(one.common)
        rows.append(there[np.argsort(one.people[there])].astype(np.int64))
    return Consortium(
        data=data,
        common=tuple(rows),
        outcomes=tuple(one.outcome.astype(np.float32) for one in known),
        split=split(data[0].patients, seed),
        sizes=sizes,
        seed=seed,
    )
