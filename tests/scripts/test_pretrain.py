"""The pre-training script, in miniature: runs, repeats itself, and writes a model that loads."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from crossward.adapters import ModelConfig, load_base
from crossward.adapters.embedded import unpack_model

SCRIPT = Path(__file__).parents[2] / "scripts" / "pretrain.py"


@pytest.fixture
def pretrain(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(sys, "path", list(sys.path))
    spec = importlib.util.spec_from_file_location("pretrain", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _run(pretrain: Any, monkeypatch: pytest.MonkeyPatch, out: Path, *extra: str) -> dict[str, Any]:
    options = (
        "--text words --steps 3 --batch 2 --length 32 --vocabulary 300 --tokenizer-texts 50 --report 2 --threads 1"
    )
    monkeypatch.setattr(sys, "argv", ["pretrain.py", *options.split(), "--out", str(out), *extra])
    threads = torch.get_num_threads()
    try:
        with torch.random.fork_rng():
            pretrain.main()
    finally:
        torch.set_num_threads(threads)
    document: dict[str, Any] = json.loads(out.read_text())
    return document


def test_makes_a_model_that_loads_and_repeats_itself(
    pretrain: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CROSSWARD_HOME", str(tmp_path / "home"))
    first = _run(pretrain, monkeypatch, tmp_path / "one.json")
    printed = capsys.readouterr().out
    assert "held out" in printed
    assert "3 steps in" in printed
    assert _run(pretrain, monkeypatch, tmp_path / "two.json")["sha256"] == first["sha256"]
    assert _run(pretrain, monkeypatch, tmp_path / "three.json", "--seed", "5")["sha256"] != first["sha256"]
    base = load_base(ModelConfig(name=str(unpack_model(tmp_path / "one.json")), device="cpu"))
    assert len(base.tokenizer) == 300
    assert base.tokenizer.decode(base.tokenizer("99 ☤")["input_ids"], skip_special_tokens=True) == "99 ☤"


def test_minutes_end_the_training(pretrain: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _run(pretrain, monkeypatch, tmp_path / "one.json", "--minutes", "1e-9")
    blank = _run(pretrain, monkeypatch, tmp_path / "two.json", "--steps", "0")
    assert json.loads((tmp_path / "one.json").read_text())["sha256"] == blank["sha256"]


def test_learning_rate_warms_up_and_decays(pretrain: Any) -> None:
    rates = [pretrain.learning_rate(done / 100, 1.0) for done in range(101)]
    assert rates[0] < 0.01
    assert max(rates) > 0.95
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert 0 < rates[-1] < 0.06
