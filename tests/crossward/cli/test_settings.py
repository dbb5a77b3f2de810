"""Settings are shown as the classes that read them have them."""

from __future__ import annotations

import pytest

from crossward.cli.app import main
from crossward.config.run_config import HOSPITAL_KEYS
from crossward.launcher.settings_table import node_config_rows, run_config_rows


def test_every_key_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["settings"]) == 0
    words = capsys.readouterr().out.split()
    for key, *_ in (*run_config_rows(), *node_config_rows()):
        assert key in words, key


def test_a_group_is_its_keys_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["settings", "encryption"]) == 0
    out = capsys.readouterr().out
    assert "encryption.scheme" in out and "strategy." not in out.replace("strategy.min", "")


def test_one_key_shows_meaning_default_and_how_to_set_it(capsys: pytest.CaptureFixture[str]) -> None:
    rows = {key: (default, allowed, meaning) for key, default, allowed, meaning in run_config_rows()}
    default, allowed, meaning = rows["strategy.buffer-size"]
    assert main(["settings", "strategy.buffer-size"]) == 0
    out = capsys.readouterr().out
    assert f"default: {default}" in out and f"allowed: {allowed}" in out and meaning in out
    assert '--run-config "strategy.buffer-size=..."' in out
    assert main(["settings", "data-path"]) == 0 and "hospital.toml" in capsys.readouterr().out
    assert main(["settings", "train.batch-size"]) == 0  # a hospital may override it
    out = capsys.readouterr().out
    assert "--run-config" in out and "hospital.toml" in out


def test_node_keys_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["settings", "--node"]) == 0
    out = capsys.readouterr().out
    assert "key-path" in out and "lora.rank" not in out and all(key in out for key in HOSPITAL_KEYS)
    assert main(["settings", "--node", "lora.rank"]) == 2
