"""What ``crossward evaluate`` does, in order.

Not for: the command line (``crossward.cli.evaluate``), or an adapter that is to be written and not measured
(``crossward.evaluation.export``).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress

from client_app.training.learner import AdaptedModel, LoraLearner, adapted_model
from client_app.training.measuring import Table, measured
from client_app.training.threads import share_cores
from crossward.config.data_settings import LABEL
from crossward.config.run_config import SECTIONS, RunConfig
from crossward.config.run_settings import launched_here
from crossward.config.settings import resolve_paths
from crossward.evaluation.collect import centralised, kept_adapters, save_vector, total_steps
from crossward.evaluation.export import CARD, write_folder
from crossward.evaluation.generations import continuations
from crossward.evaluation.joining import joinings, total
from crossward.evaluation.labels import label_scores
from crossward.evaluation.model_card import Subject, model_card
from crossward.evaluation.opening import consortium_key, vault_of
from crossward.evaluation.profile import counted_profile, keep
from crossward.evaluation.replay import EvaluationError, Run, consortium_of, global_vector, open_run
from crossward.evaluation.scores_table import scores_table
from crossward.machine.files import write_atomic
from crossward.machine.paths import absolute
from crossward.protocol.measures import Measure
from crossward.report.joining.figures import CENTRALISED, EVALUATION
from crossward.report.joining.sentence import sentence
from crossward.report.joining.table import print_joining
from crossward.report.rows import ALL, Rows, with_totals
from data import DataConfig, Hospital, load_hospital, load_hospitals

Vector = NDArray[np.float32]
_FLAGS = {"true": True, "1": True, "false": False, "0": False}
_TAKES = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


@dataclass(frozen=True)
class Wanted:
    """What an evaluation is to do; see ``crossward evaluate --help``. Paths are absolute."""

    run: Path
    key: Path | None = None
    passphrase_file: Path | None = None
    roster: Path | None = None
    version: int | None = None
    set: tuple[str, ...] = ()
    sites: int | None = None
    notes: tuple[str, ...] = ()
    centralised: bool = False
    generations: int = 2
    adapter: Path | None = None
    at_home: bool = False


def overrides(pairs: Sequence[str], config: RunConfig) -> RunConfig:
    """``config`` with KEY=VALUE pairs laid over it, each read as the type it replaces."""
    given = config.by_key()
    out: dict[str, Any] = dict(given)
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or key not in given:
            raise EvaluationError(f"--set {pair}: expected KEY=VALUE with a run-config key such as data.path")
        kind = type(given[key])
        try:
            out[key] = _FLAGS[text.lower()] if kind is bool else kind(text)
        except (ValueError, KeyError) as error:
            raise EvaluationError(f"--set {pair}: {key} takes {_TAKES[kind]}, not {text!r}") from error
    return RunConfig.read(resolve_paths(SECTIONS.values(), out), "--set")


def hospitals_of(data: DataConfig, notes: Sequence[str], sites: int) -> list[Hospital]:
    """The hospitals to measure at: each NAME=PATH of ``notes``, or the run's own notes shared out to ``sites``."""
    pairs = [pair.partition("=") for pair in notes]
    for pair, (name, equals, path) in zip(notes, pairs, strict=True):
        if not (name and equals and path):
            raise EvaluationError(f"--notes {pair}: expected NAME=PATH, a hospital's name and where its notes are")
    found = [load_hospital(replace(data, name=name, path=str(absolute(path, "--notes")))) for name, _, path in pairs]
    return found or load_hospitals(data, sites)


def learners_of(
    run: Run, config: RunConfig | None = None, sites: int | None = None, notes: Sequence[str] = ()
) -> list[LoraLearner]:
    """A learner for each of the run's hospitals: the run's model, and the hospital's own notes.

    ``config`` replaces the run's; ``sites`` and ``notes`` are those of :func:`hospitals_of`.
    """
    config = run.config if config is None else config
    share_cores(config.node.threads)
    adapted = adapted_model(config.model, config.lora, config.run.seed)
    hospitals = hospitals_of(config.data, notes, sites or run.nodes)
    return [learner_of(adapted, hospital, config) for hospital in hospitals]


def learner_of(adapted: AdaptedModel, hospital: Hospital, config: RunConfig) -> LoraLearner:
    """A learner of ``hospital``'s notes, for measuring and for training that stays there."""
    return LoraLearner(adapted, hospital, config.data, config.schedule, config.train, personal=config.personal)


