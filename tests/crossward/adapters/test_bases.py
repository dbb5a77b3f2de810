"""Bases: the same numbers however they are computed, made once, handed out, and refused when they do not fit."""

from __future__ import annotations

import dataclasses
import inspect
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from crossward.adapters import (
    AdapterError,
    BaseModel,
    Layout,
    LoraSettings,
    ModelConfig,
    attach_lora,
    detach_lora,
    layout_of,
)
from crossward.adapters import bases as module
from crossward.adapters.bases_file import open_bases, write_bases
from crossward.adapters.svd import GRID, top_svd
from crossward.cli.app import main
from crossward.cli.bases import bases
from tests.at_once import at_once

CORE = LoraSettings(rank=2, factors="core")


def _layout(base: BaseModel, settings: LoraSettings = CORE) -> Layout:
    model = attach_lora(base, settings, 1)
    layout = layout_of(model, base, settings)
    detach_lora(model)
    return layout


# ---------------------------------------------------------------------- one matrix


def _matrix(rows: int, columns: int, seed: int = 1) -> torch.Tensor:
    """float64, singular values 1, 1/2, 1/3 ..."""
    draw = np.random.default_rng(seed).standard_normal
    size = min(rows, columns)
    left, right = (np.linalg.qr(draw((side, size)))[0] for side in (rows, columns))
    return torch.from_numpy(left / np.arange(1, size + 1) @ right.T)


@pytest.mark.parametrize("shape", [(20, 30), (30, 20), (600, 530), (530, 600)])
def test_the_leading_triplets_are_found(shape: tuple[int, int]) -> None:
    """The last two shapes are beyond the exact route."""
    matrix = _matrix(*shape)
    left, values, right = top_svd(matrix, 8, "layer")
    assert torch.allclose(values, 1 / torch.arange(1, 9, dtype=torch.float64), rtol=1e-4)
    assert torch.allclose(left.T @ left, torch.eye(8, dtype=torch.float64), atol=1e-3)
    assert torch.allclose(matrix @ right.T, left * values, atol=1e-3)
    largest = right.gather(1, right.abs().argmax(1, keepdim=True))
    assert (largest > 0).all()
    for basis in (left, right):
        assert torch.equal(basis / GRID, (basis / GRID).round())


