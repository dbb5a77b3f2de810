"""What ``crossward compare`` does, in order: jobs, rows, claims, ablations, frontier, table, files.

Not for: its options (``crossward.cli.research``).
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from crossward.config.data_settings import NOTES
from crossward.machine.files import write_atomic
from research.compare.ablations import base_of, variants
from research.compare.ablations import row as ablation_row
from research.compare.claims import run_claims, size_claims
from research.compare.federation import UnavailableError
from research.compare.figures import draw
from research.compare.frontier import frontier
from research.compare.leakage import LABORATORY, Attack, Attacker, leakage_of
from research.compare.methods import CHECKS, ENCRYPTED, ENCRYPTED_SYNC, FL, HYBRID, METHODS, Method
from research.compare.settings import Comparison
from research.compare.summary import compared, row
from research.compare.table import ablations_table, claims_table, methods_table, remarks
from research.compare.work import Workplace

Facts = dict[str, Any]
RESULT = "comparison.json"


@dataclass(frozen=True)
class Wanted:
    """What is asked for: methods by name, whether the ablations too, and whether methods are attacked."""

    methods: tuple[str, ...] = tuple(METHODS)
    ablations: bool = False
    attacks: bool = True


class MethodError(ValueError):
    """A method that was asked for does not exist."""


def chosen(names: str) -> tuple[str, ...]:
    """The methods of a comma-separated list; empty: all.

    Raises
    ------
    MethodError
        a name is none of a method.
    """
    given = tuple(name.strip() for name in names.split(",") if name.strip())
    if unknown := [name for name in given if name not in METHODS]:
        raise MethodError(f"--methods: there is no method {unknown[0]!r}; expected some of {', '.join(METHODS)}")
    return given or tuple(METHODS)


def plan_of(setting: Comparison, wanted: Wanted) -> list[tuple[Method, bool]]:
    """Methods to run with each seed, and whether on the label task too; FL before those that train as it does."""
    chosen = [(METHODS[name], not METHODS[name].personal) for name in wanted.methods]
    if FL in wanted.methods and ENCRYPTED in wanted.methods:
        chosen.append((CHECKS[ENCRYPTED_SYNC], False))
    if wanted.ablations:
        needed = {base_of(group) for group, _, _ in variants(setting)} - set(wanted.methods)
        chosen += [(METHODS[name], True) for name in METHODS if name in needed]
        chosen += [(method, False) for _, _, method in variants(setting)]
    return chosen


def run_jobs(
    place: Workplace, setting: Comparison, wanted: Wanted, console: Console
) -> tuple[dict[str, list[Facts]], dict[str, str]]:
    """Every job's result by method, and why methods could not be run."""
    jobs: dict[str, list[Facts]] = {}
    unavailable: dict[str, str] = {}
    planned = plan_of(setting, wanted)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bars:
        bar = bars.add_task("", total=len(planned) * setting.seeds)
        place.say = lambda text: bars.update(bar, description=text)
        for seed in range(setting.seeds):
            for method, label in planned:
                if method.name not in unavailable:
                    try:
                        began, kept = time.perf_counter(), place.done(method, seed)
                        made = place.job(method, seed, label)
                        jobs.setdefault(method.name, []).append(made)
                        outcome = "kept" if kept else f"{time.perf_counter() - began:.1f} s"
                        bars.console.print(
                            f"seed {seed}  {method.title}: loss {made['loss']:.3f}  ({outcome})", highlight=False
                        )
                    except UnavailableError as error:
                        unavailable[method.name] = str(error)
                        bars.console.print(f"{method.title}: not run; {error}", highlight=False)
                bars.advance(bar)
    return jobs, unavailable


def found_of(
    setting: Comparison,
    wanted: Wanted,
    jobs: Mapping[str, Sequence[Facts]],
    unavailable: Mapping[str, str],
    layers: int,
    points: Sequence[Facts],
    attack: Attack | None = None,
) -> Facts:
    """What ``comparison.json`` holds."""
    rows = [
        row(METHODS[name], jobs.get(name, ()), leakage_of(METHODS[name], attack), unavailable.get(name, ""))
        for name in METHODS
        if name in wanted.methods
    ]
    checks = [row(method, jobs[name], leakage_of(method, attack)) for name, method in CHECKS.items() if name in jobs]
    compared([*rows, *checks], jobs, setting)
    by_name = {r["method"]: r for r in [*rows, *checks] if r["loss"] is not None}
    values = next((r["values"] for r in by_name.values()), 0)
    ablations = []
    for group, value, method in variants(setting) if wanted.ablations else ():
        if method.name in jobs:
            base = jobs.get(base_of(group), ())
            ablations.append(ablation_row(group, value, jobs[method.name], base, setting.loss_margin))
        else:
            facts = {"group": group, "value": value, "base": base_of(group)}
            ablations.append(facts | {"unavailable": unavailable.get(method.name, "not run")})
    return {
        "methods": rows,
        "checks": checks,
        "claims": [*(size_claims(values, layers) if values else []), *run_claims(by_name, jobs, setting)],
        "ablations": ablations,
        "frontier": list(points),
        "settings": setting.to_json()
        | {"label_known": setting.has_label, "layers": layers, "leakage_laboratory": LABORATORY},
        "job_seconds": sum(job["job_seconds"] for made in jobs.values() for job in made),
    }


def show(found: Facts, console: Console) -> None:
    """Tables and remarks."""
    console.print(methods_table(found["methods"], found["settings"]))
    for text in remarks(found["methods"], found["settings"]):
        console.print(f"  {text}", highlight=False, markup=False)
    console.print(claims_table(found["claims"]))
    if found["ablations"]:
        console.print(ablations_table(found["ablations"]))


def compare(setting: Comparison, wanted: Wanted, out: Path, defaults: Mapping[str, Any], console: Console) -> Facts:
    """Everything; the comparison as it was written to ``out``.

    Raises
    ------
    EvaluationError
        ``out`` holds another comparison, or a run failed.
    """
    began = time.perf_counter()
    for name in ("flwr", "crossward.node", "crossward.data"):
        logging.getLogger(name).setLevel(logging.ERROR)
    place = Workplace(setting, out, defaults)
    jobs, unavailable = run_jobs(place, setting, wanted, console)
    learner = place.learners(METHODS[FL], 0, NOTES)[0]
    layers = len({block.name.rsplit(".lora_", 1)[0] for block in learner.adapted.layout.blocks})
    with console.status("attacks") as status:
        units = max(len(one.train_tokens.patient_ids) for one in place.learners(METHODS[FL], 0, NOTES))
        attack = Attacker(setting, units, status.update) if wanted.attacks else None
        points = frontier(learner, setting.hospitals, attack, setting.attacked) if HYBRID in wanted.methods else []
        found = found_of(setting, wanted, jobs, unavailable, layers, points, attack)
    path = out / RESULT
    write_atomic(path, json.dumps(found, indent=1, allow_nan=False) + "\n")
    show(found, console)
    figures = draw(found, out)
    console.print(f"\n{path}", highlight=False, soft_wrap=True)
    console.print("\n".join(str(figure) for figure in figures), highlight=False, soft_wrap=True)
    console.print(f"{time.perf_counter() - began:.0f} s")
    return found
