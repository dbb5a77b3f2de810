"""Every model of a simulated vertical run on the same patients, beside what it is to be compared with.

On the held-out patients whom all parties know: the label holder's model of its own features ("notes"), models of each
other party's features that are trained on the outcomes as if that party had them ("labs", "vitals"), the run's joint
model, and one that is trained end to end with all features in one place ("central"). On held-out patients outside the
overlap: the label holder's model alone and the students that predict alone ("distilled").

Not for: a deployment, where no party has all of this: there each party reports its own figures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from client_app.vertical import models
from client_app.vertical.actions.alignment import common_rows
from client_app.vertical.actions.training import kept_blocks
from client_app.vertical.learning.blocks import Blocks
from client_app.vertical.learning.bottoms.bottom import Bottom
from client_app.vertical.learning.metrics import Metrics, metrics
from client_app.vertical.learning.splits import Split
from client_app.vertical.learning.top import JointModel, TopSettings
from client_app.vertical.simulated import numbers_of_data
from crossward.evaluation.vertical.opened import PartyFolder, VerticalRun
from data.party import PartyData
from data.party.simulated import Withheld, withheld

Ints = NDArray[np.int64]
COMMON, OUTSIDE = "held-out common patients", "outside the overlap"
MODELS = ("notes", "vitals", "labs")  # by a party's place among the made-up ones: its features alone
JOINT, CENTRAL, DISTILLED, NOTES = "joint", "central", "distilled", "notes"


@dataclass(frozen=True)
class Measured:
    """A model's figures: at which party, and on which patients."""

    model: str
    party: str
    where: str
    found: Metrics

    def row(self) -> dict[str, object]:
        """As a row of ``evaluation.json``."""
        out: dict[str, object] = {"model": self.model, "party": self.party, "where": self.where}
        for name, value in self.found.row().items():
            if name.endswith("_interval"):
                low, high = value if isinstance(value, tuple) else (None, None)
                kind = name.removesuffix("_interval")
                out |= {f"{kind}_low": low, f"{kind}_high": high}
            else:
                out[name] = value
        return out


class Measuring:
    """A run's parties and models, opened for measuring; ``say`` gets a line before anything that takes long."""

    def __init__(self, run: VerticalRun, say: Callable[[str], None]) -> None:
        self.run, self.say, self.seed = run, say, run.config.run.seed
        self.parties = run.simulated()
        vertical = run.config.vertical
        self.places = numbers_of_data(vertical.parties)
        self.known: list[Withheld] = [
            withheld(place, vertical.patients, vertical.overlap, run.config.data.seed) for place in self.places
        ]
        self.at = next(number for number, party in enumerate(self.parties) if party.data.outcome is not None)
        self.parts = models.parts_of(self.holder)
        self.held = self.parts.within(common_rows(self.holder))

    @property
    def holder(self) -> PartyFolder:
        """The label holder."""
        return self.parties[self.at]

    def all(self) -> Iterator[Measured]:
        """Every row, in the order in which people read them."""
        yield self._measured(MODELS[self.places[self.at]], self._alone(), self._none(), self.held.test, COMMON)
        for number in range(len(self.parties)):
            if number != self.at:
                yield self._side(number)
        joint = models.joint(self.holder, self._blocks().widths)
        yield self._measured(JOINT, joint, self._blocks(), self.held.test, COMMON)
        yield self._central()
        outside = np.setdiff1d(self.parts.test, common_rows(self.holder))
        if models.has(self.holder, models.STUDENT) and len(outside):
            student = models.alone(self.holder, models.STUDENT)
            yield self._measured(DISTILLED, student, self._none(), outside, OUTSIDE)
            yield self._measured(MODELS[self.places[self.at]], self._alone(), self._none(), outside, OUTSIDE)
        for number, party in enumerate(self.parties):
            if number != self.at and models.has(party, models.STUDENT):
                rows = np.setdiff1d(np.arange(len(party.data.patients)), common_rows(party))
                if len(rows):
                    yield self._measured(DISTILLED, models.alone(party, models.STUDENT), None, rows, OUTSIDE, number)

    # ------------------------------------------------------------------ models

    def _alone(self) -> JointModel:
        return models.alone(self.holder, models.ALONE)

    def _none(self) -> Blocks:
        return Blocks.scatter(len(self.holder.data.patients), [])

    def _blocks(self) -> Blocks:
        return kept_blocks(self.holder, self.run.others)

    def _side(self, number: int) -> Measured:
        """A model of one party's features that is trained on the outcomes of the common patients."""
        party, name = self.parties[number], MODELS[self.places[number]]
        self.say(f"training on the {party.name}'s features alone, with the outcomes")
        rows = common_rows(party)
        inside = np.full(len(self.holder.data.patients), -1, np.int64)
        inside[common_rows(self.holder)] = rows
        split = Split(*(inside[part] for part in (self.held.train, self.held.validation, self.held.test)))
        model = self._trained(models.new_bottom(party), self.known[number].outcome, split)
        return self._measured(name, model, None, split.test, COMMON, number)

    def _central(self) -> Measured:
        self.say("training with all features in one place")
        model = self._trained(models.new_bottom(self._pooled()), self.known[self.at].outcome, self.parts)
        return self._measured(CENTRAL, model, self._none(), self.held.test, COMMON)

    def _pooled(self) -> PartyFolder:
        """The label holder's patients with the features that any party has of them."""
        people = {int(person): row for row, person in enumerate(self.known[self.at].people)}
        values, names = [], []
        for number, party in enumerate(self.parties):
            table = party.data.values
            if table is None:
                continue
            block = np.full((len(people), table.shape[1]), np.nan)
            there = np.flatnonzero(np.isin(self.known[number].people, self.known[self.at].people))
            block[[people[int(person)] for person in self.known[number].people[there]]] = table[there]
            values.append(block)
            names += [f"{party.name} {name}" for name in party.data.names]
        own = self.holder.data
        data = PartyData(own.patients, np.concatenate(values, 1), tuple(names), own.notes, own.outcome)
        return PartyFolder("all parties", self.run.config, self.run.folder / "central", data)

    def _trained(self, bottom: Bottom, outcome: NDArray[np.uint8], split: Split) -> JointModel:
        """A model of ``bottom`` alone that first learns to represent its features, as the parties' do."""
        bottom.represent(self.seed)
        model = JointModel(bottom, (), TopSettings(), self.seed)
        model.train(Blocks.scatter(len(bottom), []), outcome.astype(np.float32), split, self.seed)
        return model

    def _measured(
        self, name: str, model: JointModel, blocks: Blocks | None, rows: Ints, where: str, number: int | None = None
    ) -> Measured:
        at = self.at if number is None else number
        blocks = Blocks.scatter(len(self.parties[at].data.patients), []) if blocks is None else blocks
        outcome = self.known[at].outcome[rows].astype(np.int64)
        party = "all" if name in (JOINT, CENTRAL) else self.parties[at].name
        return Measured(name, party, where, metrics(outcome, model.predict(blocks, rows)))


def closed(rows: list[Measured]) -> float | None:
    """How much of the way in AUROC from the better side alone to "central" the joint model goes; None: unknown."""
    on = {one.model: one.found.auroc for one in rows if one.where == COMMON}
    joint, central = on.get(JOINT), on.get(CENTRAL)
    sides = [on[name] for name in MODELS if on.get(name) is not None]
    if joint is None or central is None or not sides:
        return None
    best = max(side for side in sides if side is not None)
    return (joint - best) / (central - best) if central > best else None
