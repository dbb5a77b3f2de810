"""Private steps against a loop written out by hand.

Who enters, what is clipped, that noise comes in once, and that nothing of it is left on the shared model.
"""

from __future__ import annotations

import copy
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from client_app.training import learner as module
from client_app.training.learner import LoraLearner, adapted_model
from client_app.training.loop import CancelledError, Pace, TrainingError
from client_app.training.losses import token_losses
from client_app.training.team import Team
from crossward.adapters import LoraSettings, ModelConfig, read_vector, write_vector
from crossward.config.privacy_settings import PrivacySettings
from crossward.config.schedule import Schedule
from crossward.config.train_settings import TrainSettings
from crossward.privacy.mechanism import GaussianMean
from crossward.privacy.noise import Randomness
from data import DataConfig, Hospital, PoissonSampler, load_hospitals

MODEL, LORA = ModelConfig(device="cpu"), LoraSettings(rank=2)
DATA = DataConfig(synthetic_patients=24, max_tokens=48, min_patients=2)
SCHEDULE = Schedule(versions=2, local_steps=2, peak=1e-2)
PATIENTS = PrivacySettings("patient", noise_multiplier=1.0, batch=3, notes_per_patient=2, clip=2.0)


pytestmark = pytest.mark.usefixtures("own_home")


@pytest.fixture(scope="module")
def hospitals(own_home: Path) -> list[Hospital]:
    return load_hospitals(DATA, 3)


@dataclass
class Known:
    """Randomness that a test knows, and how much of it was asked for."""

    size: float = 0.0
    asked: list[int] = field(default_factory=list)

    def normals(self, count: int) -> np.ndarray:
        self.asked.append(count)
        return self.size * np.random.default_rng(len(self.asked)).standard_normal(count)

    def randomness(self) -> Randomness:
        return Randomness(self.normals, lambda: 7)


def make(
    hospital: Hospital, known: Known, privacy: PrivacySettings = PATIENTS, team: Team | None = None, **given: Any
) -> LoraLearner:
    settings = replace(TrainSettings(batch_size=3, clip=1e-9, accumulation=5), **given)  # neither of the two counts
    return LoraLearner(
        adapted_model(MODEL, LORA, 0),
        hospital,
        DATA,
        SCHEDULE,
        settings,
        team=team or Team(),
        privacy=privacy,
        randomness=known.randomness(),
    )


def start_of(learner: LoraLearner) -> np.ndarray:
    return learner.initial() + np.float32(0.02) * np.random.default_rng(1).standard_normal(
        sum(learner.sizes), dtype=np.float32
    )


def by_hand(learner: LoraLearner, start: np.ndarray, noise: float, known: Known) -> np.ndarray:
    """The same steps, a backward pass for every sequence, with torch's own AdamW."""
    p, adapted = learner.privacy, learner.adapted
    write_vector(adapted.model, adapted.layout, start)
    most = p.notes_per_patient if p.unit == "patient" else 1
    sampler = PoissonSampler(learner.train_tokens, p.unit == "patient", p.batch, most)
    generator = np.random.default_rng([7, 0, 0, 0])
    parameters = [q for q in adapted.model.parameters() if q.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=1.0, eps=learner.settings.epsilon, weight_decay=0.0)
    for step in range(SCHEDULE.local_steps):
        total = [torch.zeros_like(q) for q in parameters]
        for unit in sampler.draw(generator):
            mine = [torch.zeros_like(q) for q in parameters]
            for sequence in unit:
                losses, predicted, _ = token_losses(adapted.model, sampler.batch([int(sequence)]))
                found = torch.autograd.grad(losses.sum() / predicted.sum() / len(unit), parameters)
                mine = [a + b for a, b in zip(mine, found, strict=True)]
            norm = float(torch.cat([g.flatten() for g in mine]).norm())
            total = [a + min(1.0, p.clip / norm) * b for a, b in zip(total, mine, strict=True)]
        drawn = torch.from_numpy(known.normals(sum(q.numel() for q in parameters))) * noise * p.clip
        parts = torch.split(drawn, [q.numel() for q in parameters])
        for q, part, own in zip(parameters, total, parts, strict=True):
            q.grad = ((part.double() + own.view_as(part)) / p.batch).float()
        optimizer.param_groups[0]["lr"] = SCHEDULE.learning_rate(1, step)
        optimizer.step()
    for q in parameters:
        q.grad = None
    return read_vector(adapted.model, adapted.layout)


