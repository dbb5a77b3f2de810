"""What the benchmark runs on: consortia as run configs.

Not for: running them (``benchmarks.personal.consortium``).
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.harness.command import say
from crossward.config.run_config import DEFAULTS, RunConfig
from crossward.launcher.choices import with_model, with_notes
from crossward.launcher.overrides import read_overrides

SYNTHETIC, FEW, NOTES, MODEL = "synthetic", "few-patients", "notes", "model"
FEW_PATIENTS = 80
# clear updates give the same adapters as sealed ones; own and personal adapters are trained by the benchmark itself
COMMON: dict[str, Any] = {"encryption.policy": "none", "run.alone": False, "strategy.evaluate-every": 0}


@dataclass(frozen=True)
class Setting:
    """A consortium: ``values`` of the run config beside the defaults."""

    name: str
    values: Mapping[str, Any]

    def config(self, seed: int, state: str) -> RunConfig:
        """The run config for ``seed``, which draws patients, splits and hospitals too; ``state`` is for nodes."""
        seeds = {"run.seed": seed, "data.seed": seed, "run.state-dir": state}
        return RunConfig.read({**COMMON, **self.values, **seeds})


def settings_of(args: argparse.Namespace) -> list[Setting]:
    """The settings that the command line asks for: those of real notes and a real model where they are given."""
    given = read_overrides(args.set, DEFAULTS) | (QUICK if args.quick else {})
    made: dict[str, dict[str, Any]] = {SYNTHETIC: given, FEW: {"data.synthetic-patients": FEW_PATIENTS} | given}
    if args.notes is not None:
        made[NOTES] = {**with_notes(args.notes, given, say), "data.path": str(args.notes)}
        if args.model is not None:
            made[MODEL] = with_model(str(args.model), made[NOTES], say)
    wanted = args.only or list(made)
    if missing := [name for name in wanted if name not in made]:
        raise SystemExit(f"--only {missing[0]} needs --notes FILE{' and --model FOLDER' if MODEL in missing else ''}")
    return [Setting(name, made[name]) for name in wanted]


QUICK: dict[str, Any] = {"strategy.num-versions": 2, "train.local-steps": 2, "data.max-tokens": 64}
