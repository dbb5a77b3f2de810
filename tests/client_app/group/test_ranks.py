"""A group trains and measures as one process does, on two ranks, whole or sharded, however the sequences fall."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from client_app.group.client import WorkerError
from client_app.training.learner import LoraLearner, adapted_model, local_learner
from client_app.training.trained import Trained, Vector
from data import train_batches

TOLERANCE = 1e-4  # of the change that training made, float32
UNPACKED = {"data__packing": False}
CASES: dict[str, dict[str, Any]] = {
    "packed": {},
    "packed, dropped to one sequence a step": {"train__batch_size": 1},
    "unpacked, an epoch's last batch of one sequence": UNPACKED,
    "unpacked, one sequence a step": UNPACKED | {"train__batch_size": 1},
    "accumulated": {"train__accumulation": 3},
    "unpacked and accumulated": UNPACKED | {"train__accumulation": 3},
    "unpacked, three single sequences a step": UNPACKED | {"train__accumulation": 3, "train__batch_size": 1},
    "with FedProx, decay and clipping": {
        "train__proximal_mu": 0.5, "train__weight_decay": 0.1, "train__clip": 0.1,
    },
    "checkpointed": {"train__gradient_checkpointing": True},
}  # fmt: skip


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    adapted_model.cache_clear()


def same(group: Any, alone: LoraLearner, case: str) -> None:
    """Training from a common start gives the same adapter, and the same facts; `pytest -s` shows how near."""
    start = np.random.default_rng(5).normal(0, 0.02, sum(alone.sizes)).astype(np.float32)
    got, wanted = group.train(start, 1, 7), alone.train(start, 1, 7)
    assert facts(got) == facts(wanted) and wanted.steps == 6
    assert got.loss_sum == pytest.approx(wanted.loss_sum, rel=1e-6)
    differs = distance(got.vector, wanted.vector, start)
    print(f"{case}: {differs:.1e}")
    assert differs <= TOLERANCE


def distance(one: Vector, other: Vector, start: Vector) -> float:
    return float(np.linalg.norm(one - other) / np.linalg.norm(other - start))


def facts(trained: Trained) -> tuple[int, int, int]:
    return trained.num_examples, trained.num_tokens, trained.steps


def same_measures(group: Any, alone: LoraLearner) -> None:
    """Two adapters are measured as one process measures them."""
    models = {"base": alone.initial(), "own": alone.train(alone.initial(), 0, 1).vector}
    wanted, got = alone.evaluate(models), group.evaluate(models)
    assert list(got) == list(wanted) == ["base", "own"]
    for name in models:
        assert (got[name].patients, got[name].tokens) == (wanted[name].patients, wanted[name].tokens)
        assert got[name].correct == wanted[name].correct
        assert got[name].as_dict() == pytest.approx(wanted[name].as_dict(), rel=1e-6)
    assert wanted["own"].loss_sum < wanted["base"].loss_sum


# ---------------------------------------------------------------------- sharded

IDLE = 60.0  # seconds; more than lies between two things that are asked, on a busy machine too
SHARDED = UNPACKED | {"train__accumulation": 2, "train__evaluation_batch_tokens": 1}


def sharded(halves: Any, **changes: Any) -> Any:
    group = halves.learner(**SHARDED, node__sharding="fsdp", node__idle_timeout=IDLE, **changes)
    halves.last = halves.group()
    assert len(halves.last.ranks) == 2
    return group


def test_a_sharded_model_trains_after_it_was_measured(halves: Any) -> None:
    alone, group = local_learner(halves.spec(**SHARDED)), sharded(halves)
    same_measures(group, alone)
    same(group, alone, "sharded, after measuring")


def test_a_sharded_model_trains_and_measures_as_one_process_does(halves: Any) -> None:
    alone, group = local_learner(halves.spec(**SHARDED)), sharded(halves)
    assert group.initial().tobytes() == alone.initial().tobytes()
    same(group, alone, "sharded")
    same_measures(group, alone)
    same(group, alone, "sharded, once more")


def test_a_sharded_model_is_checkpointed_too(halves: Any) -> None:
    alone = local_learner(halves.spec(**SHARDED))
    group = sharded(halves, train__gradient_checkpointing=True)
    same(group, alone, "sharded and checkpointed")


def test_a_sharded_model_finds_no_sensitive_blocks(halves: Any) -> None:
    with pytest.raises(WorkerError, match="sharded base model"):
        sharded(halves).sensitive_blocks(0.3)


# ---------------------------------------------------------------------- whole


def test_the_cases_are_what_they_say(shared: Any) -> None:
    learner = local_learner(shared.spec(**UNPACKED))
    batches = train_batches(learner.train_tokens, 4, np.random.default_rng(0))
    assert sorted(len(next(batches)["input_ids"]) for _ in range(3)) == [1, 4, 4]
    assert len({len(note) for note in np.split(learner.train_tokens.ids, learner.train_tokens.offsets[1:-1])}) > 2


@pytest.mark.parametrize("case", CASES)
def test_two_ranks_train_as_one_process_does(shared: Any, case: str) -> None:
    group = shared.learner(**CASES[case])
    assert len(shared.group().ranks) == 2
    same(group, local_learner(shared.spec(**CASES[case])), case)


def test_two_ranks_are_the_same_learner(shared: Any) -> None:
    group, alone = shared.learner(), local_learner(shared.spec())
    assert (group.layout, group.sizes, group.site) == (alone.layout, alone.sizes, alone.site)
    assert group.initial().tobytes() == alone.initial().tobytes()
    assert group.sensitive_blocks(0.3) == alone.sensitive_blocks(0.3)
    one, other = group.alone(group.initial(), 4, 3), alone.alone(alone.initial(), 4, 3)
    assert distance(one, other, alone.initial()) <= TOLERANCE
    made, wanted = (learner.personal(learner.initial(), None, 4, 3) for learner in (group, alone))
    assert distance(made.vector, wanted.vector, alone.initial()) <= TOLERANCE
    assert (made.method, made.steps, made.share) == (wanted.method, wanted.steps, wanted.share)
    assert made.validation == pytest.approx(wanted.validation, rel=1e-4)


@pytest.mark.parametrize("tokens", [1, 8192])
def test_two_ranks_measure_as_one_process_does(shared: Any, tokens: int) -> None:
    """One batch for two ranks, and one batch a note."""
    config = {"train__evaluation_batch_tokens": tokens, "data__test_fraction": 0.3}
    group = shared.learner(**config)
    same_measures(group, local_learner(shared.spec(**config)))


def test_a_rerun_is_the_same_to_the_bit(shared: Any) -> None:
    group = shared.learner(lora__dropout=0.0)
    one, two = (group.train(group.initial(), 0, 11) for _ in range(2))
    assert one.vector.tobytes() == two.vector.tobytes() and one.loss_sum == two.loss_sum


def test_two_ranks_train_privately_as_one_process_does(shared: Any) -> None:
    """Everybody is sampled and the noise is next to none, so that the two can be compared."""
    private = {"privacy__unit": "patient", "privacy__noise_multiplier": 1.0, "strategy__weighting": "examples"}
    units = local_learner(shared.spec(**private)).units
    config = private | {"privacy__batch": units, "privacy__notes_per_patient": 50}
    group, alone = shared.learner(**config), local_learner(shared.spec(**config))
    start = np.random.default_rng(5).normal(0, 0.02, sum(alone.sizes)).astype(np.float32)
    got, wanted = group.train_private(start, 1, 1e-9), alone.train_private(start, 1, 1e-9)
    assert group.units == alone.units == units > 2 and facts(got) == facts(wanted)
    assert distance(got.vector, wanted.vector, start) <= TOLERANCE


def test_a_time_budget_ends_the_training_of_all_ranks(shared: Any) -> None:
    group = shared.learner(train__local_steps=100_000, train__local_seconds=0.3)
    got = group.train(group.initial(), 0, 1)
    assert 1 <= got.steps < 100_000
    alone = local_learner(shared.spec(train__local_steps=got.steps))
    # the schedule is the run's, so only the first step of as short a run has the same rate
    assert got.num_tokens == alone.train(alone.initial(), 0, 1).num_tokens
