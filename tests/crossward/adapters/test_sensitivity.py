"""Which blocks say most about public text: exact on a tiny model, repeatable on a real one, nothing left behind."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from crossward.adapters import AdapterError, BaseModel, LoraSettings, attach_lora, layout_of, read_vector, write_vector
from crossward.adapters.layout import Block, Layout
from crossward.adapters.sensitivity import PROBE, block_sensitivity, choose, probe_vector, ranking, rounded

WORDS, RANK, SEED = 23, 3, 5


def batches(ids: np.ndarray[Any, Any]) -> Iterator[dict[str, torch.Tensor]]:
    for row in ids:
        text = torch.from_numpy(row.astype(np.int64))[None]
        yield {"input_ids": text, "attention_mask": torch.ones_like(text)}


def some_ids(rows: int, tokens: int, words: int, seed: int = 0) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).integers(0, words, (rows, tokens))


class Ignore(torch.autograd.Function):
    """Nothing, with a weight whose gradient is the same whatever the text."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(weight)
        return x.new_zeros((*x.shape[:-1], weight.shape[0]))

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[None, torch.Tensor]:
        (weight,) = ctx.saved_tensors
        return None, torch.arange(1.0, weight.numel() + 1).view(weight.shape)


class Deaf(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(WORDS, WORDS))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = Ignore.apply(x, self.weight)
        return out


class Tiny(torch.nn.Module):
    """logits = W x + B R A x of one embedding; beside it a block deaf to the text and one that is never used."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(3)
        self.register_buffer("embedding", torch.randn(WORDS, 11, generator=generator))
        self.register_buffer("frozen", torch.randn(11, WORDS, generator=generator))
        self.chain = torch.nn.Module()
        self.chain.lora_A = torch.nn.Linear(11, RANK, bias=False)
        self.chain.lora_R = torch.nn.Linear(RANK, RANK, bias=False)
        self.chain.lora_B = torch.nn.Linear(RANK, WORDS, bias=False)
        self.deaf = torch.nn.Module()
        self.deaf.lora_B = Deaf()
        self.idle = torch.nn.Module()
        self.idle.lora_A = torch.nn.Linear(11, RANK, bias=False)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, use_cache: bool) -> Any:
        x = self.embedding[input_ids]
        chain: Any = self.chain
        logits = x @ self.frozen + chain.lora_B(chain.lora_R(chain.lora_A(x)))
        return SimpleNamespace(logits=logits + self.deaf.lora_B(logits))


def layout_by_hand(model: torch.nn.Module) -> Layout:
    blocks, total = [], 0
    for name, parameter in model.named_parameters():
        blocks.append(Block(name, tuple(parameter.shape), total, parameter.numel()))
        total += parameter.numel()
    return Layout(tuple(blocks), total, "by hand")


def by_hand(model: Tiny, layout: Layout, ids: np.ndarray[Any, Any]) -> dict[str, float]:
    """The scores of A, R and B in float64, from softmax's gradient and the chain rule, pair by pair."""
    probe = probe_vector(layout, SEED).astype(np.float64)
    a, r, b = (probe[x.offset : x.offset + x.size].reshape(x.shape) for x in layout.blocks[:3])
    frozen, embedding = model.frozen.double().numpy(), model.embedding.double().numpy()
    per_text = []
    for text in ids:
        x = embedding[text]
        in_r, in_b = x @ a.T, x @ a.T @ r.T
        logits = x @ frozen + in_b @ b.T
        p = np.exp(logits - logits.max(1, keepdims=True))
        out_b = p / p.sum(1, keepdims=True)
        out_b[np.arange(len(text) - 1), text[1:]] -= 1
        out_b[-1] = 0
        out_r = out_b @ b
        out_a = out_r @ r
        per_text.append({"A": (x, out_a), "R": (in_r, out_r), "B": (in_b, out_b)})
    scores = {}
    for factor in "ARB":
        best = 0.0
        for side in (0, 1):
            right = tried = 0.0
            for j in range(2, len(ids)):
                shift = slice(2, None) if side else slice(1, -1)
                u = per_text[j][factor][side][1:-1]
                u = u - u.mean(0)
                u = u / np.linalg.norm(u, axis=1)[:, None]
                energy = []
                for i in (j - 2, j - 1):
                    inputs, outputs = per_text[i][factor]
                    g = outputs.T @ inputs
                    g = g.T if side else g
                    energy.append(((u @ g.T) ** 2).sum(1) / np.linalg.norm(g.T @ g))
                d = energy[0] - energy[1]
                words = ids[j][shift]
                old, new = set(ids[j - 2][1:].tolist()), set(ids[j - 1][1:].tolist())
                for d_old in d[[w in old and w not in new for w in words]]:
                    for d_new in d[[w in new and w not in old for w in words]]:
                        right, tried = right + (d_old > d_new), tried + 1
            best = max(best, 2 * right / tried - 1)
        scores[factor] = best
    return scores


