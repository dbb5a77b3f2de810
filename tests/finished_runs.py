"""Real nodes, real notes, a real model, on a grid whose clock is virtual: finished run folders to evaluate."""

from __future__ import annotations

import os
import shutil
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from flwr.app import Message

from client_app.state.folder import NodeState, StateFolder
from client_app.training.learner import AdaptedModel, adapted_model
from client_app.update.keys import simulated_key
from client_app.update.payloads import Vault
from crossward.adapters.ranks import Ranks
from crossward.config.run_config import RunConfig
from crossward.evaluation.opening import vault_of
from crossward.evaluation.replay import open_run
from crossward.simulation.run import simulate_run
from crossward.simulation.virtual_grid import Speed, VirtualGrid
from server_app.run_folder import RunFolder, read_config

ROOT = Path(__file__).resolve().parents[1]
TINY = {
    "model.device": "cpu",
    "lora.rank": 2,
    "data.synthetic-patients": 24,
    "data.min-patients": 2,
    "data.max-tokens": 64,
    "strategy.num-versions": 2,
    "strategy.buffer-size": 2,
    "strategy.min-contributors": 2,
    "strategy.evaluate-every": 0,
    "strategy.exponents": "0,0.5,1",
    "train.local-steps": 2,
    "train.batch-size": 4,
    "node.threads": 1,
    "simulation.links-mbit": "",
}
Config = dict[str, Any]


def run_config(**given: Any) -> Config:
    """The app's defaults made tiny; keywords are keys with ``__`` for a dot and ``_`` for a dash."""
    tables = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["flwr"]["app"]["config"]
    config = {f"{table}.{key}": value for table, rows in tables.items() for key, value in rows.items()}
    return config | TINY | {k.replace("__", ".").replace("_", "-"): v for k, v in given.items()}


@dataclass(frozen=True)
class Finished:
    """A run that went to its end: where it is, how it was set, and its nodes' states."""

    folder: Path
    config: Config
    lineage: str
    nodes: int

    @property
    def read(self) -> RunConfig:
        return RunConfig.read(self.config)

    @property
    def adapted(self) -> AdaptedModel:
        return adapted_model(self.read.model, self.read.lora, self.read.run.seed)

    def state(self, number: int) -> NodeState:
        """What node ``number`` keeps; it asked for an evaluation of the last version, so it is there."""
        root, adapted = self.read.run.state_root, self.adapted
        layout = self.vault.layout(adapted.layout.fingerprint, len(adapted.layout.blocks))
        found = StateFolder(root / self.lineage / f"site-{number}").load(layout)
        last = open_run(self.folder).versions[-1].version
        assert found.copy.version == last > 0, f"site-{number} is at version {found.copy.version}, the run at {last}"
        return found

    @property
    def vault(self) -> Vault:
        """What the nodes sealed with."""
        return vault_of(open_run(self.folder), simulated_key(self.read.encryption), self.adapted)

    def vector(self, number: int) -> np.ndarray:
        """The global adapter as node ``number`` has it."""
        plan = read_config(self.folder)["plan"]
        ranks = Ranks.of(self.adapted.layout.shapes, self.read.lora)
        return self.state(number).copy.vector(self.adapted.initial, plan, self.read.schedule, ranks)


class Bounded(VirtualGrid):
    """A grid on which a run that never ends fails instead."""

    def _push(self, message: Message) -> str:
        assert len(self.pushed) < 60, "two or three versions took 60 tasks: the run does not end"
        return super()._push(message)


def federate(
    config: Config,
    path: Path,
    compute: Sequence[float] = (10.0, 14.0, 33.0),
    *,
    kind: type[RunFolder] = RunFolder,
    resume: bool = False,
    first_id: int = 1,
) -> Finished:
    """A run of ``len(compute)`` simulated hospitals in ``path``, begun or resumed."""
    speeds = [Speed(mbit=1e9, latency=0.0, compute=seconds) for seconds in compute]
    simulate_run(RunConfig.read(config), path, speeds, resume=resume, grid=Bounded, folder=kind, first_id=first_id)
    return Finished(path, config, read_config(path)["lineage"], len(compute))


def interrupted(event: str, count: int, after: bool) -> type[RunFolder]:
    """A run folder whose process dies before or after its ``count``-th such event is written."""
    seen = 0

    class Dying(RunFolder):
        def record(self, name: str, **facts: Any) -> None:
            nonlocal seen
            seen += name == event
            dies = name == event and seen == count
            if not dies or after:
                super().record(name, **facts)
            if dies:
                raise KeyboardInterrupt

    return Dying


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def finished(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """Three hospitals, two versions of two updates each. Tests only read it; see ``copied``."""
    before = os.environ.get("CROSSWARD_HOME")
    os.environ["CROSSWARD_HOME"] = str(home)
    try:
        return federate(run_config(run__state_dir=str(home / "state")), tmp_path_factory.mktemp("runs") / "run")
    finally:
        os.environ.pop("CROSSWARD_HOME")
        if before is not None:
            os.environ["CROSSWARD_HOME"] = before


@pytest.fixture(scope="session")
def opened(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """Four hospitals, whose committee opened two versions of three updates each. Tests only read it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CROSSWARD_HOME", str(home))
        config = run_config(encryption__scheme="committee", strategy__buffer_size=3, strategy__min_contributors=3)
        config |= {"run.state-dir": str(home / "committee-state")}
        return federate(config, tmp_path_factory.mktemp("opened") / "run", (10.0, 14.0, 33.0, 12.0))


@pytest.fixture(scope="session")
def key(home: Path, finished: Finished) -> str:
    """The simulation's key file."""
    return str(home / "keys" / "simulation.key")


@pytest.fixture(autouse=True)
def own_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("CROSSWARD_HOME", str(home))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def copied(finished: Finished, tmp_path: Path) -> Finished:
    """The finished run in a folder of the test's own."""
    shutil.copytree(finished.folder, tmp_path / "run")
    return Finished(tmp_path / "run", finished.config, finished.lineage, finished.nodes)


Federate = Callable[..., Finished]


@pytest.fixture(scope="session")
def federation() -> Federate:
    return federate


@pytest.fixture(scope="session")
def configure() -> Callable[..., Config]:
    return run_config
