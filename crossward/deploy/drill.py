"""A failure drill: kill -9 of a SuperNode, a committee member that opens a version, the SuperLink, the ServerApp.

It takes place while a run is going on; afterwards it reports what it cost.

Not for: faults of messages and links; those are tried on the virtual grid and in network namespaces.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from crossward.deploy.errors import DeployError
from crossward.deploy.hospital import read_hospital
from crossward.encryption.committee.stretch import lists_in
from crossward.ledger.events import Accepted, Dispatched, Event, Opening, Outcome, Refused, Started, Version
from crossward.ledger.file import FILE_NAME, LedgerError
from crossward.ledger.lines import read_events
from crossward.protocol.messages import ANSWER

if TYPE_CHECKING:
    from crossward.deploy.local import LocalDeployment

VICTIM = "hospital-2"
SERVERAPP = "flwr-serverapp"
RECOVERY = 120.0  # seconds to wait for it before the next kill


class Drill(threading.Thread):
    """Kills what ``drills`` names, one after the other, each after another version was made."""

    def __init__(
        self, deployment: LocalDeployment, folder: Path, drills: Sequence[str], say: Callable[[str], None]
    ) -> None:
        super().__init__(daemon=True)
        self.deployment, self.folder, self.say = deployment, folder, say
        self.todo = list(dict.fromkeys(drills))
        self.killed_serverapp = False
        self.killed: dict[str, float] = {}
        self.question: Dispatched | None = None  # that the committee member had when it was killed
        self._over = threading.Event()

    def run(self) -> None:
        """Kill one after the other; waits for a version before each, and for the recovery after it."""
        for number, what in enumerate(self.todo, 1):
            while self.versions() < number:
                if self._over.wait(0.2):
                    return
            getattr(self, f"_{what}")()
            moment, patience = time.time(), time.monotonic() + RECOVERY
            while not self._recovered(moment) and time.monotonic() < patience:
                if self._over.wait(0.2):
                    return

    def _recovered(self, moment: float) -> bool:
        """Whether the run has got on since a kill: the next one is another trouble, not the same."""
        return any(isinstance(event, Accepted) and event.time > moment for event in self.events())

    def stop(self) -> None:
        """No more kills."""
        self._over.set()

    def events(self) -> list[Event]:
        """The ledger so far."""
        found: list[Event] = []
        with contextlib.suppress(OSError, LedgerError):
            found = list(read_events(self.folder / FILE_NAME))
        return found

    def versions(self) -> int:
        """Versions made so far."""
        return sum(isinstance(event, Version) for event in self.events())

    def _kill(self, what: str, process: psutil.Process | None) -> None:
        if process is None:
            return
        self.killed[what] = time.time()
        process.kill()
        self.say(f"drill: kill -9 of {what} (process {process.pid}) after version {self.versions()}")

    def _supernode(self) -> None:
        self._kill(f"the SuperNode of {VICTIM}", self.deployment.supernode(VICTIM))

    def _member(self) -> None:
        """Kill a member, and the process that works for it, once it is asked for its share of a list.

        It has consented to the list then: its record says that the updates are opened.
        """
        while (question := self._unanswered()) is None:
            if self._over.wait(0.05):
                return
        name = next(row["name"] for row in self.deployment.members().values() if row["node"] == question.node)
        if (process := self.deployment.supernode(name)) is not None:
            self.question, below = question, process.children(recursive=True)
            self._kill(f"the committee member {name}", process)
            for one in below:
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.kill()

    def _unanswered(self) -> Dispatched | None:
        """The newest question for a share that has no outcome yet."""
        events = self.events()
        over = {event.task for event in events if isinstance(event, Outcome)}
        asked = [event for event in events if isinstance(event, Dispatched) and event.kind == ANSWER]
        return asked[-1] if asked and asked[-1].task not in over else None

    def _superlink(self) -> None:
        self._kill("the SuperLink", self.deployment.supernode("aggregator"))

    def _serverapp(self) -> None:
        found = [p for p in self.deployment.tree.named(SERVERAPP) if p.is_running()]
        self.killed_serverapp = bool(found)
        self._kill("the ServerApp", found[0] if found else None)

    def _own(self, accepted: list[Accepted], moment: float) -> list[float]:
        """Seconds after ``moment`` at which updates of the victim itself were accepted."""
        node = next((row["node"] for row in self.deployment.members().values() if row["name"] == VICTIM), "")
        mine = [update.time for update in accepted if update.node == node]
        return [time - moment for time in mine if time > moment]

    def _account_openings(self, events: list[Event]) -> None:
        """What the killed member was asked for was opened without it or with it; members opened no update twice."""
        lists: dict[str, set[str]] = defaultdict(set)  # update -> lists that members opened it in
        lineage = next(event.lineage for event in events if isinstance(event, Started))
        for number in range(1, self.deployment.hospitals + 1):
            _, node = read_hospital(self.deployment.hospital(number))
            for digest, updates in lists_in(Path(node["state-dir"]) / lineage / "stretches"):
                for update in updates:
                    lists[update].add(digest)
        if again := sorted(update for update, digests in lists.items() if len(digests) > 1):
            raise DeployError(f"opened in more than one list: {', '.join(again)}")
        if lists:
            asked = sum(isinstance(event, Opening) for event in events)
            self.say(f"drill: members opened {len(lists)} updates in {asked} lists, none of them twice")
        if (question := self.question) is not None:
            outcome = next((e for e in events if isinstance(e, Outcome) and e.task == question.task), None)
            made = [e for e in events if isinstance(e, Version) and e.version == question.version]
            if outcome is None or not made:
                raise DeployError(f"version {question.version} was not opened after {question.hospital} was killed")
            self.say(
                f"drill: its question {question.task} ended as {outcome.name}; version {question.version} was opened "
                f"by {', '.join(made[0].openers)} in {made[0].opening_seconds or 0.0:.1f} s"
            )

    def account(self) -> None:
        """Report the drill's cost; every task that was sent must have exactly one outcome, every update one version.

        Raises
        ------
        DeployError
            something is counted twice or not at all, or a kill that was asked for did not take place.
        """
        if not self.todo:
            return
        events = list(read_events(self.folder / FILE_NAME))
        sent = [event.task for event in events if isinstance(event, Dispatched)]
        done = Counter(event.task for event in events if isinstance(event, Outcome))
        added = Counter(task for event in events if isinstance(event, Version) for task in event.tasks)
        updates = [event for event in events if isinstance(event, Accepted)]
        accepted = {update.task for update in updates}
        lost = [task for task in sent if not done[task]]
        twice = [task for task in done if task >= 0 and done[task] > 1] + [t for t in added if added[t] > 1]
        strangers = [task for task in added if task not in accepted]
        for what, moment in self.killed.items():
            later = [update.time - moment for update in updates if update.time > moment]
            message = f"the next update came {later[0]:.1f} s later" if later else "nothing was accepted after it"
            if VICTIM in what and (own := self._own(updates, moment)):
                message += f", its own {own[0]:.1f} s later"
            self.say(f"drill: {what} was killed; {message}")
        failed = Counter(event.name for event in events if isinstance(event, Refused))
        self.say(
            f"drill: {len(sent)} tasks, {len(accepted)} updates accepted, {sum(added.values())} in versions, other "
            f"outcomes {dict(failed)}; without an outcome {len(lost)}, counted twice {len(twice)}"
        )
        self._account_openings(events)
        if lost or twice or strangers:
            raise DeployError(f"lost {lost}, twice {twice}, in a version but never accepted {strangers}")
        if len(self.killed) < len(self.todo):
            raise DeployError(
                f"of the drills {', '.join(self.todo)} only {', '.join(self.killed) or 'nothing'} was killed before "
                "the run was over: give it more versions (strategy.num-versions)"
            )
