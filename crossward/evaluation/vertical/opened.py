"""A finished vertical run as an evaluation or a prediction opens it: its config, who took part, and parties' folders.

Not for: what is measured (``crossward.evaluation.vertical.measure``).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from client_app.vertical.simulated import load_simulated, party_folder, party_of, state_root
from crossward.config.run_config import RunConfig
from crossward.config.scenarios import SCENARIOS
from crossward.evaluation.replay import EvaluationError
from crossward.ledger.file import FILE_NAME, LedgerError
from crossward.ledger.lines import read_events
from crossward.ledger.vertical_state import VerticalState, fold_vertical
from data.party import PartyData
from server_app.run_folder import RunFolderError, read_config


@dataclass(frozen=True)
class PartyFolder:
    """A party's models of a run: an ``Owner`` of ``client_app.vertical.models``."""

    name: str
    config: RunConfig
    folder: Path
    data: PartyData


@dataclass(frozen=True)
class VerticalRun:
    """A vertical run in ``folder``."""

    folder: Path
    lineage: str
    config: RunConfig
    state: VerticalState

    @property
    def others(self) -> tuple[str, ...]:
        """The parties without the outcome, in the order of the ring, which is that of the joint model's blocks."""
        met = self.state.met
        assert met is not None  # noqa: S101 - checked by open_vertical
        return tuple(name for name in met.parties if name != met.holder)

    def simulated(self) -> tuple[PartyFolder, ...]:
        """The folders of a simulation's parties on this machine, in the order of their partitions.

        Raises
        ------
        EvaluationError
            they are not on this machine.
        """
        parties, state = self.config.vertical.parties, state_root(self.config)
        found = []
        for number in range(parties):
            folder = party_folder(state, self.lineage, number)
            if not folder.is_dir():
                raise EvaluationError(
                    f"{folder} is not there: the parties of this run keep their state elsewhere (run.state-dir, or "
                    "state/ in CROSSWARD_HOME as it was set for the run). Name it with --state-dir"
                )
            data = load_simulated(self.config, number, parties)
            found.append(PartyFolder(party_of(number, parties).name, self.config, folder, data))
        return tuple(found)


def is_vertical(folder: Path) -> bool:
    """Whether ``folder`` holds a vertical or transfer run."""
    try:
        config = RunConfig.stored(read_config(folder)["config"])
    except (RunFolderError, ValueError):
        return False
    return SCENARIOS[config.run.scenario].data_of_parties


def open_vertical(folder: Path, state: Path | None = None) -> VerticalRun:
    """The run in ``folder``, whose ledger holds; ``state`` is where its parties keep their state, if not as it says.

    Raises
    ------
    EvaluationError
        it is no vertical run, or has not finished.
    """
    try:
        began = read_config(folder)
        values = dict(began["config"]) | ({"run.state-dir": str(state)} if state is not None else {})
        config = RunConfig.stored(values)
        past = fold_vertical(read_events(folder / FILE_NAME))
    except (RunFolderError, LedgerError, OSError) as error:
        raise EvaluationError(str(error)) from error
    if not SCENARIOS[config.run.scenario].data_of_parties:
        raise EvaluationError(f"{folder} holds a {config.run.scenario} run, no vertical one")
    if past.finished is None or past.met is None:
        raise EvaluationError(f"the run in {folder} has not finished: resume it with `crossward resume {folder}`")
    return VerticalRun(folder, str(began["lineage"]), config, past)
