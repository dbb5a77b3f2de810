"""The ServerApp loads the callbacks of its run config, and refuses at once what it cannot load."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from flwr.app import Context, RecordDict

import server_app.app
import server_app.horizontal
from crossward.config.schedule import Schedule
from crossward.config.settings import read_settings
from crossward.ledger.explain import explain
from crossward.simulation.toy import toy_app, toy_context
from crossward.simulation.virtual_grid import Speed, VirtualClock, VirtualGrid, VirtualNode
from strategies.callbacks import CallbackError

CONFIG: dict[str, Any] = {
    "strategy.num-versions": 5,
    "strategy.buffer-size": 3,
    "strategy.evaluate-every": 0,
    "encryption.policy": "none",
    "run.alone": False,
    "simulation.links-mbit": "",
}
MODULE = """
from crossward.ledger.events import Version
from strategies.callbacks import Callback

class AfterTwo(Callback):
    def on_event(self, event, state):
        if isinstance(event, Version) and state.version == 2:
            self.request_stop("two are enough")
"""


def serve(config: dict[str, Any], folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    clock = VirtualClock()
    monkeypatch.setattr(server_app.horizontal, "SystemClock", lambda: clock)
    app = toy_app(folder / "nodes", read_settings(Schedule, config))
    nodes = {i + 1: VirtualNode(app, toy_context(i), Speed(compute=1.0 + i)) for i in range(4)}
    context = Context(1, 1, {}, RecordDict(), {**config, "run.folder": str(folder / "run")})
    server_app.app.app(VirtualGrid(nodes, clock), context)
    return folder / "run"


def test_a_callback_from_the_run_config_stops_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "my_callbacks.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    run = serve({**CONFIG, "run.callbacks": "my_callbacks:AfterTwo"}, tmp_path, monkeypatch)
    result = json.loads((run / "result.json").read_text())
    assert (result["version"], result["reason"]) == (2, "stopped by a callback: two are enough")
    assert "finished: stopped by a callback: two are enough" in capsys.readouterr().out
    assert "accepted from toy-" in explain(run, 1)[1] and "in version 1 with the weight" in explain(run, 1)[2]


def test_a_callback_that_cannot_be_imported_ends_the_app_before_there_is_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(CallbackError, match="callback 'nowhere:Callback' cannot be imported"):
        serve({**CONFIG, "run.callbacks": "nowhere:Callback"}, tmp_path, monkeypatch)
    assert not (tmp_path / "run").exists()
