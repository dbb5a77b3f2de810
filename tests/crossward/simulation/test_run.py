"""A run config on the virtual clock. Runs of real nodes are in ``tests.finished_runs``; these are of toy nodes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from crossward.config.run_config import RunConfig
from crossward.encryption.plan import PRESETS
from crossward.ledger.events import Event, Version
from crossward.ledger.file import FILE_NAME
from crossward.ledger.lines import read_events
from crossward.ledger.state import RunState
from crossward.simulation.run import run_plan, simulate_run
from crossward.simulation.toy import toy_app
from crossward.simulation.virtual_grid import Speed
from server_app.run_folder import RunFolderError, read_config
from strategies.callbacks import Callback

SPEEDS = [Speed(1e9, 0.0, compute) for compute in (10.0, 10.0, 15.0, 40.0)]


def config(**given: Any) -> RunConfig:
    """The app's defaults, in the clear and short; keywords are keys with ``__`` for a dot and ``_`` for a dash."""
    changed = {"strategy.num-versions": 4, "strategy.evaluate-every": 0, "encryption.policy": "none"}
    changed |= {"run.alone": False}
    return RunConfig.read(changed | {k.replace("__", ".").replace("_", "-"): v for k, v in given.items()})


class Seen(Callback):
    """Keeps the events."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def on_event(self, event: Event, state: RunState) -> None:
        self.events.append(event)


def simulated(folder: Path, given: RunConfig, **more: Any) -> list[Version]:
    """The versions of a run of toy nodes in ``folder``."""
    app, seen = toy_app(folder / "nodes", given.schedule), Seen()
    simulate_run(given, folder / "run", SPEEDS, app=app, callbacks=[seen], **more)
    kept = list(read_events(folder / "run" / FILE_NAME))
    assert seen.events == kept
    return [event for event in kept if isinstance(event, Version)]


def test_a_run_ends_in_a_finished_run_folder(tmp_path: Path) -> None:
    made = simulated(tmp_path, config())
    assert [version.version for version in made] == [1, 2, 3, 4]
    assert [sorted(version.sites) for version in made[:3]] == [["toy-0", "toy-1", "toy-2"]] * 2 + [
        ["toy-0", "toy-1", "toy-3"]
    ]
    assert (tmp_path / "run" / "result.json").exists()
    assert read_config(tmp_path / "run")["plan"] == run_plan(config(), 4)
    with pytest.raises(RunFolderError, match="already holds a run"):
        simulated(tmp_path, config())


class Once(Callback):
    """Stops a run after its first version."""

    def on_event(self, event: Event, state: RunState) -> None:
        if isinstance(event, Version):
            self.request_stop("one is enough")


def test_callbacks_of_the_run_config_see_the_run_too(tmp_path: Path) -> None:
    made = simulated(tmp_path, config(run__callbacks="tests.crossward.simulation.test_run:Once"))
    assert [version.version for version in made] == [1]


def test_bandwidths_are_those_of_the_links_unless_given(tmp_path: Path) -> None:
    by_link = config(strategy__weighting="paper")
    links = simulated(tmp_path / "a", by_link)[0]
    given = simulated(tmp_path / "b", by_link, mbit=[10.0, 20.0, 30.0, 40.0])[0]
    assert links.bandwidths == (100_000.0,) * 3
    assert dict(zip(given.sites, given.bandwidths, strict=True)) == {"toy-0": 10.0, "toy-1": 20.0, "toy-2": 30.0}
    assert links.weights != given.weights


def test_the_plan_follows_the_config() -> None:
    assert run_plan(config(encryption__preset="precise"), 4) == PRESETS["precise"]
    noised = run_plan(config(privacy__unit="hospital", privacy__epsilon=6.0, strategy__weighting="equal"), 4)
    assert noised.value_bits >= 14  # values that carry noise are wide
    everybody = config(strategy__name="fedavg", strategy__buffer_size=0)
    assert run_plan(everybody, 40).total_weight >= 4 * 40
