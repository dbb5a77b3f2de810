"""Ablations: the encrypted method with one setting changed at a time.

Not for: the methods of the comparison (``research.compare.methods``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from crossward.config.model_settings import B_ONLY, CORE
from crossward.config.weight_rules import ASYNC_HYBRID, RULES
from crossward.config.weightings import WEIGHTINGS
from research.compare.methods import DP_FL, ENCRYPTED, METHODS, Method
from research.compare.settings import Comparison
from research.compare.statistics import paired, spread

Facts = dict[str, Any]
SHOWN = ("loss", "perplexity", "bytes_per_round", "crypto_seconds_per_round", "train_seconds_per_round", "epsilon")
_BASE = METHODS[ENCRYPTED]
_GROUPS: dict[str, tuple[tuple[str, dict[str, Any]], ...]] = {
    "weighting": tuple(
        (name, {"strategy__weighting": name}) for name in WEIGHTINGS if name != RULES[ASYNC_HYBRID].weighting
    ),
    "buffer": (("all hospitals", {}),),  # its size is the comparison's number of hospitals
    "plan": (
        (
            "8+6+1 bits: up to two missed versions in one sum",
            {"encryption__plan": "8,6,1"},
        ),
    ),
    "value bits": (
        ("4", {"encryption__plan": "4,7,0"}),
        ("6", {"encryption__plan": "6,7,0"}),
        ("12", {"encryption__plan": "12,7,0"}),
    ),
    "error feedback": (
        ("off", {"train__error_feedback": False}),
        ("off, 4 value bits", {"train__error_feedback": False, "encryption__plan": "4,7,0"}),
    ),
    "factors": (
        ("b only", {"lora__factors": B_ONLY}),
        ("core, rank 32", {"lora__factors": CORE, "lora__rank": 32, "lora__alpha": 32.0}),
    ),
}
_EPSILONS = (2.0, 32.0)


def variants(setting: Comparison) -> list[tuple[str, str, Method]]:
    """(group, value, method) of every ablation."""
    out = []
    for group, values in _GROUPS.items():
        for value, changes in values:
            given = changes or {"strategy__buffer_size": setting.hospitals}
            name = f"ablation-{group}-{value}".split(":")[0].replace(" ", "-").replace(",", "").replace("+", "-")
            out.append((group, value, _BASE.but(name, f"{group}: {value}", **given)))
    for epsilon in _EPSILONS:
        method = METHODS[DP_FL].but(
            f"ablation-epsilon-{epsilon:g}", f"DP-FL, epsilon {epsilon:g}", privacy__epsilon=epsilon
        )
        out.append(("epsilon", f"{epsilon:g}", method))
    return out


def base_of(group: str) -> str:
    """The method that an ablation changes."""
    return DP_FL if group == "epsilon" else ENCRYPTED


def row(group: str, value: str, jobs: Sequence[Facts], base: Sequence[Facts], margin: float) -> Facts:
    """An ablation's figures over seeds, and its loss against the method it changes, paired by seed."""
    theirs: Mapping[int, Facts] = {job["seed"]: job for job in base}
    pairs = [(job["loss"], theirs[job["seed"]]["loss"]) for job in jobs if job["seed"] in theirs]
    return {
        "group": group,
        "value": value,
        "base": base_of(group),
        **{name: spread([job.get(name) for job in jobs])["mean"] for name in SHOWN},
        "spread": {name: spread([job.get(name) for job in jobs]) for name in SHOWN},
        "against_base": paired([a for a, _ in pairs], [b for _, b in pairs], margin),
    }
