"""Optimiser steps: against plain loops written out by hand, and what training must never touch."""

from __future__ import annotations

import gc
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch.optim.optimizer import register_optimizer_step_pre_hook

from client_app.training import loop as training
from client_app.training.loop import NO_LIMIT, CancelledError, Outcome, Pace, TrainingError, train_steps
from client_app.training.team import SOLO, Team
from crossward.adapters import LoraSettings, ModelConfig, attach_lora, layout_of, load_base, read_vector, write_vector
from crossward.config.train_settings import TrainSettings

Batch = dict[str, torch.Tensor]
PLAIN = TrainSettings(clip=0.0, precision="no", epsilon=1e-8)


class Tuned:
    """A base model with factors whose B is not zero, so that every factor has a gradient."""

    def __init__(self, dropout: float = 0.0) -> None:
        base = load_base(ModelConfig(device="cpu"))
        settings = LoraSettings(rank=2, dropout=dropout)
        self.model: Any = attach_lora(base, settings, 0)
        self.layout = layout_of(self.model, base, settings)
        noise = np.random.default_rng(1).standard_normal(self.layout.total, dtype=np.float32)
        self.start = read_vector(self.model, self.layout) + np.float32(0.05) * noise

    def train(
        self,
        batches: Sequence[Batch],
        settings: TrainSettings = PLAIN,
        rate: Callable[[int], float] = lambda step: 1e-2,
        start: np.ndarray | None = None,
        team: Team = SOLO,
        pace: Pace = NO_LIMIT,
    ) -> tuple[np.ndarray, Outcome]:
        """As many steps as ``batches`` has groups of ``accumulation``."""
        write_vector(self.model, self.layout, self.start if start is None else start)
        steps = len(batches) // settings.accumulation
        outcome = train_steps(self.model, iter(batches), steps, rate, settings, None, team, pace)
        return read_vector(self.model, self.layout), outcome

    def trained(self) -> list[torch.nn.Parameter]:
        return [p for p in self.model.parameters() if p.requires_grad]


@pytest.fixture(scope="module")
def tuned(own_home: Path) -> Tuned:
    return Tuned()


@pytest.fixture(autouse=True)
def clean(tuned: Tuned) -> Iterator[None]:
    """No gradients and no accelerator of another test."""

    def reset() -> None:
        AcceleratorState._reset_state(True)
        training.accelerator_for.cache_clear()
        tuned.model.zero_grad()

    reset()
    yield
    reset()


