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

from client_app.state.heads import keep_head
from client_app.state.locks import exclusive
from client_app.vertical.bounds import check_parties, check_settings, check_step, settings_in
from client_app.vertical.envelopes import Mail
from client_app.vertical.errors import PartyError
from client_app.vertical.keys import PartyKeys
from client_app.vertical.records import StepRecords
from crossward.config.run_config import RunConfig
from crossward.machine.files import write_atomic
from crossward.protocol.vertical.messages import HELLO, Answer, Done, Envelope, Facts, Introduction, Work
from data.party import PartyData

PINNED, DESCRIBED, LOCK = "data.sha256", "party.json", "lock"
PATIENCE = 3600.0  # seconds that a step asked for again waits for the first to be done


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

    ``load`` reads its data; ``holds`` and ``has_outcome`` say what they are without reading them. ``action_of`` gives
    the function for a step. In a simulation ``simulated`` is its number and that of all. ``prefix`` stands in front of
    this party's identifiers.
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

    def act(self, work: Work) -> Answer:
        """Do a step, or answer as it did before; one step at a time, also where nodes share the folder.

        Raises
        ------
        PartyError
            it cannot be done; the text says why and what to do.
        """
        began, outbox, facts = self.clock(), tuple[Envelope, ...](), Facts()
        own = self.introduce()
        if work.action != HELLO:
            busy = PartyError(f"this party is still busy with another step: ask for step {work.step} again")
            with exclusive(self.folder / LOCK, busy, self._unwritten, PATIENCE):
                facts, outbox = self._answered(work)
        return Done(
            *(work.lineage, work.task, work.step, self.keys.name, self.clock() - began, facts, outbox),
            introduction=own if work.action == HELLO else None,
        )

    def _answered(self, work: Work) -> tuple[Facts, tuple[Envelope, ...]]:
        """Facts and envelopes of a step, which is on disk by now."""
        records = StepRecords(self.folder / "steps")
        if (found := records.find(work.step, work.action, work.round)) is not None:
            return found
        check_parties(self.config, work, self.introduce(), self.folder / "parties")
        check_step(self.config, work, self.keys.name)
        self._describe(work)
        keep_head(self.folder, work.head)
        turn = Turn(work, Mail(self.keys, work.parties, work.step))
        self.action_of(work.action)(self, turn)
        outbox = tuple(turn.mail.outbox)
        records.keep(work.step, work.action, work.round, turn.facts, outbox)
        return turn.facts, outbox

    def _unwritten(self, error: OSError) -> PartyError:
        return PartyError(f"{self.folder} cannot be written ({error.strerror}): check its owner and the disk")

    def introduce(self) -> Introduction:
        """This party as it introduces itself."""
        return self.keys.introduce(self.holds, self.has_outcome)

    def _describe(self, work: Work) -> None:
        """Write what whoever opens this folder later has to know of the run; its settings stay as they are."""
        path = self.folder / DESCRIBED
        if path.exists():
            check_settings(self.config, settings_in(path))
        else:
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
