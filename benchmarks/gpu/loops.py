"""A node's training loop beside a bare loop and ``transformers.Trainer`` on one model: speed and memory.

Not for: the model (``benchmarks.gpu.model``) or messages (``benchmarks.gpu.node``).
"""

from __future__ import annotations

import itertools
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from benchmarks.gpu import model as gpu_model
from benchmarks.harness.command import say
from client_app.training.loop import train_steps
from crossward.config.train_settings import TrainSettings

RATE = 1e-4


@dataclass(frozen=True)
class Load:
    """What is trained on: ``steps`` steps a repeat of packed batches [rows, tokens]."""

    rows: int
    tokens: int
    steps: int
    repeats: int


def wait(device: str) -> None:
    """Until the device has done all it was given."""
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def ours(model: Any, data: list[dict[str, torch.Tensor]], load: Load, checkpointing: bool = False) -> float:
    """Our loop; the mean loss."""
    settings = TrainSettings(gradient_checkpointing=checkpointing)
    got = train_steps(model, itertools.cycle(data), load.steps, lambda step: RATE, settings)
    return got.loss_sum / got.tokens


def bare(model: Any, data: list[dict[str, torch.Tensor]], load: Load, checkpointing: bool = False) -> float:
    """PyTorch and PEFT, written as plainly as can be; the mean loss."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    device = parameters[0].device
    optimizer = torch.optim.AdamW(parameters, lr=RATE, weight_decay=0.0)
    total = torch.zeros((), device=device)
    model.train()
    for batch in itertools.islice(itertools.cycle(data), load.steps):
        batch = {k: v.to(device) for k, v in batch.items()}
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            loss = model(**batch, use_cache=False).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        total += loss.detach()
    model.eval()
    return float(total) / load.steps


def trainer(model: Any, data: list[dict[str, torch.Tensor]], load: Load, checkpointing: bool = False) -> float:
    """``transformers.Trainer``, made anew as a federated client would each round; the mean loss."""
    from transformers import PrinterCallback, Trainer, TrainingArguments

    cuda = next(model.parameters()).device.type == "cuda"
    rows = [{k: v[i] for k, v in batch.items()} for batch in data for i in range(load.rows)]
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        arguments = TrainingArguments(
            folder,
            max_steps=load.steps,
            per_device_train_batch_size=load.rows,
            learning_rate=RATE,
            lr_scheduler_type="constant",
            weight_decay=0.0,
            max_grad_norm=1.0,
            bf16=cuda,
            use_cpu=not cuda,
            report_to="none",
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
        )
        made = Trainer(model=model, args=arguments, train_dataset=rows)
        made.remove_callback(PrinterCallback)
        result = made.train()
    model.eval()
    return float(result.training_loss)


WAYS: dict[str, Callable[..., float]] = {"ours": ours, "bare loop": bare, "Trainer": trainer}


def compare(model: Any, setup: gpu_model.Setup, load: Load, peak: float) -> list[dict[str, Any]]:
    """A row for each way, and one of ours with gradient checkpointing; repeats take turns."""
    ways = {name: (way, False) for name, way in WAYS.items()} | {"ours, checkpointing": (ours, True)}
    data = gpu_model.batches(setup.shapes, load.rows, load.tokens, 4)
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    memory: dict[str, int] = {}
    losses: dict[str, float] = {}
    failed: dict[str, str] = {}
    start = [p.detach().clone() for p in model.parameters() if p.requires_grad]
    for turn in range(load.repeats + 1):  # the first warms up
        for name, (way, checkpointing) in ways.items():
            if name in failed:
                continue
            _reset(model, start)
            if setup.device.startswith("cuda"):
                torch.cuda.reset_peak_memory_stats()
            wait(setup.device)
            began = time.perf_counter()
            try:
                losses[name] = way(model, data, load, checkpointing)
            except torch.OutOfMemoryError as error:
                failed[name] = f"out of memory: {str(error).splitlines()[0][:80]}"
                gpu_model.free()
                continue
            wait(setup.device)
            if turn:
                seconds[name].append(time.perf_counter() - began)
                memory[name] = torch.cuda.max_memory_allocated() if setup.device.startswith("cuda") else 0
        say(f"{setup.kind}: turn {turn} of {load.repeats}")
    _reset(model, start)
    flops = gpu_model.step_flops(setup.shapes, setup.rank, load.rows, load.tokens) * load.steps
    out: list[dict[str, Any]] = []
    for name in ways:
        row: dict[str, Any] = {"base": setup.kind, "way": name, "rows": load.rows, "tokens": load.tokens}
        if name in failed:
            out.append(row | {"skipped": failed[name]})
            continue
        middle = statistics.median(seconds[name])
        ratios = [b / a for a, b in zip(seconds[name], seconds["bare loop"], strict=False)]
        out.append(
            row
            | {
                "tokens_per_s": load.rows * load.tokens * load.steps / middle,
                "to_bare": statistics.median(ratios) if ratios else None,
                "step_s": middle / load.steps,
                "mfu": flops / middle / peak,
                "peak_bytes": memory[name],
                "loss": losses[name],
            }
        )
    return out


@torch.no_grad()
def _reset(model: Any, start: list[torch.Tensor]) -> None:
    for parameter, value in zip((p for p in model.parameters() if p.requires_grad), start, strict=True):
        parameter.copy_(value)
        parameter.grad = None
