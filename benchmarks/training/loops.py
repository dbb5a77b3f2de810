"""Tokens a second of the training loop: ours, a bare PyTorch and PEFT loop, and a ``transformers.Trainer`` per round.

One process, one model object, the same batches from the same initial adapter; the ways take turns, so that whatever
else the machine does meets them alike, and the order changes with every turn. A round's time is all that a client would
spend on it anew: optimiser, Trainer and arguments are made within it. The first turn of each is not counted, unless it
is the only one.

Not for: what a message costs around its training (``benchmarks.training.messages``).
"""

from __future__ import annotations

import client_app.training.threads  # noqa: F401  # isort: skip - before torch, so that OpenMP waits passively

import contextlib
import gc
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import PrinterCallback, Trainer, TrainingArguments

from benchmarks.harness.command import say
from benchmarks.harness.figures import medians
from benchmarks.training.tables import check_losses
from client_app.training.learner import AdaptedModel, adapted_model
from client_app.training.loop import train_steps
from client_app.training.losses import Batch, summed_loss
from client_app.training.meter import Meter
from client_app.training.threads import share_cores
from crossward.adapters import LoraSettings, ModelConfig, write_vector
from crossward.config.train_settings import TrainSettings
from data import DataConfig, load_hospital, tokenise, train_batches

RATE = 5e-3
BATCH, TOKENS = 4, 256
OURS, BARE, TRAINER = "ours", "bare loop", "Trainer per round"
COMPARED = (OURS, BARE, TRAINER)
BESIDE = 3  # turns of the ways that are there for information


@dataclass(frozen=True)
class Work:
    """What every way is given: the model, and batches of ``BATCH`` x ``TOKENS`` tokens, one a step."""

    adapted: AdaptedModel
    batches: list[Batch]
    held: Batch
    settings: TrainSettings

    @property
    def steps(self) -> int:
        """Steps of one round: a batch each."""
        return len(self.batches)


def prepare(notes: Path, steps: int) -> Work:
    """The embedded model with new factors, and the notes' first packed batches."""
    data = DataConfig(source="csv", path=str(notes), patient_column="patient", max_tokens=TOKENS)
    adapted = adapted_model(ModelConfig(device="cpu"), LoraSettings(), 0)
    hospital = load_hospital(data)
    tokens = tokenise(hospital.train, adapted.base.tokenizer, data, hospital.labels)
    batches = train_batches(tokens, BATCH, np.random.default_rng(0))
    return Work(adapted, [next(batches) for _ in range(steps)], next(batches), TrainSettings(batch_size=BATCH))


def ours(work: Work, settings: TrainSettings, batches: list[Batch]) -> float:
    """A local training of ``client_app``, as its learner calls it; the mean loss."""
    meter = Meter("benchmark", work.steps, "cpu", lambda report: None)
    got = train_steps(work.adapted.model, iter(batches), work.steps, lambda step: RATE, settings, meter.step)
    return got.loss_sum / got.tokens


def bare(work: Work) -> float:
    """The plainest loop there is; the mean loss."""
    model, settings = work.adapted.model, work.settings
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=RATE, eps=settings.epsilon, weight_decay=settings.weight_decay)
    model.train()
    total = torch.zeros(())
    for batch in work.batches:
        loss = model(**batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, settings.clip)
        optimizer.step()
        optimizer.zero_grad()
        total += loss.detach()
    return total.item() / work.steps


def trainer(work: Work, rows: list[Batch], folder: str) -> float:
    """A ``Trainer`` made for this round, as many federated clients do; the mean loss."""
    settings = work.settings
    arguments = TrainingArguments(
        output_dir=folder,
        max_steps=work.steps,
        per_device_train_batch_size=BATCH,
        learning_rate=RATE,
        lr_scheduler_type="constant",
        weight_decay=settings.weight_decay,
        adam_epsilon=settings.epsilon,
        max_grad_norm=settings.clip,
        train_sampling_strategy="sequential",
        save_strategy="no",
        eval_strategy="no",
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
        use_cpu=True,
        dataloader_pin_memory=False,
    )
    made = Trainer(model=work.adapted.model, args=arguments, train_dataset=rows)
    made.remove_callback(PrinterCallback)
    return float(made.train().training_loss)


