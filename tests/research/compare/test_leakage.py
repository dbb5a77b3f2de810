"""What an aggregator is taken to see of each method."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from data import DataConfig
from research.attacks import laboratory, leakage, observers
from research.attacks.scores import AGGREGATOR, Score
from research.attacks.sizes import FULL
from research.attacks.sizes import QUICK as FEW
from research.compare.leakage import ABSENT, DEFINITION, LABORATORY, Attacker, leakage_of
from research.compare.methods import CHECKS, METHODS
from research.compare.settings import QUICK

SCORE = Score("learned", AGGREGATOR, "clear", "real", "tokens", 0.4, 0.0, 0.4, -0.1, 1.2, 12)


@pytest.fixture
def attacker(monkeypatch: pytest.MonkeyPatch) -> Attacker:
    made = Attacker(QUICK, 48)
    made._lab = object()  # type: ignore[assignment]
    monkeypatch.setattr(
        observers, "sensitive", lambda lab, fraction: observers.Protection(f"at {fraction}", "sensitive")
    )
    return made


def test_each_method_is_attacked_as_the_aggregator_sees_it(attacker: Attacker) -> None:
    seen = {name: attacker.protection(method) for name, method in METHODS.items() if method.federated}
    assert {name: p.policy for name, p in seen.items()} == {
        "fl": "none",
        "dp-fl": "none",
        "he-fl": "all",
        "hybrid": "sensitive",
        "encrypted": "all",
        "personal": "all",
    }
    assert seen["he-fl"].scheme == "ckks" and seen["hybrid"].name == "at 0.3"
    trainer: Any = seen["dp-fl"].trainer
    assert trainer.batch == QUICK.dp_batch and trainer.noise_multiplier > 0.3 and seen["fl"].trainer is None


def test_the_laboratory_is_as_the_comparison_says() -> None:
    rank = inspect.signature(laboratory.Laboratory).parameters["rank"].default
    assert rank == LABORATORY["rank"] and FULL.real.value_bits == FEW.real.value_bits == LABORATORY["value_bits"]
    assert DataConfig().source == LABORATORY["notes"]  # the laboratory names no other source


def test_methods_that_show_the_same_are_attacked_once(attacker: Attacker, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(leakage, "aggregator_leakage", lambda lab, protection: asked.append(protection.name) or SCORE)
    for method in (METHODS["encrypted"], CHECKS["encrypted-sync"], METHODS["fl"], METHODS["encrypted"]):
        assert attacker(method) is SCORE
    assert asked == ["sealed", "clear"]


def test_leakage_lies_between_nothing_and_everything() -> None:
    found = leakage_of(METHODS["fl"], lambda method: SCORE)
    assert (found.value, found.low, found.high) == (0.4, 0.0, 1.0) and found.score is not None
    assert leakage_of(METHODS["fl"]).how == ABSENT and leakage_of(METHODS["fl"]).value is None
    assert leakage_of(METHODS["local"]).value == 0.0 and leakage_of(METHODS["centralised"]).how == DEFINITION
