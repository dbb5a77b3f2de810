"""One dither for runs of every scheme: recorded where a committee's members make it, and given to a run without one.

Equal dithers and equal weights are all that runs of different schemes lack to end in the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from crossward.encryption.committee.member import Opened
from crossward.encryption.committee.statements import weight_limit
from crossward.encryption.dither import KNOWN, Dither, VersionDither
from strategies.history.state import ServerState

Carried = NDArray[np.int64]


@dataclass
class Members:
    """What the members of a committee add to its versions. All of them live in this process.

    ``parts`` has each carrier's dither by version number, ``digests`` the lists that were opened under it.
    """

    parts: dict[int, dict[int, Carried]] = field(default_factory=dict)
    digests: dict[int, set[str]] = field(default_factory=dict)
    limits: set[int] = field(default_factory=set)

    def wrap(self, dither: Callable[[Opened, int], VersionDither]) -> Callable[[Opened, int], VersionDither]:
        """``Opened._dither``, and what it returns is noted."""

        def noted(opened: Opened, subset: int) -> VersionDither:
            made, version = dither(opened, subset), opened.version
            self.parts.setdefault(version.version, {})[subset] = made(0, version.count)
            self.digests.setdefault(version.version, set()).add(version.digest)
            self.limits.add(weight_limit(version.plan, opened.roster))
            self.carriers = opened.roster.carriers
            return made

        return noted

    def dither(self) -> Given:
        """The same dither for a run without a committee."""
        assert all(len(digests) == 1 for digests in self.digests.values()), "a version was opened in two lists"
        assert all(set(parts) == set(self.carriers) for parts in self.parts.values())
        carried = {version: np.sum(list(parts.values()), axis=0) for version, parts in self.parts.items()}
        return Given(parts=len(self.carriers), carried=carried)

    def limit(self, patch: pytest.MonkeyPatch) -> None:
        """Give runs without a committee the weights that its dithers left to it."""
        (most,) = self.limits
        patch.setattr(ServerState, "most_weight", property(lambda state: most))


@dataclass(frozen=True)
class Given(Dither):
    """``carried`` (by version number, of the fields that the committee opened), ``KNOWN`` in those behind them.

    Those behind are of one part, but every field loses the means of ``parts``: the other means are added here.
    """

    key: bytes = field(default=KNOWN.key, repr=False)
    carried: Mapping[int, Carried] = field(default_factory=dict)

    def version(self, total_weight: int, version: int, sites: Sequence[str], weights: Sequence[int]) -> VersionDither:
        """The dither of a version."""
        sealed, own = self.carried[version], KNOWN.version(total_weight, version, sites, weights)
        assert own is not None

        def fields(first: int, count: int) -> Carried:
            behind = own(first, count) + (self.parts - 1) * (total_weight // 2 - 1)
            ahead = sealed[first : first + count]
            return np.concatenate([ahead, behind[ahead.size :]])

        return fields


@pytest.fixture
def members(monkeypatch: pytest.MonkeyPatch) -> Members:
    """Sees what members add from now on."""
    made = Members()
    dither: Any = Opened._dither
    monkeypatch.setattr(Opened, "_dither", made.wrap(dither))
    return made