def ways(work: Work, folder: str) -> dict[str, Callable[[], float]]:
    """Every way by name."""
    settings = work.settings
    rows = [{name: part[i] for name, part in batch.items()} for batch in work.batches for i in range(BATCH)]
    half = BATCH // 2
    halves = [{k: v[at : at + half] for k, v in batch.items()} for batch in work.batches for at in (0, half)]
    return {
        OURS: lambda: ours(work, settings, work.batches),
        BARE: lambda: bare(work),
        TRAINER: lambda: trainer(work, rows, folder),
        "ours, 2 accumulated": lambda: ours(work, replace(settings, accumulation=2), halves),
        "ours, checkpointing": lambda: ours(work, replace(settings, gradient_checkpointing=True), work.batches),
    }


def _round(work: Work, way: Callable[[], float]) -> dict[str, float]:
    """Seconds of a round from the initial adapter, its mean loss, and the trained adapter's on a batch not seen."""
    write_vector(work.adapted.model, work.adapted.layout, work.adapted.initial)
    gc.collect()  # what the way before left behind is not this one's
    began, cpu = time.perf_counter(), time.process_time()
    loss = way()
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    work.adapted.model.eval()
    with torch.inference_mode():
        predicted = work.held["labels"][:, 1:].numel()
        after = float(summed_loss(work.adapted.model, work.held)) / predicted
    return {"seconds": seconds, "cpu_seconds": cpu, "loss": loss, "loss_after": after}


@contextlib.contextmanager
def _at_home(folder: Path) -> Iterator[None]:
    before = os.environ.get("CROSSWARD_HOME")
    os.environ["CROSSWARD_HOME"] = str(folder)
    try:
        yield
    finally:
        os.environ.pop("CROSSWARD_HOME")
        if before is not None:
            os.environ["CROSSWARD_HOME"] = before


def measure(folder: Path, notes: Path, steps: int, repeats: int) -> dict[str, Any]:
    """Rows of the ways, and ratios of tokens a second (and of tokens a second of CPU time) between them, by turn."""
    warnings.filterwarnings("ignore", "`gradient_checkpointing", FutureWarning)
    threads = share_cores()
    with _at_home(folder / "loops"), tempfile.TemporaryDirectory() as scratch:
        work = prepare(notes, steps)
        made = ways(work, scratch)
        turns: list[dict[str, dict[str, float]]] = []
        for turn in range(repeats + 1):
            names = list(made if turn <= BESIDE else COMPARED)
            shift = turn % len(names)
            done = {name: _round(work, made[name]) for name in names[shift:] + names[:shift]}
            turns += [done] if turn or not repeats else []
            say(f"loops: turn {turn} of {repeats}" + ("" if turn or not repeats else ", not counted"))
    rows = [_row(name, [turn[name] for turn in turns if name in turn], BATCH * TOKENS * steps) for name in made]
    pairs = {
        f"loop_to_{short}{suffix}": [turn[name][what] / turn[OURS][what] for turn in turns]
        for what, suffix in (("seconds", ""), ("cpu_seconds", "_cpu"))
        for short, name in (("bare", BARE), ("trainer", TRAINER))
    }
    return {"threads": threads, "rows": rows, "pairs": pairs, "losses_apart": check_losses(rows)}


def _row(name: str, turns: list[dict[str, float]], tokens: int) -> dict[str, Any]:
    return {
        "section": "loop",
        "name": name,
        "turns": len(turns),
        "tokens_per_second": tokens / statistics.median(turn["seconds"] for turn in turns),
        "tokens_per_second_best": tokens / min(turn["seconds"] for turn in turns),
        **medians(turns),
    }
