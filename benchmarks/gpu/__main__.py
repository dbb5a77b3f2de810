"""``python -m benchmarks.gpu``: a node's training on a GPU, with the shapes of Llama-3.1-8B and random weights.

In one run: tokens per second, model FLOP utilisation and peak memory of our loop, of a bare PyTorch + PEFT loop and of
``transformers.Trainer``, for bfloat16, 4-bit and 8-bit bases; messages an hour through the resident worker group;
sealing the adapter while the GPU trains. It needs torch, transformers, peft and accelerate; what needs more is skipped
with the reason. Without a GPU it runs tiny shapes on the CPU, which shows that it runs and nothing else.
"""

from __future__ import annotations

import client_app.training.threads  # noqa: F401  # isort: skip - before torch, so that OpenMP waits passively

import argparse
import shutil
import tempfile
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu import loops as gpu_loops
from benchmarks.gpu import model as gpu_model
from benchmarks.gpu import node as gpu_node
from benchmarks.harness.command import parse, parser, say, write_json

SECTIONS = ("loops", "messages", "sealing")
KINDS = ("bf16", "4bit", "8bit")


def device_facts(device: str) -> dict[str, Any]:
    """What it was measured on."""
    name = torch.cuda.get_device_name() if device.startswith("cuda") else f"CPU, {torch.get_num_threads()} threads"
    return {"device": name, "torch": torch.__version__, "matmul_flops": gpu_model.matmul_rate(device)}


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """The figures of the sections asked for."""
    load = gpu_loops.Load(args.rows, args.tokens, args.steps, args.repeats)
    out: dict[str, Any] = {"shapes": args.shapes, "load": vars(load) | {}, **device_facts(args.device)}
    out["loops"], out["messages"], out["sealing"] = [], [], {}
    for kind in args.kinds:
        reason = gpu_node.missing("bitsandbytes") if kind != "bf16" else ""
        if reason:
            out["loops"].append({"base": kind, "way": "all", "skipped": reason})
            continue
        setup = gpu_model.Setup(args.shapes, kind, args.device)
        say(f"{kind}: making the model")
        model = gpu_model.random_model(setup)
        if kind == "bf16" and "messages" in args.sections:
            out["messages"] = _messages(args, load, model)
        model = gpu_model.with_lora(model, setup)
        if "loops" in args.sections:
            out["loops"] += gpu_loops.compare(model, setup, load, out["matmul_flops"])
        if kind == "bf16" and "sealing" in args.sections:
            reason = gpu_node.missing("tenseal", "cryptography")
            out["sealing"] = {"skipped": reason} if reason else gpu_node.sealing(model, setup, load)
        del model
        gpu_model.free()
    return out


def _messages(args: argparse.Namespace, load: gpu_loops.Load, model: Any) -> list[dict[str, Any]]:
    if reason := gpu_node.missing("datasets", "psutil", "filelock"):
        return [{"base": "all", "skipped": reason}]
    out: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        say("messages: saving the model")
        gpu_model.save_model(model, folder / "model")
        if args.device.startswith("cuda"):
            model.to("cpu")
            gpu_model.free()
        for kind in args.kinds:
            if kind != "bf16" and (reason := gpu_node.missing("bitsandbytes")):
                out.append({"base": kind, "skipped": reason})
                continue
            quantization = "none" if kind == "bf16" else kind
            say(f"messages: {kind}")
            found = gpu_node.messages(folder, folder / "model", load, quantization, args.messages)
            out.append({"base": kind, **found})
        shutil.rmtree(folder / "model")
        model.to(args.device)
    return out


def show(found: dict[str, Any]) -> None:
    """The tables."""
    print(f"\n{found['shapes']} shapes, random weights, LoRA r=16 on all linear layers; {found['device']}, ", end="")
    print(f"torch {found['torch']}, matrix products at {found['matmul_flops'] / 1e12:.1f} TFLOP/s")
    if found["loops"]:
        print(f"\n{'base':6}{'way':22}{'tokens/s':>10}{'to bare':>9}{'s/step':>9}{'MFU':>8}{'peak GiB':>10}{'loss':>8}")
    for row in found["loops"]:
        if "skipped" in row:
            print(f"{row['base']:6}{row['way']:22}  skipped: {row['skipped']}")
            continue
        ratio = f"{row['to_bare']:9.3f}" if row["to_bare"] is not None else f"{'-':>9}"
        print(
            f"{row['base']:6}{row['way']:22}{row['tokens_per_s']:10,.0f}{ratio}{row['step_s']:9.3f}{row['mfu']:8.1%}"
            f"{row['peak_bytes'] / 2**30:10.1f}{row['loss']:8.3f}"
        )
    for row in found["messages"]:
        if "skipped" in row:
            print(f"\nmessages, {row['base']}: skipped: {row['skipped']}")
            continue
        sealed = f" and {row['sealed_s']:.2f} s sealing" if row["sealed_s"] is not None else ", not sealed"
        print(
            f"\nmessages, {row['base']}, {row['steps']} steps, {row['values']:,} values: before training "
            f"{row['first_opened_s']:.1f} s the first time, {row['next_opened_s']:.3f} s later "
            f"({row['next_to_first']:.4f}); {row['message_s']:.2f} s a message of which {row['training_s']:.2f} s "
            f"training{sealed}: {row['messages_per_hour']:,.0f} messages an hour at {row['tokens_per_s']:,.0f} tokens/s"
        )
    row = found["sealing"]
    if "skipped" in row:
        print(f"\nsealing: skipped: {row['skipped']}")
    elif row:
        print(
            f"\nsealing {row['values']:,} values ({row['bytes'] / 1e6:.0f} MB) in {row['workers']} processes: "
            f"{row['seal_alone_s']:.2f} s alone, {row['seal_beside_training_s']:.2f} s beside training; training "
            f"{row['train_alone_s']:.2f} s alone, {row['train_beside_sealing_s']:.2f} s beside sealing "
            f"(keeps {row['training_kept']:.1%} of its speed)"
        )


def main(argv: list[str] | None = None) -> int:
    """Run and print."""
    cuda = torch.cuda.is_available()
    p = parser("gpu", __doc__)
    p.add_argument("--device", default="cuda:0" if cuda else "cpu")
    p.add_argument("--shapes", choices=sorted(gpu_model.SHAPES), default="llama-3.1-8b" if cuda else "tiny")
    p.add_argument("--rows", type=int, default=8 if cuda else 4, help="sequences a step")
    p.add_argument("--tokens", type=int, default=1024 if cuda else 64, help="tokens a sequence")
    p.add_argument("--steps", type=int, default=10 if cuda else 2, help="steps a repeat, and a message")
    p.add_argument("--repeats", type=int, default=3 if cuda else 1)
    p.add_argument("--messages", type=int, default=3 if cuda else 1, help="messages after the first")
    p.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    p.add_argument("--sections", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    args = parse(p, argv, shapes="tiny", rows=4, tokens=64, steps=2, repeats=1, messages=1)
    found = measure(args)
    show(found)
    write_json(args.json, found)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
