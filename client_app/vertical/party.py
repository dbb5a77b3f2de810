"""A party in one run lineage: its keys, its data, its folder, and how a step becomes an answer.

    party = build_party(context, work)
    answer = party.act(work)

Not for: what is done in a step (``client_app.vertical.actions``), Flower's records (``crossward.protocol.vertical``).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from client_app.vertical.envelopes import Mail
from client_app.vertical.errors import PartyError
from client_app.vertical.keys import PartyKeys
from client_app.vertical.records import StepRecords
from crossward.config.run_config import RunConfig
from crossward.machine.files import write_atomic
from crossward.protocol.vertical.messages import HELLO, Answer, Done, Facts, Introduction, Work
from data.party import PartyData

PINNED, DESCRIBED = "data.sha256", "party.json"


@dataclass
class Turn:
    """One step of a party: what it was asked, its mail, and what it reports."""

    work: Work
    mail: Mail
    facts: Facts = field(default_factory=dict)

    @property
    def others(self) -> tuple[str, ...]:
        """The other parties, in the order of the ring."""
        return tuple(one.name for one in self.work.parties if one.name != self.mail.keys.name)

    @property
    def holder(self) -> str:
        """The party that has the outcome."""
        return next(one.name for one in self.work.parties if one.outcome)


Action = Callable[["Party", Turn], None]


@dataclass
class Party:
    """A party of the run ``config``, whose files of the lineage are in ``folder``.

    ``load`` reads its data; ``describe`` says what it holds without reading them: the kind of features, and whether it
    has the outcome. ``action_of`` gives the function for a step. In a simulation ``simulated`` is its number and that
    of all.
    """

    keys: PartyKeys
    config: RunConfig
    folder: Path
    load: Callable[[], PartyData]
    holds: str
    has_outcome: bool
    action_of: Callable[[str], Action]
    simulated: tuple[int, int] | None = None
    prefix: str = ""
    clock: Callable[[], float] = time.perf_counter

    @cached_property
    def data(self) -> PartyData:
        """What this party has, the same from step to step.

        Raises
        ------
        PartyError
            they are not what the run began with.
        """
        data, path = self.load(), self.folder / PINNED
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(path, data.digest + "\n", private=True)
        elif path.read_text().strip() != data.digest:
            raise PartyError(
                "this party's data have changed since the run aligned its patients: restore them, or start a new run, "
                "which aligns them anew"
            )
        return data

    @property
    def is_holder(self) -> bool:
        """Whether this party has the outcome."""
        return self.has_outcome

    def act(self, work: Work) -> Answer:
        """Do a step, or answer as it did before.

        Raises
        ------
        PartyError
            it cannot be done; the text says why and what to do.
        """
        began = self.clock()
        if work.action == HELLO:
            return Done(
                work.lineage, work.task, work.step, self.keys.name, self.clock() - began, introduction=self.introduce()
            )
        records = StepRecords(self.folder / "steps")
        if (found := records.find(work.step, work.action, work.round)) is not None:
            facts, outbox = found
            return Done(work.lineage, work.task, work.step, self.keys.name, self.clock() - began, facts, outbox)
        self._check_parties(work)
        turn = Turn(work, Mail(self.keys, work.parties, work.step))
        self.action_of(work.action)(self, turn)
        done = Done(
            work.lineage,
            work.task,
            work.step,
            self.keys.name,
            self.clock() - began,
            turn.facts,
            tuple(turn.mail.outbox),
        )
        records.keep(done, work.action, work.round)
        return done

    def introduce(self) -> Introduction:
        """This party as it introduces itself."""
        return self.keys.introduce(self.holds, self.has_outcome)

    def _check_parties(self, work: Work) -> None:
        """The parties that the aggregator names include this one as it is, and do not change from step to step."""
        own = next((one for one in work.parties if one.name == self.keys.name), None)
        if own != self.introduce():
            raise PartyError(
                f"the aggregator does not pass on this party's introduction as it was signed (party {self.keys.name!r})"
            )
        if sum(one.outcome for one in work.parties) != 1:
            raise PartyError("the aggregator names no party, or several, that have the outcome")
        self._describe(work)
        path = self.folder / "parties"
        text = "\n".join(sorted(one.signed_bytes(work.lineage).decode() for one in work.parties)) + "\n"
        if not path.exists():
            write_atomic(path, text)
        elif path.read_text() != text:
            raise PartyError("the aggregator names other parties than before in this run: start a new one")

    def _describe(self, work: Work) -> None:
        """Write what whoever opens this folder later has to know of the run."""
        path = self.folder / DESCRIBED
        if not path.exists():
            facts = {
                "lineage": work.lineage,
                "party": self.keys.name,
                "parties": [one.name for one in work.parties],
                "holder": next(one.name for one in work.parties if one.outcome),
                "simulated": self.simulated,
                "features": self.data.names,
                "config": self.config.by_key(),
            }
            write_atomic(path, json.dumps(facts, indent=1) + "\n", private=True)