@pytest.mark.parametrize("seed", range(3))
def test_scores_are_those_computed_by_hand(seed: int) -> None:
    model = Tiny()
    layout, ids = layout_by_hand(model), some_ids(6, 15, WORDS, seed)
    found = block_sensitivity(model, layout, batches(ids), SEED)  # type: ignore[arg-type]
    wanted = by_hand(model, layout, ids)
    assert found[:3] == pytest.approx([wanted["A"], wanted["R"], wanted["B"]], abs=1e-12)
    assert found[0] > 0.1 and found.dtype == np.float64


def test_a_block_whose_gradient_does_not_depend_on_the_text_scores_nothing() -> None:
    model = Tiny()
    layout = layout_by_hand(model)
    assert [block.name for block in layout.blocks[3:]] == ["deaf.lora_B.weight", "idle.lora_A.weight"]
    for seed in range(4):
        found = block_sensitivity(model, layout, batches(some_ids(5, 12, WORDS, seed)), SEED)  # type: ignore[arg-type]
        assert found[3:].tolist() == [0.0, 0.0] and found[0] > 0


def test_equal_texts_tell_nothing() -> None:
    model = Tiny()
    ids = np.repeat(some_ids(1, 12, WORDS), 4, axis=0)
    assert not block_sensitivity(model, layout_by_hand(model), batches(ids), SEED).any()  # type: ignore[arg-type]


def test_padding_and_rows_of_a_batch_change_nothing() -> None:
    model = Tiny()
    layout, ids = layout_by_hand(model), some_ids(4, 12, WORDS)
    padded = torch.zeros(4, 17, dtype=torch.int64)
    padded[:, :12] = torch.from_numpy(ids)
    mask = (torch.arange(17) < 12).long().expand(4, 17)
    one = block_sensitivity(model, layout, [{"input_ids": padded, "attention_mask": mask}], SEED)  # type: ignore[arg-type]
    other = block_sensitivity(model, layout, batches(ids), SEED)  # type: ignore[arg-type]
    assert one.tolist() == other.tolist()


# ---------------------------------------------------------------------- a real model


def test_nothing_of_the_model_or_the_process_is_changed(base: BaseModel) -> None:
    settings = LoraSettings(rank=2, dropout=0.2)
    model = attach_lora(base, settings, 0)
    layout, ids = layout_of(model, base, settings), some_ids(3, 24, len(base.tokenizer))
    fresh = block_sensitivity(model, layout, batches(ids), SEED)
    trained = np.random.default_rng(1).normal(0, 0.05, layout.total).astype(np.float32)
    write_vector(model, layout, trained)
    model.train()
    modes = [module.training for module in model.modules()]
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].tobytes()  # type: ignore[union-attr]
    again = block_sensitivity(model, layout, batches(ids), SEED)
    assert read_vector(model, layout).tobytes() == trained.tobytes()
    assert [module.training for module in model.modules()] == modes
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert np.random.get_state()[1].tobytes() == numpy_state  # type: ignore[union-attr]
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not any(module._forward_hooks for module in model.modules())
    assert again.tobytes() == fresh.tobytes()  # what was trained on notes is not looked at


@pytest.mark.parametrize("factors", ["both", "b"])
def test_every_kind_of_factor_tells_something(base: BaseModel, factors: str) -> None:
    settings = LoraSettings(rank=2, factors=factors)
    model = attach_lora(base, settings, 0)
    layout = layout_of(model, base, settings)
    found = block_sensitivity(model, layout, batches(some_ids(6, 40, 300)), SEED)
    kinds = {k: [s for s, b in zip(found, layout.blocks, strict=True) if f".lora_{k}." in b.name] for k in "AB"}
    assert [len(kinds["A"]), len(kinds["B"])] == ([28, 28] if factors == "both" else [0, 28])
    for kind in kinds.values():
        assert not kind or (np.count_nonzero(kind) > len(kind) / 2 and max(kind) > 0.1)
    assert (found >= 0).all() and (found <= 1).all()


