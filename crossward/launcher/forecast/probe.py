"""A look at one hospital's work, in a process of its own: two training steps, one pass of measuring, the peak memory.

    python -m crossward.launcher.forecast.probe < {"config": ..., "hospitals": 4, "threads": 1}

It prints one JSON object, the fields of :class:`Probe`; what is wrong with the model or the notes is one line on
stderr and exit code 2. It has a process of its own because a peak of memory can be read only of a whole process.

Not for: what follows from it (``crossward.launcher.forecast.forecast``).
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any

STEPS = 2


@dataclass(frozen=True)
class Probe:
    """What the first hospital's process does and takes.

    ``train_speed`` and ``measure_speed`` are tokens a second, ``peak`` and ``device_memory`` bytes: the most that the
    process held at once where the model is (``device``), and how much there is in all on a GPU (0 on a CPU).
    ``notes`` and ``tokens`` are of its training and held-out notes.
    """

    device: str
    dtype: str
    parameters: int
    trained: int
    load_seconds: float
    train_speed: float
    measure_speed: float
    peak: int
    device_memory: int
    step_tokens: int
    notes: int
    tokens: int


def probe(config: dict[str, Any], hospitals: int, threads: int) -> Probe:
    """Load hospital 0's model and notes, and try."""
    from client_app.training import threads as cores

    cores.share_cores(threads)
    from client_app.training.learner import local_learner
    from client_app.training.spec import LearnerSpec
    from crossward.config.run_config import RunConfig

    began = time.perf_counter()
    learner = local_learner(LearnerSpec(RunConfig.read(config), 0, hospitals))
    loaded = time.perf_counter() - began
    train, measure = _train_speed(learner), _measure_speed(learner)
    parameter = next(p for p in learner.adapted.base.model.parameters() if not p.requires_grad)
    device = str(learner.device)
    from client_app.training.meter import memory_peak

    held = [learner.train_tokens, learner.test_tokens]
    return Probe(
        device=device,
        dtype=str(parameter.dtype).removeprefix("torch."),
        parameters=learner.adapted.base.model.num_parameters() - sum(learner.sizes),  # of 4 bits two count as such
        trained=sum(learner.sizes),
        load_seconds=loaded,
        train_speed=train,
        measure_speed=measure,
        peak=memory_peak(device),
        device_memory=_device_memory(device),
        step_tokens=learner.settings.batch_size * learner.settings.accumulation * learner.data.max_tokens,
        notes=sum(len(one) for one in held),
        tokens=sum(one.tokens for one in held),
    )


def _train_speed(learner: Any) -> float:
    """Tokens a second of the steps after a first one, which allocates and compiles."""
    learner.alone(learner.initial(), 1, 0)
    began = time.perf_counter()
    learner.alone(learner.initial(), STEPS, 0)
    step = learner.settings.batch_size * learner.settings.accumulation * learner.data.max_tokens
    return float(STEPS * step / (time.perf_counter() - began))


def _measure_speed(learner: Any) -> float:
    """Tokens a second over as many training notes, the longest, as give about a pass."""
    import numpy as np

    from client_app.training.head import pass_tokens

    tokens = learner.train_tokens
    lengths = np.diff(tokens.offsets)
    order = np.argsort(-lengths)
    wanted = 2 * pass_tokens(learner.settings.evaluation_tokens, learner.adapted.model)
    count = int(np.searchsorted(np.cumsum(lengths[order]), wanted)) + 1
    began = time.perf_counter()
    learner.measure("base", learner.initial(), tokens, order[:count])
    return float(lengths[order[:count]].sum() / (time.perf_counter() - began))


def _device_memory(device: str) -> int:
    if not device.startswith("cuda"):
        return 0
    import torch

    return int(torch.cuda.get_device_properties(device).total_memory)


def main() -> int:
    """Probe what stdin asks for."""
    from crossward.adapters import AdapterError
    from data import DataError

    asked = json.load(sys.stdin)
    try:
        found = probe(asked["config"], asked["hospitals"], asked["threads"])
    except (AdapterError, DataError, MemoryError) as error:
        print(error, file=sys.stderr)
        return 2
    print(json.dumps(asdict(found)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
