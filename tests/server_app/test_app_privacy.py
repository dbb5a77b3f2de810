"""The ServerApp itself, from run config to run folder, with hospital-level privacy; nodes are toys in this process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from crossward.config.run_config import RunConfig

pytest.importorskip("flwr.app")  # quietly, the first time: its dependencies use what others deprecate
pytest.importorskip("flwr.serverapp")

from flwr.app import Context, RecordDict

import server_app.app
import server_app.horizontal
from client_app.update.hospital_noise import HospitalNoise
from client_app.update.payloads import Vault
from crossward.config.encryption_schemes import BFV
from crossward.config.encryption_settings import EncryptionSettings
from crossward.config.settings import SettingsError
from crossward.encryption.key_format import ConsortiumKey
from crossward.encryption.secret import Secret
from crossward.ledger.events import HospitalPrivacy
from crossward.ledger.file import FILE_NAME, read_entries
from crossward.simulation.toy import toy_app, toy_context
from crossward.simulation.virtual_grid import Speed, VirtualClock, VirtualGrid, VirtualNode

CONFIG: dict[str, Any] = {
    "strategy.name": "dp-fedavg",
    "strategy.weighting": "equal",
    "strategy.num-versions": 5,
    "strategy.buffer-size": 4,
    "strategy.evaluate-every": 0,
    "privacy.unit": "hospital",
    "privacy.epsilon": 6.0,
    "privacy.clip": 0.3,
    "run.alone": False,
    "simulation.links-mbit": "",
}


def serve(config: dict[str, Any], folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    clock = VirtualClock()
    monkeypatch.setattr(server_app.horizontal, "SystemClock", lambda: clock)
    read = RunConfig.read(config)
    mechanism = read.mechanism
    vault = Vault()
    if read.encryption.policy == "all":
        vault = Vault(EncryptionSettings(scheme=BFV, workers=1), ConsortiumKey(Secret(bytes(range(32)))))
    noise = HospitalNoise(mechanism) if mechanism is not None else None
    app = toy_app(folder / "nodes", read.schedule, vault=vault, noise=noise)
    nodes = {i + 1: VirtualNode(app, toy_context(i), Speed(compute=1.0 + i)) for i in range(4)}
    context = Context(1, 1, {}, RecordDict(), {**config, "run.folder": str(folder / "run")})
    server_app.app.app(VirtualGrid(nodes, clock), context)
    return folder / "run"


@pytest.mark.parametrize("policy", ["all", "none"])
def test_a_run_with_a_budget_from_config_to_report(
    policy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = serve({**CONFIG, "encryption.scheme": BFV, "encryption.policy": policy}, tmp_path, monkeypatch)
    lines = [{"event": e.event, **e.facts} for e in read_entries(run / FILE_NAME)]
    (expected,) = [line for line in lines if line["event"] == HospitalPrivacy.name]
    made = [line for line in lines if line["event"] == "version"]
    assert expected["exposed"] == (policy == "none") and 5.9 < expected["epsilon"] <= 6.0
    assert len(made) == 5 and made[-1]["hospital_epsilon"] == expected["epsilon"]
    assert json.loads((run / "config.json").read_text())["plan"] == [18, 4, 0]
    assert json.loads((run / "result.json").read_text())["version"] == 5
    page = (run / "report.html").read_text()
    assert "hospital epsilon by version" in page
    assert ("The aggregator reads updates in the clear" in page) == (policy == "none")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"privacy.noise-multiplier": 1.0}, "would spend epsilon"),
        ({"strategy.weighting": "examples"}, "use strategy.weighting = 'equal'"),
        ({"encryption.plan": "8,4,0"}, "Use 1[0-9] value bits or more, or no encryption.plan"),
    ],
)
def test_a_run_that_could_not_keep_its_promise_does_not_start(
    changes: dict[str, Any], expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises((SettingsError, ValueError), match=expected):
        serve({**CONFIG, **changes}, tmp_path, monkeypatch)
    assert not (tmp_path / "run").exists()
