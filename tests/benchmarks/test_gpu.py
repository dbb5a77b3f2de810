"""The GPU benchmark runs on a bare machine's CPU, says what it left out, and counts operations as torch does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.gpu import loops as gpu_loops
from benchmarks.gpu import model as gpu_model

ROOT = Path(__file__).parents[2]
ABSENT = ("flwr", "datasets", "bitsandbytes", "tenseal", "cryptography", "rich", "matplotlib", "sklearn", "pyarrow")
BARE = """
import runpy, sys

class Bare:
    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] in {absent} else self.finder.find_spec(name, path, target)

    def __getattr__(self, name):
        return getattr(self.finder, name)

sys.meta_path[:] = [Bare(finder) for finder in sys.meta_path]
runpy.run_module("benchmarks.gpu", run_name="__main__")
"""


def test_a_bare_machine_runs_it_and_is_told_what_was_left_out(tmp_path: Path) -> None:
    out = tmp_path / "gpu.json"
    options = ["--kinds", "bf16", "4bit", "--steps", "1", "--device", "cpu", "--shapes", "tiny", "--json", str(out)]
    done = subprocess.run(
        [sys.executable, "-c", BARE.format(absent=set(ABSENT)), *options],
        cwd=ROOT,
        env=os.environ | {"CROSSWARD_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(out.read_text())
    rows = {(row["base"], row["way"]): row for row in found["loops"]}
    assert set(rows) == {("bf16", way) for way in (*gpu_loops.WAYS, "ours, checkpointing")} | {("4bit", "all")}
    assert rows["4bit", "all"]["skipped"] == "not installed: bitsandbytes"
    assert found["messages"] == [{"base": "all", "skipped": "not installed: datasets"}]
    assert found["sealing"] == {"skipped": "not installed: tenseal, cryptography"}
    losses = [row["loss"] for key, row in rows.items() if key[0] == "bf16" and key[1] != "Trainer"]
    assert losses == pytest.approx([losses[0]] * 3, rel=1e-4)
    for key, row in rows.items():
        if key[0] == "bf16":
            assert row["tokens_per_s"] > 0 and 0 < row["mfu"] < 1
    for text in ("Trainer", "skipped: not installed: bitsandbytes", "sealing: skipped"):
        assert text in done.stdout


@pytest.mark.parametrize("tokens", [32, 256])
def test_operations_of_a_step_are_those_that_torch_counts(tokens: int) -> None:
    setup = gpu_model.Setup("tiny", "bf16", "cpu", rank=4)
    model = gpu_model.with_lora(gpu_model.random_model(setup), setup)
    model.set_attn_implementation("eager")  # torch does not count the fused one on CPUs
    (batch,) = gpu_model.batches("tiny", 2, tokens, 1)
    inputs = {"input_ids": batch["input_ids"], "labels": batch["labels"]}
    counter = FlopCounterMode(display=False)
    with counter:
        model(**inputs, use_cache=False).loss.backward()
    ours = gpu_model.step_flops("tiny", setup.rank, 2, tokens)
    # torch counts attention without its causal mask, and the first layer's input needs no gradient
    attention = 2 * tokens * 4 * 3 * 2 * tokens * 128
    assert ours + attention == pytest.approx(counter.get_total_flops(), rel=0.02)
    assert torch.is_grad_enabled()
