"""The head over a few tokens at a time gives what all logits at once give, with the models that allow it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import Gemma2Config, Gemma2ForCausalLM, GPT2Config, GPT2LMHeadModel

from client_app.training import head
from client_app.training.head import pass_tokens, splittable_head
from client_app.training.losses import Batch, summed_loss, token_losses
from crossward.adapters import LoraSettings, ModelConfig, attach_lora, detach_lora, load_base

CPU = torch.device("cpu")
ON_HEAD = "q_proj,lm_head"


def tiny(kind: str) -> Any:
    torch.manual_seed(0)
    if kind == "gpt2":
        return GPT2LMHeadModel(GPT2Config(vocab_size=50, n_positions=32, n_embd=16, n_layer=1, n_head=2)).eval()
    sizes: dict[str, Any] = {"vocab_size": 50, "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    sizes |= {"num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 8, "attn_implementation": "eager"}
    return Gemma2ForCausalLM(Gemma2Config(**sizes, final_logit_softcapping=2.0)).eval()


def batch(vocabulary: int) -> Batch:
    ids = torch.randint(0, vocabulary, (3, 12), generator=torch.Generator().manual_seed(1))
    labels, mask = ids.clone(), torch.ones_like(ids)
    labels[0, :5] = -100
    labels[2, 8:], mask[2, 8:] = -100, 0
    return {"input_ids": ids, "labels": labels, "attention_mask": mask}


def chunks_of(rows: int, model: Any, patch: pytest.MonkeyPatch) -> list[int]:
    """Have ``rows`` tokens' logits computed at once; what the list gets: how many each call of the head computed."""
    patch.setitem(head.CHUNK_VALUES, "cpu", rows * model.config.vocab_size)
    calls: list[int] = []
    linear = torch.nn.functional.linear

    def counted(states: torch.Tensor, weight: torch.Tensor, bias: Any = None) -> torch.Tensor:
        if tuple(weight.shape) == (model.config.vocab_size, model.config.hidden_size):
            calls.append(states.numel() // states.shape[-1])
        return linear(states, weight, bias)

    patch.setattr(torch.nn.functional, "linear", counted)
    return calls


def gradients(model: Any, given: Batch) -> tuple[float, list[torch.Tensor]]:
    loss = summed_loss(model, given)
    loss.backward()  # type: ignore[no-untyped-call]
    found = [p.grad.clone() for p in model.parameters() if p.grad is not None]
    model.zero_grad()
    return float(loss.detach()), found


@pytest.fixture(params=["all-linear", ON_HEAD])
def adapted(request: pytest.FixtureRequest, own_home: Path) -> Iterator[Any]:
    base = load_base(ModelConfig(device="cpu"))
    with warnings.catch_warnings():  # the embedded model's head is tied to its embeddings, which PEFT remarks
        warnings.filterwarnings("ignore", "Model has `tie_word_embeddings=True`")
        model: Any = attach_lora(base, LoraSettings(rank=2, target_modules=request.param), 0)
    torch.manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if ".lora_B." in name:
                parameter.normal_(std=0.02)
    yield model
    detach_lora(model)


def test_measures_are_those_of_all_logits_at_once(adapted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    given = batch(adapted.config.vocab_size)
    with torch.no_grad():
        whole = token_losses(adapted, given)
        calls = chunks_of(7, adapted, monkeypatch)
        parted = token_losses(adapted, given)
    assert all(n <= 7 for n in calls[-4:]) and sum(calls[-4:]) == int(whole[1].sum()) == 25
    torch.testing.assert_close(parted[0], whole[0], rtol=1e-5, atol=1e-5)
    assert torch.equal(parted[1], whole[1]) and torch.equal(parted[2], whole[2])
    assert not parted[0][~parted[1]].any() and not parted[2][~parted[1]].any()


def test_gradients_are_those_of_all_logits_at_once(adapted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    given = batch(adapted.config.vocab_size)
    loss, whole = gradients(adapted, given)
    calls = chunks_of(7, adapted, monkeypatch)
    parted_loss, parted = gradients(adapted, given)
    assert max(calls[1:]) == 7  # the first call is the look whether the head can be separated
    assert parted_loss == pytest.approx(loss, rel=1e-6)
    assert len(parted) == len(whole) > 0 and any(one.any() for one in whole)
    for one, other in zip(parted, whole, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_the_head_is_itself_again_afterwards(adapted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    given = batch(adapted.config.vocab_size)
    chunks_of(7, adapted, monkeypatch)
    before = adapted(input_ids=given["input_ids"]).logits
    summed_loss(adapted, given)
    monkeypatch.setattr(torch.nn.functional, "cross_entropy", lambda *_, **__: 1 / 0)
    with torch.no_grad(), pytest.raises(ZeroDivisionError):
        token_losses(adapted, given)
    assert torch.equal(adapted(input_ids=given["input_ids"]).logits, before)
    assert "forward" not in adapted.get_output_embeddings().__dict__


@pytest.mark.parametrize(("kind", "splits"), [("gpt2", True), ("gemma2", False)])
def test_a_model_that_changes_its_logits_keeps_them_whole(
    kind: str, splits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny(kind)
    given = batch(50)
    with torch.no_grad():
        whole = token_losses(model, given)
        calls = chunks_of(7, model, monkeypatch)
        parted = token_losses(model, given)
    assert (splittable_head(model, CPU) is not None) == splits
    assert (max(calls[1:]) == 7) == splits
    torch.testing.assert_close(parted[0], whole[0], rtol=1e-5, atol=1e-5)
    assert torch.equal(parted[2], whole[2])


def test_few_logits_are_computed_at_once(adapted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    given = batch(adapted.config.vocab_size)
    calls = chunks_of(36, adapted, monkeypatch)
    with torch.no_grad():
        token_losses(adapted, given)
    assert calls == [36]


def test_a_pass_that_measures_suits_the_device_and_the_head(adapted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (pass_tokens(70, adapted), pass_tokens(0, adapted)) == (70, 1024)
    capped = tiny("gemma2")
    monkeypatch.setitem(head.CHUNK_VALUES, "cpu", 7 * 50)
    assert pass_tokens(0, capped) == 4 * 7 and pass_tokens(70, capped) == 70
