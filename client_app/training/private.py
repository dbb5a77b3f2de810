"""Differentially private local training: DP-SGD steps (arXiv 1607.00133) with AdamW over the noised gradients.

In a step, each of the hospital's patients (or notes) enters with a known probability; the mean gradient of its
sequences is clipped; the clipped gradients are summed, noised once and divided by how many are expected. AdamW, weight
decay, the schedule and FedProx's term only see that noised mean and what was published before, so they cost nothing.
A sequence's loss is the mean over its own predicted tokens: no sequence's gradient depends on another's.

What is different from plain training: ``train.accumulation`` has no meaning (``privacy.batch`` says what a step holds,
``train.batch-size`` only how many sequences are computed at once), ``train.clip`` is not applied (``privacy.clip`` is),
and nothing random comes from the run's seed, which all know. A step without anybody is taken, too: it is all noise.

In a team every process draws the same sample, takes some of its patients and sums their clipped gradients; the
leader alone adds the noise, and all take the leader's step.

Not for: what it costs (``client_app.guard.budget``), plain training (``client_app.training.loop``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from client_app.training.loop import NO_LIMIT, CancelledError, Loop, Pace
from client_app.training.losses import to_device, token_losses
from client_app.training.team import SOLO, Team
from crossward.config.train_settings import TrainSettings
from crossward.privacy.clipping import ClippedSum, micro_batches
from crossward.privacy.mechanism import GaussianMean
from crossward.privacy.noise import SECRET, Randomness
from crossward.privacy.sample_gradients import sample_gradients
from data import PoissonSampler

Group = NDArray[np.int64]
OnStep = Callable[[int, float, int], None]
_SEED_WORDS = 4


def private_steps(
    model: Any,
    sampler: PoissonSampler,
    mechanism: GaussianMean,
    steps: int,
    learning_rate: Callable[[int], float],
    settings: TrainSettings,
    on_step: OnStep | None = None,
    team: Team = SOLO,
    pace: Pace = NO_LIMIT,
    randomness: Randomness = SECRET,
) -> None:
    """Take ``steps`` private AdamW steps on the model's trainable parameters, in place: always so many.

    ``on_step`` gets step, mean loss and predicted tokens of this process's part of each, for the node's own eyes:
    both are not private. Of ``pace`` only ``cancelled`` is asked.

    Raises
    ------
    CancelledError
        ``pace`` says that nobody wants the result. What was spent stays spent.
    crossward.privacy.sample_gradients.SampleGradientError
        the model's layers do not tell sequences apart.
    """
    loop = Loop(model, learning_rate, replace(settings, clip=0.0), SOLO)
    generator = np.random.default_rng(_shared_seed(team, randomness, loop.device))
    model.train()
    try:
        with torch.random.fork_rng(), sample_gradients(model, loop.parameters) as taken:
            torch.manual_seed(randomness.seed() % 2**63)  # for dropout, on every process another
            for step in range(steps):
                groups: list[Group] = sampler.draw(generator)
                if mechanism.micro_batch > 1:
                    groups = micro_batches(groups, mechanism.groups, generator)
                mine = _dealt(groups, sampler, team)
                clipped = ClippedSum(loop.parameters, mechanism.clip)
                loss, tokens = _gather(loop, sampler, mine, clipped, taken, settings.batch_size)
                mean = _noised(clipped, mechanism, team, randomness)
                for parameter, part in zip(
                    loop.parameters, torch.split(mean, [p.numel() for p in loop.parameters]), strict=True
                ):
                    parameter.grad = part.view_as(parameter)
                loop.step(step)
                if on_step is not None:
                    on_step(step, loss, tokens)
                if _cancelled(team, pace, loop.device):
                    raise CancelledError("this training was cancelled")
    finally:
        loop.optimizer.zero_grad()
        model.eval()


def _shared_seed(team: Team, randomness: Randomness, device: torch.device) -> list[int]:
    """The leader's secret seed, on every process: they must draw the same sample."""
    seed = randomness.seed()
    words = torch.tensor([(seed >> (32 * i)) & 0xFFFFFFFF for i in range(_SEED_WORDS)], device=device)
    return [int(word) for word in team.from_leader(words)]


def _dealt(groups: list[Group], sampler: PoissonSampler, team: Team) -> list[Group]:
    """This process's groups, whole: longest first, dealt out in turn, so that a pass pads little."""
    sizes = [int(sampler.lengths[group].max()) for group in groups]
    order = sorted(range(len(groups)), key=lambda i: -sizes[i])
    return [groups[i] for i in order[team.rank :: team.size]]


def _gather(
    loop: Loop,
    sampler: PoissonSampler,
    groups: list[Group],
    clipped: ClippedSum,
    taken: Callable[[torch.Tensor], list[torch.Tensor]],
    size: int,
) -> tuple[float, int]:
    """Every group's clipped mean gradient into ``clipped``, in passes of ``size`` sequences; mean loss and tokens."""
    if not groups:
        return 0.0, 0
    sequences = np.concatenate(groups)
    owner = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    share = np.repeat([1.0 / len(group) for group in groups], [len(group) for group in groups])
    total = torch.zeros((), device=loop.device)
    tokens = 0
    for start in range(0, len(sequences), size):
        part = slice(start, start + size)
        batch = sampler.batch(sequences[part].tolist())
        weights = torch.from_numpy(share[part]).float().to(loop.device)
        with loop.accelerator.autocast():
            losses, predicted, _ = token_losses(loop.model, to_device(batch, loop.device))
        means = losses.sum(1) / predicted.sum(1).clamp(min=1)
        ends = start + size >= len(sequences) or owner[start + size] != owner[start + size - 1]
        clipped.add(taken(means * weights), (owner[part] - owner[start]).tolist(), ends)
        total += means.detach().sum()
        tokens += int(predicted.sum())
    return float(total) / len(sequences), tokens


def _noised(clipped: ClippedSum, mechanism: GaussianMean, team: Team, randomness: Randomness) -> torch.Tensor:
    """The mean that every process steps by: the team's sum, noised by the leader alone."""
    flat = team.sum(torch.cat([part.reshape(-1) for part in clipped.total]))
    return team.from_leader(mechanism(flat, randomness.normals) if team.leads else flat)


def _cancelled(team: Team, pace: Pace, device: torch.device) -> bool:
    return bool(team.sum(torch.tensor(float(team.leads and pace.cancelled()), device=device)) > 0)
