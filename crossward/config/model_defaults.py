"""Defaults of a run for a base model other than the embedded one: what follows from its size, its limits, its device.

The run config's own defaults suit the embedded model, of 1 M parameters: its learning rate would ruin a pretrained
model of a hundred times the size, and on two cores its schedule would take that model half a day. ``crossward run
--model`` puts these in the place of the keys that the user left alone, and prints them.

Not for: finding out the size (``crossward.adapters.size``).
"""

from __future__ import annotations

from dataclasses import dataclass

Value = bool | int | float | str
CPU_TOKENS, GPU_TOKENS = 256, 1024


@dataclass(frozen=True)
class ModelSize:
    """A base model: how many ``parameters``, tokens it takes at once (None: no limit), and entries of its vocabulary.

    ``gpu`` is whether it will be trained on one.
    """

    parameters: int
    positions: int | None
    vocabulary: int
    gpu: bool = False


@dataclass(frozen=True)
class Derived:
    """A value for a key of the run config, and why."""

    value: Value
    reason: str


@dataclass(frozen=True)
class Tier:
    """What models of at most ``parameters`` parameters are trained with.

    Rates are AdamW's for LoRA factors of alpha / rank 2: they fall with the model's size, as in the LoRA paper (arXiv
    2106.09685, tables 11 and 12: 2e-4 to 4e-4 for hundreds of millions and more), and are higher for so few steps. Of
    SmolLM2-135M's 3.96 nats a token on dictated reports, ten steps at 1e-3 leave 3.75 and at 3e-3 3.59.
    """

    parameters: float
    learning_rate: float
    versions: int
    rank: int = 8


TIERS = (
    Tier(20e6, 5e-3, 40),
    Tier(400e6, 2e-3, 20),
    Tier(2e9, 5e-4, 20),
    Tier(9e9, 2e-4, 20, 16),
    Tier(float("inf"), 1e-4, 20, 16),
)


def derived_defaults(size: ModelSize) -> dict[str, Derived]:
    """Values by key of the run config."""
    tier = next(tier for tier in TIERS if size.parameters <= tier.parameters)
    millions = f"{size.parameters / 1e6:,.0f} M parameters"
    tokens = GPU_TOKENS if size.gpu else CPU_TOKENS
    fits = size.positions is None or size.positions >= tokens
    return {
        "train.learning-rate": Derived(tier.learning_rate, f"LoRA on {millions}"),
        "strategy.num-versions": Derived(tier.versions, "a pretrained model needs few steps, each of them costs more"),
        "lora.rank": Derived(tier.rank, f"LoRA on {millions}"),
        "lora.alpha": Derived(2.0 * tier.rank, "twice the rank, for which the learning rate is"),
        "data.max-tokens": (
            Derived(tokens, "windows of a note that a GPU takes at once" if size.gpu else "short windows for a CPU")
            if fits
            else Derived(int(size.positions or tokens), "all positions of the model")
        ),
        "train.batch-size": Derived(4, f"{4 * tokens:,} tokens per step fill a {'GPU' if size.gpu else 'core'}"),
        "train.local-steps": Derived(6, "short trainings drift less far from what the others learn"),
    }
