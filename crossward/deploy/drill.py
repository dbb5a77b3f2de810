"""A failure drill: kill -9 of a SuperNode, the SuperLink, the ServerApp while a run is going on, and what it cost.

Not for: faults of messages and links; those are tried on the virtual grid and in network namespaces.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from crossward.deploy.errors import DeployError
from crossward.ledger.file import FILE_NAME, read_entries
from crossward.protocol.messages import ACCEPTED, OUTCOMES

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
        return any(line["event"] == ACCEPTED and line["time"] > moment for line in self.lines())

    def stop(self) -> None:
        """No more kills."""
        self._over.set()

    def lines(self) -> list[dict[str, Any]]:
        """The ledger so far."""
        path = self.folder / FILE_NAME
        found: list[dict[str, Any]] = []
        with contextlib.suppress(OSError, ValueError):
            found = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        return found

    def versions(self) -> int:
        """Versions made so far."""
        return sum(line["event"] == "version" for line in self.lines())

    def _kill(self, what: str, process: psutil.Process | None) -> None:
        if process is None:
            return
        self.killed[what] = time.time()
        process.kill()
        self.say(f"drill: kill -9 of {what} (process {process.pid}) after version {self.versions()}")

    def _supernode(self) -> None:
        self._kill(f"the SuperNode of {VICTIM}", self.deployment.supernode(VICTIM))

    def _superlink(self) -> None:
        self._kill("the SuperLink", self.deployment.supernode("aggregator"))

    def _serverapp(self) -> None:
        found = [p for p in self.deployment.tree.named(SERVERAPP) if p.is_running()]
        self.killed_serverapp = bool(found)
        self._kill("the ServerApp", found[0] if found else None)

    def _own(self, entries: list[dict[str, Any]], moment: float) -> list[float]:
        """Seconds after ``moment`` at which updates of the victim itself were accepted."""
        node = next((row["node"] for row in self.deployment.members().values() if row["name"] == VICTIM), "")
        mine = [line["time"] for line in entries if line["event"] == ACCEPTED and line["node"] == node]
        return [time - moment for time in mine if time > moment]

    def account(self) -> None:
        """Say what the drill cost; every task that was sent must have exactly one outcome, every update one version.

        Raises
        ------
        DeployError
            something is counted twice or not at all, or a kill that was asked for did not take place.
        """
        if not self.todo:
            return
        entries = [{"time": e.time, "event": e.event, **e.facts} for e in read_entries(self.folder / FILE_NAME)]
        sent = [line["task"] for line in entries if line["event"] == "dispatched"]
        done = Counter(line["task"] for line in entries if line["event"] in (*OUTCOMES, "measured"))
        added = Counter(task for line in entries if line["event"] == "version" for task in line["tasks"])
        accepted = {line["task"] for line in entries if line["event"] == ACCEPTED}
        lost = [task for task in sent if not done[task]]
        twice = [task for task in done if task >= 0 and done[task] > 1] + [t for t in added if added[t] > 1]
        strangers = [task for task in added if task not in accepted]
        for what, moment in self.killed.items():
            later = [line["time"] - moment for line in entries if line["event"] == ACCEPTED and line["time"] > moment]
            told = f"the next update came {later[0]:.1f} s later" if later else "nothing was accepted after it"
            if VICTIM in what and (own := self._own(entries, moment)):
                told += f", its own {own[0]:.1f} s later"
            self.say(f"drill: {what} was killed; {told}")
        failed = Counter(line["event"] for line in entries if line["event"] in OUTCOMES and line["event"] != ACCEPTED)
        self.say(
            f"drill: {len(sent)} tasks, {len(accepted)} updates accepted, {sum(added.values())} in versions, other "
            f"outcomes {dict(failed)}; without an outcome {len(lost)}, counted twice {len(twice)}"
        )
        if lost or twice or strangers:
            raise DeployError(f"lost {lost}, twice {twice}, in a version but never accepted {strangers}")
        if len(self.killed) < len(self.todo):
            raise DeployError(
                f"of the drills {', '.join(self.todo)} only {', '.join(self.killed) or 'nothing'} was killed before "
                "the run was over: give it more versions (strategy.num-versions)"
            )
