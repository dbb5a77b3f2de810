"""A whole deployment of parties with other features of the same patients on one machine, with a drill.

Not for: hospitals with notes of different patients (``crossward.deploy.local``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from crossward.config.party_toml import FILE
from crossward.deploy.drill import Drill
from crossward.deploy.errors import DeployError
from crossward.deploy.hospital import read_hospital
from crossward.deploy.local import LocalDeployment
from crossward.ledger.file import FILE_NAME
from crossward.ledger.lines import read_events
from crossward.ledger.vertical_events import StepDone, StepFailed
from crossward.ledger.vertical_state import fold_vertical
from crossward.protocol.vertical.messages import FINISH
from data.synthetic.parties import PARTIES, write_party
from server_app.run_folder import read_config

OVERLAP = 0.7
SETTINGS = (
    "run.scenario=vertical vertical.parties={parties} vertical.exchanges=1 node.threads=1 model.device=cpu "
    "strategy.task-timeout=300"
)
STEPS_BETWEEN = 8  # answers of parties before a kill, and between two


class PartyDrill(Drill):
    """Kills a party's SuperNode, or the ServerApp, between steps."""

    def versions(self) -> int:
        """How many kills are due by the steps that parties did so far."""
        return sum(isinstance(event, StepDone) for event in self.events()) // STEPS_BETWEEN

    def _recovered(self, moment: float) -> bool:
        return any(isinstance(event, StepDone) and event.time > moment for event in self.events())

    def account(self) -> None:
        """Say what the kills cost: every step was done once, by every party that it was for."""
        events = self.events()
        done = [(event.step, event.party) for event in events if isinstance(event, StepDone)]
        failed = sum(isinstance(event, StepFailed) for event in events)
        self.say(f"steps done {len(done)}, counted twice {len(done) - len(set(done))}, failed and asked again {failed}")
        if self.todo and not self.killed and not self.killed_serverapp:
            raise DeployError("the drill killed nothing: the run ended before")


class LocalParties(LocalDeployment):
    """Three parties: notes and outcomes, vital signs, laboratory values."""

    drill = PartyDrill

    def __init__(self, folder: Path, patients: int, say: Callable[[str], None]) -> None:
        super().__init__(folder, len(PARTIES), patients, say, ["party"])

    def settings(self) -> list[str]:
        """What every run of the deployment has."""
        return [SETTINGS.format(parties=self.hospitals)]

    def check(self, drills: Sequence[str]) -> None:
        """Refuse drills of what there is not."""
        if "member" in drills:
            raise DeployError("--drill member: a vertical run has no committee to kill a member of")

    def _notes(self) -> list[tuple[str, Path]]:
        """Every party's name and its party.toml."""
        found = []
        for number, party in enumerate(PARTIES):
            folder = self.folder / f"parties-{self.patients}" / party.folder
            if not (folder / FILE).exists():
                folder.mkdir(parents=True, exist_ok=True)
                write_party(number, folder, self.patients, OVERLAP, 0)
            found.append((party.name, folder / FILE))
        return found

    def evaluate(self, folder: Path) -> None:
        """Say what the label holder measured, and have every party predict with its own model."""
        lineage = read_config(folder)["lineage"]
        state = fold_vertical(read_events(folder / FILE_NAME))
        for party, facts in state.reported(FINISH).items():
            if "auroc" not in facts:
                self.say(f"{party} held out {facts['patients']:.0f} common patients, all of whom have one outcome")
                continue
            self.say(
                f"{party} measured on {facts['patients']:.0f} held-out common patients: AUROC {facts['auroc']:.3f} "
                f"jointly, {facts['alone auroc']:.3f} alone"
            )
        for number in range(1, self.hospitals + 1):
            _, node = read_hospital(self.hospital(number))
            own = Path(str(node["state-dir"])) / str(lineage)
            out = self.hospital(number).with_name("predictions.csv")
            self._crossward("predict", str(own), "--party-path", str(node["party-path"]), "--out", str(out), show=True)
