"""Which base model a run uses and which LoRA factors it trains.

Every field's ``metadata`` carries the run-config key, a line of help and its range, from which the
settings reader checks values and the reference's table is made.

Not for: loading anything. Importing this module must stay cheap (no torch).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

from crossward.adapters.errors import AdapterError
from crossward.machine.paths import PathError, checked

EMBEDDED = "embedded"
ALL_LINEAR = "all-linear"


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The base model, which stays frozen."""

    name: str = field(
        default=EMBEDDED,
        metadata={
            "key": "model.name",
            "path": "name or path",
            "help": "'embedded' (a 1 M parameter Llama that ships with the app), a local folder, or a "
            "Hugging Face hub id.",
        },
    )
    revision: str = field(
        default="",
        metadata={"key": "model.revision", "help": "Hub revision (branch, tag or commit); empty: main."},
    )
    dtype: str = field(
        default="auto",
        metadata={
            "key": "model.dtype",
            "help": "Precision of the frozen weights; auto: bfloat16 on GPUs that are fast at it, else float32.",
            "choices": ("auto", "float32", "bfloat16", "float16"),
        },
    )
    quantization: str = field(
        default="none",
        metadata={
            "key": "model.quantization",
            "help": "bitsandbytes loading of the frozen weights; 4bit is NF4 with double quantisation.",
            "choices": ("none", "8bit", "4bit"),
        },
    )
    device: str = field(
        default="auto",
        metadata={"key": "model.device", "help": "'auto' (cuda where there is one, else cpu) or a torch device."},
    )
    attention: str = field(
        default="sdpa",
        metadata={
            "key": "model.attention",
            "help": "Attention implementation of transformers; the flash ones need their package and a GPU.",
            "choices": ("sdpa", "eager", "flash_attention_2", "flash_attention_3", "flex_attention"),
        },
    )

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise AdapterError("model.name is empty: give 'embedded', a local folder or a hub id.")
        if not re.fullmatch(r"auto|cpu|mps|(cuda|xpu)(:\d+)?", self.device):
            raise AdapterError(
                f"model.device = {self.device!r} is no device: expected auto, cpu, mps, cuda, cuda:<n>, xpu or xpu:<n>."
            )


@dataclass(frozen=True, kw_only=True)
class LoraSettings:
    """The trained factors: W + (alpha / rank) B A (LoRA, arXiv 2106.09685), for 'core' W + (alpha / rank) B R A."""

    rank: int = field(
        default=8,
        metadata={"key": "lora.rank", "help": "Rank r of the factors B (out x r) and A (r x in).", "min": 1},
    )
    alpha: float = field(
        default=16.0,
        metadata={"key": "lora.alpha", "help": "Scale: B A is multiplied by alpha / rank.", "above": 0.0},
    )
    dropout: float = field(
        default=0.0,
        metadata={"key": "lora.dropout", "help": "Dropout on the input of A while training.", "min": 0.0, "max": 0.9},
    )
    target_modules: str = field(
        default=ALL_LINEAR,
        metadata={
            "key": "lora.target-modules",
            "help": "'all-linear' (every linear layer but the output head, and all experts of a mixture) or a comma "
            "list such as 'q_proj,v_proj'.",
        },
    )
    factors: str = field(
        default="both",
        metadata={
            "key": "lora.factors",
            "help": "both: A and B are trained and sent (FedIT); b: A stays as drawn, only B is (FFA-LoRA); "
            "core: both are frozen from the weight's SVD, only an r x r core between them is (LoRA-XS).",
            "choices": ("both", "b", "core"),
        },
    )
    bases: str = field(
        default="",
        metadata={
            "key": "lora.bases",
            "path": "path",
            "help": "For lora.factors 'core': a file made by `crossward bases`, the same on every "
            "node; "
            "empty: computed here and cached.",
        },
    )

    def __post_init__(self) -> None:
        if self.factors not in ("both", "b", "core"):
            raise AdapterError(f"lora.factors = {self.factors!r}: expected 'both', 'b' or 'core'.")
        if self.bases and self.factors != "core":
            raise AdapterError(
                f"lora.bases = {self.bases!r}: only lora.factors = 'core' has bases, and it is {self.factors!r}. "
                "Leave lora.bases empty or set lora.factors to 'core'."
            )
        try:
            checked(self.bases, "lora.bases")
        except PathError as error:
            raise AdapterError(str(error)) from error
        if self.rank < 1:
            raise AdapterError(f"lora.rank = {self.rank}: expected at least 1.")
        if not (math.isfinite(self.alpha) and self.alpha > 0):
            raise AdapterError(f"lora.alpha = {self.alpha}: expected a finite number above 0.")
        if not 0 <= self.dropout < 1:
            raise AdapterError(f"lora.dropout = {self.dropout}: expected at least 0 and below 1.")
        if not self.targets:
            raise AdapterError(
                f"lora.target-modules = {self.target_modules!r} names no module: "
                "give 'all-linear' or a comma list such as 'q_proj,v_proj'."
            )

    @property
    def targets(self) -> tuple[str, ...]:
        """The names in ``target_modules``, in order, without duplicates."""
        names = (name.strip() for name in self.target_modules.split(","))
        return tuple(dict.fromkeys(name for name in names if name))