@pytest.mark.parametrize("unit", ["patient", "example"])
@pytest.mark.parametrize("noise", [0.0, 1.0])
def test_private_steps_are_those_of_a_loop_written_out(hospitals: list[Hospital], unit: str, noise: float) -> None:
    """With noise twice, or not at all, or divided by the drawn number, they would not be."""
    known, again = Known(noise), Known(noise)
    learner = make(hospitals[0], known, replace(PATIENTS, unit=unit))
    start = start_of(learner)
    got = learner.train_private(start, 1, 1.5)
    wanted = by_hand(learner, start, 1.5, again)
    moved = np.linalg.norm(wanted - start)
    assert moved > 0 and np.linalg.norm(got.vector - wanted) <= 2e-3 * moved
    assert known.asked == again.asked == [got.vector.size] * SCHEDULE.local_steps  # once a step


def test_what_is_told_beside_the_adapter_is_public(hospitals: list[Hospital]) -> None:
    learner = make(hospitals[0], Known())
    got = learner.train_private(learner.initial(), 0, 1.0)
    patients = len(set(hospitals[0].train["patient_id"][:]))
    assert (got.num_examples, got.loss_sum, got.steps) == (patients, 0.0, 2) and learner.units == patients
    assert got.num_tokens == 2 * 3 * 2 * 48
    notes = make(hospitals[0], Known(), replace(PATIENTS, unit="example"))
    assert notes.units == len(hospitals[0].train) > patients


def test_a_step_that_samples_nobody_is_a_step_of_noise(
    hospitals: list[Hospital], monkeypatch: pytest.MonkeyPatch
) -> None:
    known = Known(1.0)
    learner = make(hospitals[0], known)
    monkeypatch.setattr(PoissonSampler, "draw", lambda self, generator: [])
    got = learner.train_private(learner.initial(), 0, 1.0)
    assert got.steps == 2 and len(known.asked) == 2 and not np.array_equal(got.vector, learner.initial())
    quiet = make(hospitals[0], Known(0.0)).train_private(learner.initial(), 0, 1.0)
    assert np.array_equal(quiet.vector, learner.initial())