def _row(model: str, site: str, found: Measure) -> dict[str, Any]:
    none = (None, None)  # one patient does not tell how much patients differ
    low, high = found.perplexity_interval() if found.has_interval else none
    accuracy_low, accuracy_high = found.accuracy_interval() if found.has_interval else none
    return {
        "model": model,
        "site": site,
        "perplexity": found.perplexity,
        "perplexity_low": low,
        "perplexity_high": high,
        "loss": found.loss,
        "token_accuracy": found.token_accuracy,
        "token_accuracy_low": accuracy_low,
        "token_accuracy_high": accuracy_high,
        "tokens": int(found.tokens),
        "patients": int(found.patients),
    }


def gap_closed(rows: Rows) -> float | None:
    """Share of the loss gap from base to centralised that the global adapter closes; None without a centralised row."""
    totals = with_totals(rows)
    try:
        base, fed, central = (totals[model, ALL].loss for model in ("base", "global", CENTRALISED))
    except KeyError:
        return None
    return (base - fed) / (base - central) if base != central else None


def evaluate(args: Wanted) -> None:
    """Do everything that is asked for.

    Raises
    ------
    EvaluationError
        the run cannot be opened or measured so.
    """
    console = Console(width=None if Console().is_terminal else 160)
    run = open_run(args.run.resolve())
    config = overrides(args.set, run.config)
    key = consortium_key(run, args.key, args.passphrase_file)  # before the long work: it may not fit
    consortium = consortium_of(replace(run, config=config), args.roster)
    learners = learners_of(run, config, args.sites, args.notes)
    first = learners[0]
    models: dict[str, Vector] = {"base": first.initial()}
    vault = vault_of(run, key, first.adapted)
    models["global"] = global_vector(
        run, first.initial(), first.layout, first.sizes, args.version, vault, consortium, first.shapes
    )
    models |= kept_adapters(
        replace(run, config=config), [learner.hospital for learner in learners], models["global"].size
    )
    folder, version = args.adapter or run.folder / "adapter", args.version or run.state.version
    subject = Subject.of(run, first.adapted.base, version)
    write_folder(
        first.adapted, models["global"], folder, subject
    )  # before the long work; its card is replaced after it

    tables: dict[tuple[str, str], Table] = {}
    with Progress(console=console, transient=True) as bars:
        if args.centralised:
            steps = total_steps(run)
            bar = bars.add_task(f"training centrally, {steps} steps", total=steps)
            models[CENTRALISED] = centralised(
                learners, steps, config.run.seed, lambda step, loss: bars.update(bar, completed=step + 1)
            )
            save_vector(run.folder / "centralised.npy", models[CENTRALISED])
        pairs = [
            (learner, model)
            for learner in learners
            for model in models
            if not args.at_home or model.partition(":")[2] in ("", learner.site)
        ]
        bar = bars.add_task("measuring on held-out notes", total=len(pairs))
        for learner, model in pairs:
            tables[model, learner.site] = learner.by_patient({model: models[model]})[model]
            bars.advance(bar)
        scores = label_scores(learners, models) if first.data.task == LABEL else {}

    rows: Rows = {key: measured(found) for key, found in tables.items()}
    sites = [learner.site for learner in learners]
    joined = joinings(tables, sites)
    write_atomic(folder / CARD, model_card(subject, joined))
    print_joining(console, joined, total(tables, sites), f"version {version} of {run.folder.name}")
    out: dict[str, Any] = {
        "run": run.folder.name,
        "version": version,
        "joining": {one.site: one.to_json() | {"sentence": sentence(one)} for one in joined},
        "rows": [_row(model, site, found) for (model, site), found in with_totals(rows).items()],
    }
    for row in out["rows"]:
        row |= scores.get((row["model"], row["site"]), {})
    if scores:
        console.print(scores_table(scores))
    if (gap := gap_closed(rows)) is not None:
        out["gap_closed"] = gap
        console.print(f"The global adapter closes {100 * gap:.1f} % of the loss gap from the base to central training.")
    if args.generations:
        out["generations"] = continuations(learners, {m: models[m] for m in ("base", "global")}, args.generations)
        for text in out["generations"]:
            console.print(f"\n[bold]{text['site']}[/bold], a held-out note's beginning:", highlight=False)
            for name in ("prompt", "base", "global", "note"):
                console.print(f"  {name:>7}: {text[name]!r}", highlight=False, markup=False, soft_wrap=True)
    path = run.folder / EVALUATION
    write_atomic(path, json.dumps(out, indent=2) + "\n")
    if launched_here(run.folder) and not args.notes:
        keep(run.folder, counted_profile([one.hospital for one in learners], first.adapted.base.tokenizer, config))
    console.print(f"\nPEFT adapter: {folder}\nFigures:      {path}", highlight=False, soft_wrap=True)
