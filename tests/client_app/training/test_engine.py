"""Where a node computes, and that a quantised base is trained on as well as the plain one."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from client_app.group import client
from client_app.training import engine, learner
from client_app.training.learner import LoraLearner, adapted_model
from client_app.training.spec import LearnerSpec
from crossward.adapters.frozen_linear import onednn_is_faster
from crossward.config.run_config import RunConfig

TABLES = tomllib.loads((Path(__file__).resolve().parents[3] / "pyproject.toml").read_text())
DEFAULTS = {f"{t}.{k}": v for t, rows in TABLES["tool"]["flwr"]["app"]["config"].items() for k, v in rows.items()}
TINY = DEFAULTS | {
    "model.device": "cpu",
    "lora.rank": 8,
    "data.synthetic-patients": 60,
    "data.min-patients": 2,
    "data.max-tokens": 64,
    "strategy.num-versions": 1,
    "train.local-steps": 40,
    "node.threads": 1,
}


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    threads = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CROSSWARD_HOME", str(tmp_path_factory.mktemp("home")))
        yield
    torch.set_num_threads(threads)
    adapted_model.cache_clear()


@pytest.mark.parametrize(
    ("asked", "simulated", "grouped"),
    [
        ("auto", True, False),
        ("auto", False, True),
        ("in-process", True, False),
        ("in-process", False, False),
        ("worker-group", True, True),
        ("worker-group", False, True),
    ],
)
def test_the_engine_is_the_one_asked_for_or_what_suits(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, asked: str, simulated: bool, grouped: bool
) -> None:
    monkeypatch.setattr(client, "GroupLearner", lambda *given: ("group", *given))
    monkeypatch.setattr(learner, "local_learner", lambda *given: ("local", *given))
    spec = LearnerSpec(RunConfig.read(TINY | {"node.engine": asked}), *((0, 3) if simulated else (None, None)))
    made: Any = engine.open_learner(spec, tmp_path)
    if grouped:
        assert made == ("group", spec, tmp_path)
    else:
        assert made == ("local", spec)


def test_a_node_in_process_uses_as_many_threads_as_it_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(learner, "local_learner", lambda spec: spec)
    for threads in (2, 1):
        engine.open_learner(LearnerSpec(RunConfig.read(TINY | {"node.threads": threads}), 0, 3), tmp_path)
        assert torch.get_num_threads() == threads


# ---------------------------------------------------------------------- quantised bases


def plain_kind() -> str:
    return "FrozenLinear" if onednn_is_faster() else "Linear"


def perplexities(tmp_path: Path, quantization: str) -> tuple[float, float]:
    """Before and after training on a made-up hospital's notes, held out ones."""
    spec = LearnerSpec(RunConfig.read(TINY | {"model.quantization": quantization}), 0, 3)
    made = engine.open_learner(spec, tmp_path)
    assert isinstance(made, LoraLearner)
    trained = made.train(made.initial().copy(), 0, 1)
    assert trained.vector.dtype == np.float32 and trained.steps == 40
    assert {p.dtype for p in made.adapted.model.parameters() if p.requires_grad} == {torch.float32}
    kinds = {type(m.base_layer).__name__ for m in made.adapted.model.modules() if hasattr(m, "base_layer")}
    assert kinds == {{"none": plain_kind(), "8bit": "Linear8bitLt", "4bit": "Linear4bit"}[quantization]}
    measures = made.evaluate({"before": made.initial(), "after": trained.vector})
    return math.exp(measures["before"].loss), math.exp(measures["after"].loss)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> tuple[float, float]:
    found = perplexities(tmp_path_factory.mktemp("plain"), "none")
    print(f"none: perplexity {found[0]:.3f} -> {found[1]:.3f}")
    return found


@pytest.mark.parametrize("quantization", ["4bit", "8bit"])
def test_a_quantised_base_is_trained_on_as_well(tmp_path: Path, plain: tuple[float, float], quantization: str) -> None:
    before, after = perplexities(tmp_path, quantization)
    print(f"{quantization}: perplexity {before:.3f} -> {after:.3f}")
    assert before != plain[0] and before == pytest.approx(plain[0], rel=0.1)
    assert plain[1] < plain[0] / 2 and after < before / 2
    assert after == pytest.approx(plain[1], rel=0.1)
