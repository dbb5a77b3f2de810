"""Outcomes of jobs in a folder, so that a run that was interrupted goes on where it was.

Settings and job make the name of a file, the code does not: after a change of the code take another folder.

Not for: figures (``benchmarks.asynchrony.rows``).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, fields
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks.asynchrony.config import Config
from benchmarks.asynchrony.curve import Curve
from benchmarks.asynchrony.jobs import TINY, Job, Outcome, make
from benchmarks.harness.command import Progress
from crossward.machine.cores import cores
from crossward.machine.files import write_atomic


def _costs(config: Config, job: Job) -> dict[str, Any]:
    """The settings that decide about a job's outcome: not which jobs there are."""
    sections = ("wire", "links", "task", "strategies", "tiny" if job.study == TINY else "toy", "weighting")
    every = asdict(config)
    which = ("seeds", "nodes", "spreads", "compute")  # lists of which jobs are made
    return {s: {k: v for k, v in every[s].items() if not k.endswith(which)} for s in sections}


class Kept:
    """Outcomes of ``config``'s jobs in ``folder``; None keeps nothing. With ``only`` no other job is made."""

    def __init__(self, config: Config, folder: Path | None, only: bool = False) -> None:
        self.config, self.folder, self.only = config, folder, only
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)

    def _file(self, folder: Path, job: Job) -> Path:
        named = {f.name: value for f in fields(Job) if (value := getattr(job, f.name)) != f.default}
        text = json.dumps([_costs(self.config, job), named], sort_keys=True, default=str)
        return folder / f"{job.study}-{job.strategy}-{hashlib.sha256(text.encode()).hexdigest()[:24]}.json"

    def split(self, jobs: Sequence[Job]) -> tuple[dict[int, Outcome], list[int]]:
        """Outcomes of ``jobs`` that were made before, by their places, and the places of those to make."""
        found = {i: outcome for i, job in enumerate(jobs) if (outcome := self.find(job)) is not None}
        return found, [i for i in range(len(jobs)) if i not in found and not self.only]

    def find(self, job: Job) -> Outcome | None:
        """The outcome of ``job``, if it was made before."""
        if self.folder is None or not (file := self._file(self.folder, job)).exists():
            return None
        found = json.loads(file.read_text("utf-8"))
        return Outcome(job, Curve(**found.pop("curve")), **found)

    def keep(self, outcome: Outcome) -> Outcome:
        """``outcome``, after it is written."""
        if self.folder is not None:
            found = {name: value for name, value in vars(outcome).items() if name not in ("job", "curve")}
            text = json.dumps(found | {"curve": outcome.curve.json()})
            write_atomic(self._file(self.folder, outcome.job), text)
        return outcome


def make_all(kept: Kept, jobs: Sequence[Job], what: str) -> list[Outcome]:
    """The jobs' outcomes, in their order, on as many processes as this one may use cores."""
    found, left = kept.split(jobs)
    progress, workers = Progress(what, len(left)), cores()
    if workers == 1 or len(left) < 2:
        for i in left:
            found[i] = kept.keep(make(kept.config, jobs[i]))
            progress.one()
        return [found[i] for i in sorted(found)]
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        futures = {pool.submit(make, kept.config, jobs[i]): i for i in left}
        for future in as_completed(futures):
            found[futures[future]] = kept.keep(future.result())
            progress.one()
    return [found[i] for i in sorted(found)]