def batch(seed: int, rows: int = 4, width: int = 20) -> Batch:
    """Rows of different lengths, padded, with the first tokens of each not to be learned."""
    rng = np.random.default_rng(seed)
    ids = rng.integers(10, 2000, (rows, width))
    mask, labels = np.ones_like(ids), ids.copy()
    for row in range(rows):
        end = int(rng.integers(width // 2, width + 1))
        mask[row, end:], ids[row, end:], labels[row, end:] = 0, 0, -100
        labels[row, : int(rng.integers(0, 4))] = -100
    return {n: torch.from_numpy(a) for n, a in (("input_ids", ids), ("attention_mask", mask), ("labels", labels))}


def ignored(rows: int = 2) -> Batch:
    made = batch(0, rows)
    return made | {"labels": torch.full_like(made["labels"], -100)}


def summed_loss(model: Any, given: Batch) -> tuple[torch.Tensor, int]:
    """Loss and tokens of a batch, token by token, from log-probabilities."""
    logits = model(input_ids=given["input_ids"], attention_mask=given["attention_mask"]).logits
    logs = torch.log_softmax(logits, -1)
    total, count = torch.zeros(()), 0
    for row, labels in enumerate(given["labels"]):
        for at in range(1, len(labels)):
            if labels[at] != -100:
                total = total - logs[row, at - 1, labels[at]]
                count += 1
    return total, count


def by_hand(tuned: Tuned, batches: Sequence[Batch], rate: float, mu: float, clip: float) -> tuple[np.ndarray, float]:
    """Plain AdamW over the mean token loss plus FedProx's own gradient, clipped by its norm."""
    write_vector(tuned.model, tuned.layout, tuned.start)
    parameters = tuned.trained()
    anchor = [p.detach().clone() for p in parameters]
    first = [torch.zeros_like(p) for p in parameters]
    second = [torch.zeros_like(p) for p in parameters]
    losses = 0.0
    for step, given in enumerate(batches, start=1):
        loss, count = summed_loss(tuned.model, given)
        proximal = sum(((p - a) ** 2).sum() for p, a in zip(parameters, anchor, strict=True)) * (mu / 2)
        gradients = torch.autograd.grad(loss / count + proximal, parameters)
        norm = math.sqrt(sum(float((g**2).sum()) for g in gradients))
        share = min(1.0, clip / (norm + 1e-6)) if clip else 1.0
        with torch.no_grad():
            for p, g, m, v in zip(parameters, gradients, first, second, strict=True):
                m.mul_(0.9).add_(g * share, alpha=0.1)
                v.mul_(0.999).add_((g * share) ** 2, alpha=0.001)
                p -= rate * (m / (1 - 0.9**step)) / ((v / (1 - 0.999**step)).sqrt() + 1e-8)
        losses += float(loss.detach())
    return read_vector(tuned.model, tuned.layout), losses


@pytest.fixture
def steps_taken() -> Iterator[list[tuple[float, float]]]:
    """(learning rate, norm of the gradient) with which the optimiser took each step."""
    seen: list[tuple[float, float]] = []

    def look(optimizer: Any, *_: Any) -> None:
        (group,) = optimizer.param_groups
        norm = math.sqrt(sum(float((p.grad.double() ** 2).sum()) for p in group["params"] if p.grad is not None))
        seen.append((group["lr"], norm))

    handle = register_optimizer_step_pre_hook(look)
    yield seen
    handle.remove()


# ---------------------------------------------------------------------- what is minimised


def test_the_reported_loss_is_summed_over_exactly_the_counted_tokens(tuned: Tuned) -> None:
    write_vector(tuned.model, tuned.layout, tuned.start)
    with torch.no_grad():
        loss, count = summed_loss(tuned.model, batch(1))
    _, outcome = tuned.train([batch(1)])
    assert outcome.tokens == count == int((batch(1)["labels"][:, 1:] != -100).sum())
    assert outcome.loss_sum == pytest.approx(float(loss), rel=1e-5)
    assert outcome.steps == 1


@pytest.mark.parametrize(("mu", "clip"), [(0.0, 0.0), (5.0, 0.0), (0.0, 0.3), (5.0, 0.3)])
def test_steps_equal_a_loop_written_out_by_hand(tuned: Tuned, mu: float, clip: float) -> None:
    batches = [batch(1), batch(2)]
    wanted, losses = by_hand(tuned, batches, 1e-2, mu, clip)
    got, outcome = tuned.train(batches, replace(PLAIN, proximal_mu=mu, clip=clip))
    assert outcome.loss_sum == pytest.approx(losses, rel=1e-4)
    # where a gradient all but vanishes, its sign is left to rounding
    assert float(np.mean(np.abs(got - wanted) < 1e-5)) > 0.999


def test_weight_decay_is_decoupled_from_the_gradient(tuned: Tuned) -> None:
    without, _ = tuned.train([batch(1)])
    with_decay, _ = tuned.train([batch(1)], replace(PLAIN, weight_decay=0.1))
    assert np.allclose(without - with_decay, 1e-2 * 0.1 * tuned.start, atol=1e-7)


def test_accumulating_two_batches_of_four_is_one_batch_of_eight(tuned: Tuned) -> None:
    whole = [batch(seed, rows=8) for seed in (1, 2)]
    halves = [{k: v[part] for k, v in b.items()} for b in whole for part in (slice(4), slice(4, 8))]
    one, first = tuned.train(whole)
    two, second = tuned.train(halves, replace(PLAIN, accumulation=2))
    assert (first.tokens, first.steps) == (second.tokens, second.steps)
    assert first.loss_sum == pytest.approx(second.loss_sum, rel=1e-6)
    assert float(np.mean(np.abs(one - two) < 1e-5)) > 0.999


def test_accumulation_weighs_tokens_alike_however_they_are_spread(tuned: Tuned) -> None:
    """A batch with nothing to learn beside one with everything changes nothing."""
    one, _ = tuned.train([batch(1)])
    two, _ = tuned.train([batch(1), ignored()], replace(PLAIN, accumulation=2))
    assert float(np.mean(np.abs(one - two) < 1e-5)) > 0.999


def test_padding_changes_nothing(tuned: Tuned) -> None:
    short = batch(1)
    wide = {k: torch.nn.functional.pad(v, (0, 9), value={"labels": -100}.get(k, 0)) for k, v in short.items()}
    one, first = tuned.train([short])
    two, second = tuned.train([wide])
    assert first.tokens == second.tokens and first.loss_sum == pytest.approx(second.loss_sum, rel=1e-5)
    assert float(np.mean(np.abs(one - two) < 1e-5)) > 0.999


# ---------------------------------------------------------------------- FedProx, clipping, learning rate


def test_a_larger_mu_stays_closer_to_the_start(tuned: Tuned) -> None:
    batches = [batch(seed) for seed in range(5)]
    distances = [
        float(np.linalg.norm(tuned.train(batches, replace(PLAIN, proximal_mu=mu))[0] - tuned.start))
        for mu in (0.0, 1.0, 30.0)
    ]
    assert distances == sorted(distances, reverse=True) and distances[2] < 0.7 * distances[0]


def test_clipping_bounds_the_gradient_of_every_step(tuned: Tuned, steps_taken: list[tuple[float, float]]) -> None:
    batches = [batch(1), batch(2)]
    tuned.train(batches)
    free = [norm for _, norm in steps_taken]
    steps_taken.clear()
    bound = min(free) / 4
    tuned.train(batches, replace(PLAIN, clip=bound))
    assert [norm for _, norm in steps_taken] == pytest.approx([bound, bound], rel=1e-3)
    steps_taken.clear()
    tuned.train(batches, replace(PLAIN, clip=10 * max(free)))
    assert [norm for _, norm in steps_taken] == pytest.approx(free, rel=1e-4)


def test_every_step_has_its_own_learning_rate(tuned: Tuned, steps_taken: list[tuple[float, float]]) -> None:
    rates = [1e-2, 3e-3, 7e-3]
    tuned.train([batch(seed) for seed in range(3)], rate=rates.__getitem__)
    assert [rate for rate, _ in steps_taken] == rates


def test_a_learning_rate_of_nought_moves_nothing(tuned: Tuned) -> None:
    got, outcome = tuned.train([batch(1)], rate=lambda step: 0.0)
    assert np.array_equal(got, tuned.start) and outcome.loss_sum > 0


def test_on_step_hears_mean_loss_and_tokens_of_each_step(tuned: Tuned) -> None:
    received: list[tuple[int, float, int]] = []
    write_vector(tuned.model, tuned.layout, tuned.start)
    outcome = train_steps(
        tuned.model, iter([batch(1), batch(2)]), 2, lambda s: 1e-3, PLAIN, lambda *fact: received.append(fact)
    )
    assert [step for step, _, _ in received] == [0, 1]
    assert sum(tokens for _, _, tokens in received) == outcome.tokens
    assert sum(loss * tokens for _, loss, tokens in received) == pytest.approx(outcome.loss_sum)


# ---------------------------------------------------------------------- what is left alone


def test_only_factors_change(tuned: Tuned) -> None:
    before = {n: p.detach().clone() for n, p in tuned.model.state_dict().items()}
    got, _ = tuned.train([batch(1), batch(2)], TrainSettings(weight_decay=0.1, proximal_mu=0.1))
    for name, value in tuned.model.state_dict().items():
        if ".lora_" not in name:
            assert torch.equal(value, before[name]), name
    for block in tuned.layout.blocks:
        part = slice(block.offset, block.offset + block.size)
        assert not np.array_equal(got[part], tuned.start[part]), block.name
    assert not tuned.model.training


def test_the_same_batches_give_the_same_bits(tuned: Tuned) -> None:
    batches = [batch(1), batch(2)]
    torch.manual_seed(1)
    one, _ = tuned.train(batches)
    torch.manual_seed(2)
    two, _ = tuned.train(batches)
    assert one.tobytes() == two.tobytes()


def test_an_optimiser_does_not_outlive_its_training(tuned: Tuned) -> None:
    for _ in range(3):
        tuned.train([batch(1)])
    tuned.model.zero_grad()
    gc.collect()
    mine = {id(p) for p in tuned.trained()}
    alive = [
        o
        for o in gc.get_objects()
        if type(o) is torch.optim.AdamW and any(id(p) in mine for p in o.param_groups[0]["params"])
    ]
    assert len(alive) == 0


# ---------------------------------------------------------------------- what goes wrong


def diverged(tuned: Tuned) -> np.ndarray:
    """Factors so large that the logits are no numbers."""
    return np.full_like(tuned.start, 1e30)


def test_a_diverging_loss_names_the_step_and_the_remedy(tuned: Tuned) -> None:
    with pytest.raises(TrainingError, match=r"loss of step 0 is (nan|inf).*lower train.learning-rate.*train.clip"):
        tuned.train([batch(1)], start=diverged(tuned))


def test_a_diverged_training_leaves_nothing_to_the_next(tuned: Tuned) -> None:
    """Hospitals that share a process share the model: one's NaN must not become another's."""
    wanted, _ = tuned.train([batch(1)])
    with pytest.raises(TrainingError):
        tuned.train([batch(2)], start=diverged(tuned))
    got, _ = tuned.train([batch(1)])
    assert got.tobytes() == wanted.tobytes()


def test_nothing_to_learn_at_all_is_an_error(tuned: Tuned) -> None:
    with pytest.raises(TrainingError, match="no token was predicted"):
        tuned.train([ignored(), ignored()])


def test_a_step_without_tokens_takes_no_step(tuned: Tuned) -> None:
    one, first = tuned.train([batch(1)])
    two, second = tuned.train([ignored(), batch(1)])
    assert one.tobytes() == two.tobytes() and first.tokens == second.tokens


def test_steps_without_tokens_are_not_counted(tuned: Tuned) -> None:
    assert tuned.train([ignored(), batch(1)])[1].steps == 1


# ---------------------------------------------------------------------- precision


def test_bfloat16_computes_less_precisely_but_trains_float32_factors(tuned: Tuned) -> None:
    exact, full = tuned.train([batch(1), batch(2)])
    AcceleratorState._reset_state(True)
    training.accelerator_for.cache_clear()
    rough, half = tuned.train([batch(1), batch(2)], replace(PLAIN, precision="bf16"))
    assert all(p.dtype == torch.float32 for p in tuned.trained())
    assert half.tokens == full.tokens
    assert half.loss_sum != full.loss_sum and half.loss_sum == pytest.approx(full.loss_sum, rel=0.02)
    assert np.corrcoef(exact - tuned.start, rough - tuned.start)[0, 1] > 0.8


def test_auto_is_full_precision_on_a_cpu(tuned: Tuned) -> None:
    assert training.accelerator_for("auto", "cpu").mixed_precision == "no"
    assert training.accelerator_for("auto", "cpu") is training.accelerator_for("auto", "cpu")


def test_a_process_can_use_two_precisions(tuned: Tuned) -> None:
    tuned.train([batch(1)])
    tuned.train([batch(1)], replace(PLAIN, precision="bf16"))


def test_fedprox_pulls_as_strongly_when_the_loss_is_scaled(tuned: Tuned, monkeypatch: pytest.MonkeyPatch) -> None:
    """As float16 does on a GPU: a factor of 65,536 on loss and gradients, taken off again before the step."""
    batches, settings = [batch(1), batch(2)], replace(PLAIN, proximal_mu=5.0)
    wanted, _ = tuned.train(batches, settings)
    scaled = Accelerator(cpu=True)
    scaled.scaler = torch.amp.GradScaler("cpu", init_scale=65536.0)  # type: ignore[attr-defined,unused-ignore]
    monkeypatch.setattr(training, "accelerator_for", lambda *_: scaled)
    got, _ = tuned.train(batches, settings)
    assert float(np.mean(np.abs(got - wanted) < 1e-5)) > 0.99


def test_scaling_the_loss_alone_changes_nothing(tuned: Tuned, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check of the test above: without FedProx the same scaler gives the same adapter."""
    batches = [batch(1), batch(2)]
    wanted, _ = tuned.train(batches)
    scaled = Accelerator(cpu=True)
    scaled.scaler = torch.amp.GradScaler("cpu", init_scale=65536.0)  # type: ignore[attr-defined,unused-ignore]
    monkeypatch.setattr(training, "accelerator_for", lambda *_: scaled)
    got, _ = tuned.train(batches)
    assert float(np.mean(np.abs(got - wanted) < 1e-5)) > 0.99


# ---------------------------------------------------------------------- time, and whether it is still wanted

BATCHES = [batch(seed, rows=2, width=12) for seed in range(8)]


class Steps:
    """A clock by which each step takes one second, read where a step's length is decided."""

    def __init__(self) -> None:
        self.reads = 0

    def __call__(self) -> float:
        self.reads += 1
        return float(self.reads - 1)  # the first reading is the beginning


@pytest.mark.parametrize(
    ("seconds", "steps"), [(0.01, 1), (1.0, 1), (1.99, 1), (2.0, 2), (5.5, 5), (7.9, 7), (8.0, 8), (1e9, 8), (0.0, 8)]
)
def test_a_time_budget_ends_a_training_before_it_is_overrun(tuned: Tuned, seconds: float, steps: int) -> None:
    """After one step at least, and never later than all its steps."""
    got, outcome = tuned.train(BATCHES, pace=Pace(seconds, clock=Steps()))
    wanted, same = tuned.train(BATCHES[:steps])
    assert outcome == same and outcome.steps == steps and got.tobytes() == wanted.tobytes()


@pytest.mark.parametrize(
    ("elapsed", "taken", "over"), [(4.0, 4, False), (5.1, 4, True), (4.8, 48, False), (9.0, 1, True), (4.99, 1, True)]
)
def test_another_step_must_fit_by_the_mean_of_those_before(elapsed: float, taken: int, over: bool) -> None:
    assert Pace(5.0, clock=lambda: 100.0 + elapsed).over(100.0, taken) is over
    assert not Pace(0.0, clock=lambda: 1e9).over(100.0, taken)


class Follower(Team):
    """One of two processes, whose leader says at which step it is the last, or not wanted."""

    def __new__(cls, last: int = -1, cancelled: int = -1) -> Follower:
        made = super().__new__(cls)
        object.__setattr__(made, "received", [])
        object.__setattr__(made, "leader", (last, cancelled))
        return made

    def __init__(self, last: int = -1, cancelled: int = -1) -> None:
        super().__init__(rank=1, size=2)

    def sum(self, tensor: torch.Tensor) -> torch.Tensor:
        if tensor.numel() == 3:  # a step's loss, and the leader's flags
            self.received.append(tensor.tolist())  # type: ignore[attr-defined]
            step = len(self.received) - 1  # type: ignore[attr-defined]
            flags = [float(step == at) for at in self.leader]  # type: ignore[attr-defined]
            return tensor + tensor.new_tensor([1.0, *flags])
        return tensor


def test_in_a_team_the_leader_decides_when_it_is_over(tuned: Tuned) -> None:
    hasty = Pace(0.01, cancelled=lambda: True)
    team = Follower()
    assert tuned.train(BATCHES, team=team, pace=hasty)[1].steps == 8
    assert all(flags == [0.0, 0.0] for _, *flags in team.received)  # type: ignore[attr-defined]
    assert tuned.train(BATCHES, team=Follower(last=2), pace=NO_LIMIT)[1].steps == 3
    with pytest.raises(CancelledError):
        tuned.train(BATCHES, team=Follower(cancelled=1), pace=NO_LIMIT)


def test_a_teams_tokens_are_those_of_all_and_its_loss_the_sum(tuned: Tuned) -> None:
    team = Follower()
    _, outcome = tuned.train(BATCHES, team=team)
    assert outcome.tokens == tuned.train(BATCHES)[1].tokens
    assert outcome.loss_sum == pytest.approx(sum(loss + 1.0 for loss, *_ in team.received))  # type: ignore[attr-defined]


def test_a_training_that_nobody_wants_any_more_stops_and_leaves_nothing(tuned: Tuned) -> None:
    wanted, _ = tuned.train(BATCHES[:1])
    asked = iter([False, False, True])
    with pytest.raises(CancelledError):
        tuned.train(BATCHES, pace=Pace(cancelled=lambda: next(asked)))
    assert next(asked, None) is None and not tuned.model.training
    assert all(p.grad is None for p in tuned.trained())
    assert tuned.train(BATCHES[:1])[0].tobytes() == wanted.tobytes()


# ---------------------------------------------------------------------- checkpointing


@pytest.fixture
def passes(tuned: Tuned) -> Iterator[list[int]]:
    """Grows by one whenever the first decoder layer's attention is computed."""
    seen: list[int] = []
    layer = next(m for m in tuned.model.modules() if isinstance(m, torch.nn.ModuleList))[0]
    handle = layer.self_attn.register_forward_pre_hook(lambda *_: seen.append(1))
    yield seen
    handle.remove()


def test_checkpointing_gives_the_same_adapter_and_ends_with_it(tuned: Tuned, passes: list[int]) -> None:
    wanted, plain = tuned.train(BATCHES)
    assert len(passes) == 8
    got, checkpointed = tuned.train(BATCHES, replace(PLAIN, gradient_checkpointing=True))
    assert len(passes) == 8 + 16
    assert checkpointed.loss_sum == pytest.approx(plain.loss_sum, rel=1e-6) and checkpointed.tokens == plain.tokens
    assert np.linalg.norm(got - wanted) <= 1e-5 * np.linalg.norm(wanted - tuned.start)
    assert tuned.train(BATCHES)[0].tobytes() == wanted.tobytes()
    assert len(passes) == 8 + 16 + 8 and not tuned.model.training


def test_checkpointing_leaves_the_model_as_before(tuned: Tuned) -> None:
    def hooks() -> list[tuple[int, ...]]:
        return [(len(m._forward_hooks), len(m._forward_pre_hooks)) for m in tuned.model.modules()]

    before = hooks()
    tuned.train(BATCHES[:1], replace(PLAIN, gradient_checkpointing=True))
    assert hooks() == before


def test_checkpointing_ends_with_a_training_that_fails(tuned: Tuned, passes: list[int]) -> None:
    with pytest.raises(TrainingError):
        tuned.train(BATCHES[:1], replace(PLAIN, gradient_checkpointing=True), start=diverged(tuned))
    passes.clear()
    tuned.train(BATCHES[:2])
    assert len(passes) == 2