def test_another_algorithm_gives_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The triplets of W by those of W^T W, signs turned, last bits different."""
    matrix = _matrix(128, 384)
    wanted = top_svd(matrix, 8, "layer")
    real = torch.linalg.svd

    def other(given: torch.Tensor, full_matrices: bool) -> Any:
        _, values, right = real(given.T @ given @ given.T @ given, full_matrices=False)
        values = values[: min(given.shape)] ** 0.25
        right = -right[: len(values)]
        return given @ right.T / values, values, right

    monkeypatch.setattr(torch.linalg, "svd", other)
    got = top_svd(matrix, 8, "layer")
    assert not torch.equal(got[1], wanted[1])
    assert torch.equal(got[0], wanted[0])
    assert torch.equal(got[2], wanted[2])


def test_the_randomised_route_depends_on_the_name_alone() -> None:
    matrix = torch.from_numpy(np.random.default_rng(0).standard_normal((600, 530)))  # no gaps between its values
    torch.manual_seed(1)
    one = top_svd(matrix, 4, "layer")
    torch.manual_seed(2)
    np.random.default_rng(3)
    assert all(torch.equal(a, b) for a, b in zip(one, top_svd(matrix, 4, "layer"), strict=True))
    assert not torch.equal(one[0], top_svd(matrix, 4, "another")[0])


def test_a_weight_that_is_not_finite_is_named() -> None:
    with pytest.raises(AdapterError, match="layer holds values that are not finite"):
        top_svd(torch.full((4, 4), float("nan")), 2, "layer")


# ---------------------------------------------------------------------- the cache


def test_the_second_time_nothing_is_computed(
    base: BaseModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("CROSSWARD_HOME", str(tmp_path))
    first = _layout(base)
    with monkeypatch.context() as patch:
        patch.delattr(module, "top_svd")
        assert _layout(base) == first
        with pytest.raises(NameError):  # another rank has other bases
            _layout(base, LoraSettings(rank=3, factors="core"))
    (cached,) = (tmp_path / "cache" / "bases").glob("*.safetensors")
    sound = cached.read_bytes()
    cached.write_bytes(sound[:-100])
    with caplog.at_level(logging.WARNING):
        assert _layout(base) == first
    assert "cut off" in caplog.text
    assert cached.read_bytes() == sound


def test_a_cache_that_cannot_be_written_is_named(
    base: BaseModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROSSWARD_HOME", str(tmp_path))
    (tmp_path / "cache").write_text("in the way")
    with pytest.raises(AdapterError, match="CROSSWARD_HOME"):
        attach_lora(base, CORE, 1)
    assert not getattr(base.model, "peft_config", None)


def test_of_processes_that_start_at_once_one_computes(
    base: BaseModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROSSWARD_HOME", str(tmp_path))
    real, count = module.make_bases, tmp_path / "count"

    def counted(*given: Any) -> str:
        with count.open("a") as file:
            file.write("computed\n")
        return real(*given)

    monkeypatch.setattr(module, "make_bases", counted)
    answers = set(at_once([lambda: _layout(base).fingerprint] * 3))
    assert answers == {_layout(base).fingerprint}
    assert count.read_text() == "computed\n"


# ---------------------------------------------------------------------- handed out


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, shared_home: Path) -> Path:
    """A file that the command wrote, of all linear layers at rank 2. Tests only read it."""
    path = tmp_path_factory.mktemp("made") / "bases.safetensors"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CROSSWARD_HOME", str(shared_home))
        assert main(["bases", "--model", "embedded", "--device", "cpu", "--rank", "2", "--out", str(path)]) == 0
    return path


def _handed(path: Path, **given: Any) -> LoraSettings:
    return dataclasses.replace(CORE, bases=str(path), **given)


def test_a_file_that_was_handed_out_is_as_good_as_computing(
    base: BaseModel, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _layout(base, _handed(made)) == _layout(base)
    monkeypatch.setenv("CROSSWARD_HOME", str(tmp_path))
    _layout(base, _handed(made))
    assert not (tmp_path / "cache" / "bases").exists()
    assert set(load_file(made)) >= {"model.layers.3.mlp.down_proj.lora_A.weight"}
    part = LoraSettings(rank=2, factors="core", target_modules="q_proj")
    assert _layout(base, dataclasses.replace(part, bases=str(made))) == _layout(base, part)


def test_the_command_prints_the_fingerprint_and_its_errors(
    tmp_path: Path, made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "bases"
    assert main(["bases", "--device", "cpu", "--rank", "2", "--out", str(out)]) == 0
    with safe_open(made, framework="pt") as file:
        assert file.metadata()["digest"] in capsys.readouterr().out
    assert out.read_bytes() == made.read_bytes()
    assert list(out.parent.iterdir()) == [out]
    assert main(["bases", "--device", "cpu", "--rank", "999", "--out", str(out)]) == 1
    assert "lora.rank = 999" in capsys.readouterr().err
    assert main(["bases", "--device", "cpu", "--rank", "2", "--out", str(out / "below")]) == 1
    assert "crossward bases: " in capsys.readouterr().err
    assert out.read_bytes() == made.read_bytes()


def test_other_bases_are_another_layout(base: BaseModel, made: Path, tmp_path: Path) -> None:
    tensors = load_file(made)
    tensors["model.layers.3.mlp.down_proj.lora_B.weight"][0, 0] += 2**-10
    names = list(dict.fromkeys(key.rsplit(".lora_", 1)[0] for key in tensors))
    pairs = [(n, tensors[f"{n}.lora_A.weight"], tensors[f"{n}.lora_B.weight"]) for n in names]
    shapes = {n: (b.shape[0], a.shape[1]) for n, a, b in pairs}
    write_bases(tmp_path / "other", pairs, shapes, 2, base.digest)
    ours, theirs = _layout(base, _handed(made)), _layout(base, _handed(tmp_path / "other"))
    assert ours.blocks == theirs.blocks
    assert ours.fingerprint != theirs.fingerprint


def _edited(change: Callable[[dict[str, torch.Tensor], dict[str, str]], Any]) -> Callable[[Path], None]:
    def edit(path: Path) -> None:
        with safe_open(path, framework="pt") as file:
            facts = file.metadata()
        tensors = load_file(path)
        change(tensors, facts)
        save_file(tensors, path, metadata=facts)

    return edit


A0 = "model.layers.0.self_attn.q_proj.lora_A.weight"


@pytest.mark.parametrize(
    ("spoil", "part"),
    [
        (lambda p: p.unlink(), "cannot be read"),
        (lambda p: p.write_bytes(p.read_bytes()[:-4]), "cannot be read, or are cut off"),
        (lambda p: p.write_bytes(b"\x80\x04pickle"), "cannot be read"),
        (_edited(lambda t, f: f.update(format="pt")), "no file of bases: it has 'pt'"),
        (_edited(lambda t, f: f.update(base="0" * 64)), "base model 000000000000, expected [0-9a-f]{12}"),
        (_edited(lambda t, f: f.update(rank="3")), "rank 3, expected 2"),
        (_edited(lambda t, f: t.pop(A0)), "lacks the bases of 1 of 28 layers, first model.layers.0.self_attn.q_proj"),
        (_edited(lambda t, f: t.update({A0: t[A0][:, :64].clone()})), r"q_proj are .*\[2, 64\].*expected .*\[2, 128\]"),
        (_edited(lambda t, f: t.update({A0: t[A0].half()})), r"q_proj are torch.float16"),
        (_edited(lambda t, f: t[A0].fill_(float("inf"))), "q_proj hold values that are not finite"),
        (_edited(lambda t, f: t[A0].mul_(-1)), "altered: its values have digest"),
        (_edited(lambda t, f: f.pop("digest")), "altered.* it says none"),
        (_edited(lambda t, f: t.update({"extra.lora_A.weight": torch.tensor(1.0)})), "extra"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(
    base: BaseModel, made: Path, tmp_path: Path, spoil: Callable[[Path], None], part: str
) -> None:
    path = tmp_path / "bases"
    path.write_bytes(made.read_bytes())
    spoil(path)
    with pytest.raises(AdapterError, match=part) as caught:
        attach_lora(base, _handed(path), 1)
    assert str(path) in str(caught.value)
    assert "crossward bases" in str(caught.value)
    assert not getattr(base.model, "peft_config", None)


def test_writing_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def pairs() -> Any:
        yield "one", torch.zeros(1, 3), torch.zeros(2, 1)
        raise OSError(28, "No space left on device")

    shapes = {"one": (2, 3), "two": (2, 3)}
    with pytest.raises(OSError, match="No space"):
        write_bases(tmp_path / "bases", pairs(), shapes, 1, "base")
    assert list(tmp_path.iterdir()) == []
    whole = [(name, torch.ones(1, 3), torch.ones(2, 1)) for name in shapes]
    digest = write_bases(tmp_path / "bases", whole, shapes, 1, "base")
    assert open_bases(tmp_path / "bases", shapes, 1, "base").digest == digest


def test_the_commands_options_are_the_runs_keys() -> None:
    keys = {f.metadata["key"]: f.default for kind in (ModelConfig, LoraSettings) for f in dataclasses.fields(kind)}
    options = {name: each.default for name, each in inspect.signature(bases).parameters.items() if name != "out"}
    as_keys = {"model": "model.name", "rank": "lora.rank", "target_modules": "lora.target-modules"}
    assert options == {name: keys[as_keys.get(name, f"model.{name}")] for name in options}
