"""A real model, from ``crossward run --model`` to adapters that plain PEFT loads: ``make test-real MODEL=FOLDER``.

Small in everything but the model, so that a model of 135 M parameters takes a few minutes on two cores. The notes are
the synthetic hospitals': what is tested is that nothing assumes the embedded model.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from crossward.evaluation.replay import open_run
from tests.processes import behind_a_dead_proxy

pytestmark = [pytest.mark.real, pytest.mark.timeout(1500)]
ROOT = Path(__file__).resolve().parents[1]
VARIABLE = "CROSSWARD_TEST_MODEL"
HOWTO = (
    "name a causal language model with `make test-real MODEL=...`: a Hugging Face folder (config.json, "
    "model.safetensors, tokenizer.json), or a hub id such as HuggingFaceTB/SmolLM2-135M-Instruct where the network "
    "or the hub's cache has it"
)
SETTINGS = (
    "data.synthetic-patients=32 data.min-patients=2 data.max-notes=8 data.max-tokens=64 train.batch-size=2 "
    "train.local-steps=3 strategy.num-versions=3 personal.steps=3 lora.rank=4 train.learning-rate=2e-3 "
    "run.folder=run run.state-dir=state"
)


@pytest.fixture(scope="module")
def model() -> str:
    name = os.environ.get(VARIABLE, "")
    if not name:
        pytest.fail(f"no model to test with: {HOWTO}")
    if Path(name).is_absolute() and not (Path(name) / "config.json").is_file():
        pytest.fail(f"{name} is no model folder (no config.json): {HOWTO}")
    return name


@pytest.fixture(scope="module")
def ran(model: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder that a run was started in, and what it printed."""
    here = tmp_path_factory.mktemp("real")
    local = Path(model).is_dir()
    env = (behind_a_dead_proxy() if local else dict(os.environ)) | {"PYTHONPATH": str(ROOT)}
    env |= {"CROSSWARD_HOME": str(here / "home"), "RAY_worker_niceness": "0"}
    options = ["--model", model, "--run-config", SETTINGS, *(["--offline"] if local else [])]
    args = [sys.executable, "-m", "crossward", "run", *options, "--evaluation-args", "--at-home --generations 1"]
    done = subprocess.run(args, cwd=here, env=env, capture_output=True, text=True, timeout=1400, check=False)
    if done.returncode and "was not found" in done.stderr:
        pytest.fail(f"{done.stderr}\n{HOWTO}")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return here, done.stdout


def test_settings_memory_and_time_are_printed_before_the_run(ran: tuple[Path, str]) -> None:
    words = ran[1]
    before, _, after = words.partition("run folder:")
    assert "  data.max-tokens=" not in before  # the user's own
    assert "  lora.alpha=" in before and "M parameters" in before
    assert "memory:" in before and "time: at most about" in before and "Report:" in after


def test_every_adapter_is_measured_and_the_global_one_has_learnt(ran: tuple[Path, str]) -> None:
    found = json.loads((ran[0] / "run" / "evaluation.json").read_text())
    rows = {(row["model"], row["site"]): row for row in found["rows"]}
    sites = {site for _, site in rows} - {"all"}
    assert len(sites) == 4
    for site in sites:
        for adapter in ("base", "global", f"local:{site}", f"personal:{site}"):
            assert math.isfinite(rows[adapter, site]["loss"]) and rows[adapter, site]["tokens"] > 0
    assert rows["global", "all"]["loss"] < rows["base", "all"]["loss"]
    assert sum(rows[f"local:{site}", site]["loss"] < rows["base", site]["loss"] for site in sites) >= 3
    assert isinstance(found["generations"][0]["global"], str)


def test_updates_were_sealed_and_opened_by_the_committee(ran: tuple[Path, str]) -> None:
    run = open_run(ran[0] / "run")
    assert run.config.encryption.scheme == "committee" and run.state.version == 3
    assert all(made.opening_seconds is not None and len(made.tasks) == 3 for made in run.versions)
    for number in range(4):
        folder = run.config.run.state_root / run.lineage / f"site-{number}"
        for name in ("own.npy", "personal.npy"):
            vector = np.load(folder / name)
            assert np.isfinite(vector).all() and vector.any()


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # peft 0.21 with transformers 5
def test_the_adapter_loads_with_plain_peft(ran: tuple[Path, str], model: str) -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = ran[0] / "run" / "adapter"
    base = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    ids = AutoTokenizer.from_pretrained(model)("The patient was admitted with", return_tensors="pt").input_ids
    with torch.no_grad():
        before = base(ids).logits.clone()
        after = PeftModel.from_pretrained(base, str(folder))(ids).logits
    assert torch.isfinite(after).all() and not torch.allclose(before, after)