def test_the_probe_is_public_and_has_b_where_a_training_takes_it(base: BaseModel) -> None:
    settings = LoraSettings(rank=2)
    layout = layout_of(attach_lora(base, settings, 0), base, settings)
    probe = probe_vector(layout, 1)
    assert probe.tobytes() == probe_vector(layout, 1).tobytes() != probe_vector(layout, 2).tobytes()
    for block in layout.blocks:
        part = probe[block.offset : block.offset + block.size]
        bound = block.shape[1] ** -0.5 if ".lora_A." in block.name else PROBE
        assert 0.9 * bound < np.abs(part).max() <= bound


def test_a_measurement_that_fails_leaves_nothing(base: BaseModel) -> None:
    settings = LoraSettings(rank=2)
    model = attach_lora(base, settings, 0)
    layout, before = layout_of(model, base, settings), read_vector(model, layout_of(model, base, settings))
    broken = [*batches(some_ids(2, 12, 99)), *batches(some_ids(1, 7, 99))]
    with pytest.raises(AdapterError, match="7 tokens: at least 8"):
        block_sensitivity(model, layout, broken, SEED)
    with pytest.raises(AdapterError, match="2 public texts"):
        block_sensitivity(model, layout, broken[:2], SEED)
    with torch.no_grad():
        base.model.model.norm.weight.fill_(float("nan"))
    with pytest.raises(AdapterError, match="public text 0 has a loss of nan"):
        block_sensitivity(model, layout, broken[:2], SEED)
    assert read_vector(model, layout).tobytes() == before.tobytes()
    assert not any(module._forward_hooks for module in model.modules())


def test_a_layout_or_a_block_that_cannot_be_measured_is_refused() -> None:
    model = Tiny()
    layout = layout_by_hand(model)
    other = Layout((Block("elsewhere.lora_A.weight", (2, 2), 0, 4),), 4, "")
    with pytest.raises(AdapterError, match="belongs to another model"):
        block_sensitivity(model, other, [], SEED)  # type: ignore[arg-type]
    model.chain.lora_A.register_forward_hook(lambda module, given, made: made[..., :0])
    with pytest.raises(AdapterError, match=r"lora_A\.weight is no weight of a linear map"):
        block_sensitivity(model, layout, batches(some_ids(3, 9, WORDS)), SEED)  # type: ignore[arg-type]


# ---------------------------------------------------------------------- ranking and choosing


@pytest.mark.parametrize(
    ("score", "step"), [(0.0, 0.0), (-0.1, 0.0), (0.5, 0.5), (0.53, 0.5), (0.54, 0.5625), (0.3, 0.3125), (0.99, 1.0)]
)
def test_scores_are_rounded_to_eight_steps_an_octave(score: float, step: float) -> None:
    assert rounded(np.array([score])).tolist() == [step]


def test_ties_go_to_the_earlier_block_and_rounding_errors_decide_nothing() -> None:
    scores = np.array([0.10, 0.501, 0.505, 0.9, 0.499, 0.0])
    assert ranking(scores) == (3, 1, 2, 4, 0, 5)
    noise = np.random.default_rng(0)
    for _ in range(50):
        assert ranking(scores * (1 + noise.uniform(-1e-3, 1e-3, 6))) == (3, 1, 2, 4, 0, 5)


@pytest.mark.parametrize(
    ("fraction", "mask"),
    [
        (0.0, "0000"),
        (1e-9, "0010"),
        (0.1, "0010"),
        (0.1001, "1010"),
        (0.5, "1010"),
        (0.51, "1110"),
        (0.7, "1110"),
        (1.0, "1111"),
    ],
)
def test_the_most_sensitive_blocks_are_chosen_until_the_fraction_is_covered(fraction: float, mask: str) -> None:
    scores, sizes = np.array([0.5, 0.2, 0.9, 0.0]), (4, 2, 1, 3)
    assert choose(scores, sizes, fraction) == tuple(c == "1" for c in mask)


def test_choosing_refuses_what_makes_no_sense() -> None:
    for fraction in (-0.1, 1.1, float("nan")):
        with pytest.raises(AdapterError, match="expected 0 to 1"):
            choose(np.ones(2), (1, 1), fraction)
    with pytest.raises(AdapterError, match="3 scores for 2 blocks"):
        choose(np.ones(3), (1, 1), 0.5)
    with pytest.raises(AdapterError, match="score 1 is not finite"):
        ranking(np.array([0.1, np.nan]))
    assert choose(np.zeros(0), (), 0.5) == ()