def test_the_poisson_sampler_is_the_only_source_of_notes(
    hospitals: list[Hospital], monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[int] = []
    computed: list[int] = []
    draw, batch = PoissonSampler.draw, PoissonSampler.batch

    def drawing(self: PoissonSampler, generator: np.random.Generator) -> Any:
        found = draw(self, generator)
        drawn.extend(int(s) for unit in found for s in unit)
        return found

    def batching(self: PoissonSampler, sequences: Any) -> Any:
        computed.extend(sequences)
        assert len(sequences) <= 3  # train.batch-size
        return batch(self, sequences)

    monkeypatch.setattr(PoissonSampler, "draw", drawing)
    monkeypatch.setattr(PoissonSampler, "batch", batching)
    monkeypatch.setattr(module, "train_batches", None)
    learner = make(hospitals[0], Known(), replace(PATIENTS, batch=6))
    learner.train_private(learner.initial(), 0, 1.0)
    assert drawn and sorted(drawn) == sorted(computed)


def test_micro_batches_are_clipped_by_group_and_noised_for_twice_the_clip(hospitals: list[Hospital]) -> None:
    known = Known(1.0)
    privacy = PrivacySettings("example", noise_multiplier=1.0, batch=6, micro_batch=3, clip=2.0)
    learner = make(hospitals[0], known, privacy)
    steps: list[torch.Tensor] = []
    original = GaussianMean.__call__

    def watched(self: GaussianMean, total: torch.Tensor, normals: Any) -> torch.Tensor:
        steps.append(total)
        assert (self.groups, self.deviation) == (2, 1.5 * 2 * 2.0)
        return original(self, total, normals)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(GaussianMean, "__call__", watched)
        learner.train_private(learner.initial(), 0, 1.5)
    assert len(steps) == 2 and all(0 < float(total.norm()) <= 2 * 2.0 for total in steps)


def test_plain_training_of_a_neighbour_is_bit_for_bit_what_it_was(hospitals: list[Hospital]) -> None:
    plain = LoraLearner(adapted_model(MODEL, LORA, 0), hospitals[1], DATA, SCHEDULE, TrainSettings(batch_size=3))
    before = plain.train(plain.initial(), 0, 5)
    learner = make(hospitals[0], Known(1.0))
    learner.train_private(learner.initial(), 0, 1.0)
    learner.cancelled = lambda: True
    with pytest.raises(CancelledError):
        learner.train_private(learner.initial(), 0, 1.0)
    after = plain.train(plain.initial(), 0, 5)
    assert np.array_equal(before.vector, after.vector) and before.loss_sum == after.loss_sum


def test_two_private_trainings_share_nothing_random_unless_told(hospitals: list[Hospital]) -> None:
    learner = LoraLearner(
        adapted_model(MODEL, LORA, 0), hospitals[0], DATA, SCHEDULE, TrainSettings(batch_size=3), privacy=PATIENTS
    )
    one, two = (learner.train_private(learner.initial(), 0, 1.0).vector for _ in range(2))
    assert not np.array_equal(one, two)


def test_a_private_run_never_trains_without_noise_by_mistake(hospitals: list[Hospital]) -> None:
    learner = make(hospitals[0], Known())
    with pytest.raises(TrainingError, match="without noise"):
        learner.train(learner.initial(), 0, 1)
    assert Pace().seconds == 0.0 and learner.alone(learner.initial(), 1, 1).size  # alone stays at the node


@pytest.mark.parametrize("rank", [0, 1])
def test_of_a_team_the_leader_alone_adds_noise(hospitals: list[Hospital], rank: int) -> None:
    """The other ranks take the leader's noised mean as it comes, whatever they summed."""
    sent: list[torch.Tensor] = []

    class Pair(Team):
        def sum(self, tensor: torch.Tensor) -> torch.Tensor:
            return tensor

        def from_leader(self, tensor: torch.Tensor) -> torch.Tensor:
            sent.append(tensor)
            return tensor

    known = Known(1.0)
    learner = make(hospitals[0], known, team=Pair(rank, 2))
    learner.train_private(learner.initial(), 0, 1.0)
    noised = [tensor for tensor in sent if tensor.is_floating_point()]
    assert len(noised) == 2 and len(known.asked) == (2 if rank == 0 else 0)


class Meeting:
    """Two threads that take turns and change over only where their processes would talk to each other."""

    def __init__(self) -> None:
        self.turn, self.barrier = threading.Lock(), threading.Barrier(2, timeout=300)
        self.given: dict[int, torch.Tensor] = {}

    def both(self, rank: int, tensor: torch.Tensor) -> list[torch.Tensor]:
        self.given[rank] = tensor.detach().clone()
        self.turn.release()
        try:
            self.barrier.wait()
            found = [self.given[0], self.given[1]]
            self.barrier.wait()
        finally:
            self.turn.acquire()
        return found


@dataclass(frozen=True)
class Member(Team):
    meeting: Meeting = field(default_factory=Meeting)

    def sum(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor.copy_(sum(self.meeting.both(self.rank, tensor)))

    def from_leader(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor.copy_(self.meeting.both(self.rank, tensor)[0])


def test_a_team_takes_the_steps_of_one_process(hospitals: list[Hospital], monkeypatch: pytest.MonkeyPatch) -> None:
    """Of some of the patients: two members that drew another sample each, or noised twice, would end elsewhere."""
    privacy = replace(PATIENTS, batch=6)
    alone = make(hospitals[0], Known(1.0), privacy)
    assert privacy.batch < alone.units
    start = start_of(alone)
    wanted = alone.train_private(start, 1, 1.5).vector
    meeting, shares = Meeting(), [0, 0]
    batch = PoissonSampler.batch
    known = [Known(1.0), Known(1.0)]
    members = [make(hospitals[0], known[rank], privacy, Member(rank, 2, meeting)) for rank in range(2)]
    members[1].adapted = copy.deepcopy(members[0].adapted)  # a process has a model of its own
    members[1].randomness = Randomness(known[1].normals, lambda: 11)  # and a seed, which the leader's replaces

    def train(rank: int) -> np.ndarray:
        with meeting.turn:
            try:
                return members[rank].train_private(start, 1, 1.5).vector
            except BaseException:
                meeting.barrier.abort()
                raise

    def counted(self: PoissonSampler, sequences: Any) -> Any:
        shares[int(threading.current_thread().name[-1])] += len(sequences)
        return batch(self, sequences)

    monkeypatch.setattr(PoissonSampler, "batch", counted)
    with ThreadPoolExecutor(2, "rank") as pool:
        got = [one.result() for one in [pool.submit(train, rank) for rank in range(2)]]
    assert np.array_equal(got[0], got[1]) and min(shares) > 0
    assert np.linalg.norm(got[0] - wanted) <= 2e-3 * np.linalg.norm(wanted - start)
    assert len(known[0].asked) == SCHEDULE.local_steps and not known[1].asked
