"""Sensitive blocks of public text: measured once, kept on disk, compared by fingerprint, printed and drawn."""

from __future__ import annotations

import json
import logging
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from client_app.training.learner import AdaptedModel, adapted_model
from client_app.update import sensitivity as module
from client_app.update.sensitivity import SensitivityError, main, mask_fingerprint, public_ids, sensitive_blocks
from client_app.update.sensitivity_figure import FRAME, cells, draw
from crossward.adapters import AdapterError, LoraSettings, ModelConfig, write_vector
from crossward.adapters.layout import Block, Layout

MODEL, LORA = ModelConfig(device="cpu"), LoraSettings(rank=2)
SET = ["--set", "model.device=cpu", "--set", "lora.rank=2"]


@pytest.fixture(scope="module", autouse=True)
def unpacked(own_home: Path) -> Path:
    """A folder for what the base model needs; every test has a home of its own for what it measures."""
    adapted_model(MODEL, LORA, 0)
    return own_home


@pytest.fixture
def adapted() -> AdaptedModel:
    return adapted_model(MODEL, LORA, 0)


@pytest.fixture(autouse=True)
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Counts measurements, which are of fewer and shorter texts than in earnest."""
    made: list[int] = []
    measured = module._measured

    def counted(*given: Any) -> Any:
        made.append(1)
        return measured(*given)

    monkeypatch.setenv("CROSSWARD_HOME", str(tmp_path / "own"))
    monkeypatch.setattr(module, "TEXTS", 5)
    monkeypatch.setattr(module, "TOKENS", 32)
    monkeypatch.setattr(module, "_measured", counted)
    return made


def scores(adapted: AdaptedModel) -> Any:
    return module.scores(adapted.base, adapted.model, adapted.layout)


def kept(tmp_path: Path) -> Path:
    (found,) = (tmp_path / "own" / "sensitivity").glob("*.json")
    return found


def test_the_public_text_is_the_same_everywhere_and_full(adapted: AdaptedModel) -> None:
    ids = public_ids(adapted.base.tokenizer)
    assert ids.shape == (5, 32) and ids.dtype == np.int64
    assert np.array_equal(ids, public_ids(adapted.base.tokenizer))
    assert len({row.tobytes() for row in ids}) == 5 and ids.min() >= 0 and ids.max() < len(adapted.base.tokenizer)
    assert public_ids(adapted.base.tokenizer, 20).shape == (5, 20)
    with pytest.raises(SensitivityError, match="at least 8"):
        public_ids(adapted.base.tokenizer, 4)


def test_a_layout_is_measured_once(adapted: AdaptedModel, calls: list[int], tmp_path: Path) -> None:
    one = scores(adapted)
    write_vector(adapted.model, adapted.layout, adapted.initial * np.float32(2))
    two = scores(adapted)
    write_vector(adapted.model, adapted.layout, adapted.initial)
    assert one.tobytes() == two.tobytes() and len(calls) == 1
    content = json.loads(kept(tmp_path).read_text())
    assert content["blocks"] == [block.name for block in adapted.layout.blocks]
    assert content["scores"] == one.tolist() and one.max() > 0.1


def test_other_text_and_other_layouts_are_measured_anew(
    adapted: AdaptedModel, calls: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    scores(adapted)
    monkeypatch.setattr(module, "SEED", 1)
    scores(adapted)
    other = Layout(adapted.layout.blocks, adapted.layout.total, "another fingerprint")
    module.scores(adapted.base, adapted.model, other)
    assert len(calls) == 3


@pytest.mark.parametrize("damage", ["cut", "altered", "moved", "empty", "shape", "binary"])
def test_a_damaged_file_is_measured_again(
    adapted: AdaptedModel, calls: list[int], tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    one = scores(adapted)
    path = kept(tmp_path)
    content = json.loads(path.read_text())
    if damage == "altered":
        content["scores"][0] += 0.25
    elif damage == "moved":
        content["key"] = "0" * 64
    elif damage == "shape":
        content["scores"] = [0.5]
        content["sha256"] = module._digest([0.5])
    texts = {"cut": path.read_bytes()[:-9], "empty": b"[]", "binary": b"\xff\xfe\x00"}
    path.write_bytes(texts.get(damage, json.dumps(content).encode()))
    with caplog.at_level(logging.WARNING, "crossward.node"):
        assert scores(adapted).tobytes() == one.tobytes()
    assert len(calls) == 2 and "is damaged" in caplog.text
    assert scores(adapted).tobytes() == one.tobytes() and len(calls) == 2


def test_those_who_come_at_once_wait_for_the_first(
    adapted: AdaptedModel, calls: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting, counted = threading.Barrier(4), module._measured
    inside: list[int] = []

    def slow(*given: Any) -> Any:
        inside.append(1)
        return counted(*given)

    monkeypatch.setattr(module, "_measured", slow)
    found: list[bytes] = []

    def come() -> None:
        waiting.wait()
        found.append(scores(adapted).tobytes())

    threads = [threading.Thread(target=come) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(found) == 4 and len(set(found)) == 1 and len(inside) == len(calls) == 1


def test_a_home_that_cannot_be_written_is_named(adapted: AdaptedModel, tmp_path: Path) -> None:
    (tmp_path / "own").write_text("a file")
    with pytest.raises(SensitivityError, match=r"cannot be made .* set CROSSWARD_HOME"):
        scores(adapted)


def test_sensitive_blocks_cover_the_fraction_and_the_ends_need_no_measurement(
    adapted: AdaptedModel, calls: list[int]
) -> None:
    sizes = np.array([block.size for block in adapted.layout.blocks])
    assert not any(sensitive_blocks(adapted.base, adapted.model, adapted.layout, 0.0))
    assert all(sensitive_blocks(adapted.base, adapted.model, adapted.layout, 1.0))
    assert calls == []
    found = scores(adapted)
    mask = np.array(sensitive_blocks(adapted.base, adapted.model, adapted.layout, 0.3))
    assert 0.3 <= sizes[mask].sum() / sizes.sum() < 0.3 + sizes.max() / sizes.sum()
    assert found[mask].min() > found[~mask].min() and found[mask].mean() > found[~mask].mean()
    with pytest.raises(AdapterError, match="expected 0 to 1"):
        sensitive_blocks(adapted.base, adapted.model, adapted.layout, 1.5)


def test_masks_are_told_apart_by_fingerprint() -> None:
    masks = [(), (True,), (False,), (True, False), (False, True), (False, False)]
    assert len({mask_fingerprint(mask) for mask in masks}) == len(masks)
    assert mask_fingerprint([True, False]) == mask_fingerprint(np.array([True, False]))  # type: ignore[arg-type]
    assert mask_fingerprint((True, False)) == "e61e9948311cbde9307e591483c6c5b01b043e702b563ced8d2ee63cc6268f8e"


# ---------------------------------------------------------------------- the command


def test_the_command_prints_a_line_a_block_and_draws(
    adapted: AdaptedModel, tmp_path: Path, capsys: pytest.CaptureFixture[str], calls: list[int]
) -> None:
    target = tmp_path / "s.svg"
    assert main([*SET, "--fraction", "0.2", "--out", str(target)]) == 0
    printed = capsys.readouterr().out.splitlines()
    lines = printed[1 : len(adapted.layout.blocks) + 1]
    mask = sensitive_blocks(adapted.base, adapted.model, adapted.layout, 0.2)
    assert len(calls) == 1  # the command's measurement is the node's
    assert [line.split()[0] for line in lines] == [str(i + 1) for i in range(len(mask))]
    assert {line.split()[1] for line in lines if line.endswith("sealed")} == {
        block.name for block, sealed in zip(adapted.layout.blocks, mask, strict=True) if sealed
    }
    assert lines[-1].split()[4:] == ["100.0%", "clear"] and mask_fingerprint(mask)[:16] in printed[-2]
    drawn = target.read_text()
    assert drawn.count(f"stroke: {FRAME}") == sum(mask) + 1  # and one in the legend
    for text in ("down_proj", "layer", "factor A", "factor B", "score", f"sealed: {sum(mask)} of {len(mask)} blocks"):
        assert text in drawn
    again = tmp_path / "t.svg"
    draw(adapted.layout, scores(adapted), mask, again, "embedded")
    assert again.read_bytes() == target.read_bytes()


@pytest.mark.parametrize(
    ("given", "code", "output"),
    [
        (["--fraction", "2"], 2, "expected 0 to 1"),
        (["--out", "x.txt"], 2, "ends in .svg, .png or .pdf"),
        (["--set", "lora.rank"], 1, "expected key=value"),
        (["--set", "train.clip=1"], 1, "expected key=value with one of the keys"),
        (["--set", "lora.rank=many"], 1, "lora.rank = 'many' is not an integer"),
        (["--set", "model.name=/nowhere"], 1, "was not found"),
    ],
)
def test_the_command_says_what_is_wrong(
    given: list[str], code: int, output: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        assert main(given) == code
    except SystemExit as left:
        assert left.code == code
    assert output in capsys.readouterr().err


def test_blocks_of_other_names_and_of_many_layers_are_drawn(tmp_path: Path) -> None:
    names = [f"model.layers.{i}.attn.q.lora_{k}.weight" for i in range(50) for k in "AB"]
    names += ["enc.layers.0.attn.q.lora_R.weight", "head.lora_A.weight", "odd"]
    blocks = tuple(Block(name, (2, 2), 4 * i, 4) for i, name in enumerate(names))
    layout = Layout(blocks, 4 * len(blocks), "")
    assert cells(layout)[0] == ("model.layers.0", "q", "A")
    assert cells(layout)[-3:] == [("enc.layers.0", "q", "R"), ("", "head", "A"), ("", "odd", "")]
    draw(layout, np.linspace(0, 1, len(blocks)), [True] * len(blocks), tmp_path / "a.png", "made up")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG") and (tmp_path / "a.png").stat().st_size > 5000
