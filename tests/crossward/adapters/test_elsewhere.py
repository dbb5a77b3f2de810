"""Another process, with another hash seed and number of threads, comes to the same layout, factors and sensitivities.

Also that it gets there without torch's compiler (``crossward.internals.bitsandbytes``). One process serves all of it:
importing PEFT and transformers is most of its cost.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from crossward.adapters import BaseModel, LoraSettings, attach_lora, layout_of, read_vector
from crossward.adapters.sensitivity import block_sensitivity, choose

SCRIPT = """
import hashlib, sys, torch
import numpy as np
torch.set_num_threads(2)
from crossward.adapters import LoraSettings, ModelConfig, attach_lora, layout_of, load_base, read_vector
from crossward.adapters.sensitivity import block_sensitivity
base, settings = load_base(ModelConfig(device="cpu")), LoraSettings(rank=2)
model = attach_lora(base, settings, 1)
layout = layout_of(model, base, settings)
print(layout.fingerprint, hashlib.sha256(read_vector(model, layout).tobytes()).hexdigest(), repr(layout.blocks))
rows = np.load(sys.argv[1])
batches = [{"input_ids": torch.from_numpy(r)[None], "attention_mask": torch.ones(1, len(r))} for r in rows]
print(" ".join(x.hex() for x in block_sensitivity(model, layout, batches, 5).tolist()))
print("bitsandbytes" in sys.modules, "torch._inductor.compile_fx" in sys.modules)
"""
SETTINGS = LoraSettings(rank=2)


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    """Five notes of token ids, int64 [5, 32]."""
    return np.random.default_rng(0).integers(0, 2048, (5, 32))


@pytest.fixture(scope="module")
def lines(rows: np.ndarray, shared_home: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The lines that another process prints."""
    ids = tmp_path_factory.mktemp("elsewhere") / "ids.npy"
    np.save(ids, rows)
    threads = {"OMP_NUM_THREADS": "2", "OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(ids)],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
        env=os.environ | threads | {"PYTHONHASHSEED": "12345", "CROSSWARD_HOME": str(shared_home)},
        cwd=Path(__file__).parents[3],
    )
    return done.stdout.strip().splitlines()


def test_layout_and_initial_factors_are_the_same(base: BaseModel, lines: list[str]) -> None:
    model = attach_lora(base, SETTINGS, 1)
    layout = layout_of(model, base, SETTINGS)
    values = hashlib.sha256(read_vector(model, layout).tobytes()).hexdigest()
    assert lines[0] == f"{layout.fingerprint} {values} {layout.blocks!r}"


def test_sensitivities_are_the_same_with_another_number_of_threads(
    base: BaseModel, lines: list[str], rows: np.ndarray
) -> None:
    model = attach_lora(base, SETTINGS, 1)
    layout = layout_of(model, base, SETTINGS)
    batches = [{"input_ids": torch.from_numpy(r)[None], "attention_mask": torch.ones(1, len(r))} for r in rows]
    here = block_sensitivity(model, layout, batches, 5)
    assert here.tobytes() == block_sensitivity(model, layout, batches, 5).tobytes()
    there = np.array([float.fromhex(word) for word in lines[1].split()])
    sizes = [block.size for block in layout.blocks]
    assert there == pytest.approx(here, abs=1e-3)  # threads may add in another order
    assert choose(there, sizes, 0.3) == choose(here, sizes, 0.3)


def test_bitsandbytes_does_not_bring_torchs_compiler(lines: list[str]) -> None:
    assert lines[2] == "True False"
