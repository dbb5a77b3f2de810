"""What the benchmark runs on: consortia as run configs.

Not for: running them (``benchmarks.personal.consortium``).
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from crossward.config.run_config import RunConfig

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
    extra = dict(pair.split("=", 1) for pair in args.set)
    typed = {key: _typed(value) for key, value in extra.items()}
    quick = QUICK if args.quick else {}
    made: dict[str, dict[str, Any]] = {SYNTHETIC: {}, FEW: {"data.synthetic-patients": FEW_PATIENTS}}
    if args.notes is not None:
        notes = {
            "data.source": "csv",
            "data.path": str(args.notes),
            "data.text-column": args.text_column,
            "data.site-column": args.site_column,
            "data.partition": "dirichlet",
        }
        made[NOTES] = notes
        if args.model is not None:
            made[MODEL] = {**notes, "model.name": str(args.model)}
    wanted = args.only or list(made)
    if missing := [name for name in wanted if name not in made]:
        raise SystemExit(f"--only {missing[0]} needs --notes FILE{' and --model FOLDER' if MODEL in missing else ''}")
    return [Setting(name, {**made[name], **quick, **typed}) for name in wanted]


QUICK: dict[str, Any] = {"strategy.num-versions": 2, "train.local-steps": 2, "data.max-tokens": 64}


def _typed(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return {"true": True, "false": False}.get(text, text)
