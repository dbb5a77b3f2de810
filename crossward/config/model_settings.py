"""Run-config keys under ``model.`` and ``lora.``: the base model, and which LoRA factors are trained.

Not for: loading anything. Importing this module must stay cheap (no torch).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

from crossward.config.settings import AUTO, NAME_OR_PATH, PATH, SettingsError
from crossward.machine.paths import PathError, checked

EMBEDDED = "embedded"
FLOAT32, BFLOAT16, FLOAT16 = "float32", "bfloat16", "float16"
NO_QUANTIZATION, EIGHT_BIT, FOUR_BIT = "none", "8bit", "4bit"
ALL_LINEAR = "all-linear"
BOTH, B_ONLY, CORE = "both", "b", "core"
MOST_RANK = 99_999


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The base model, which stays frozen."""

    name: str = field(
        default=EMBEDDED,
        metadata={
            "key": "model.name",
            "path": NAME_OR_PATH,
            "help": "'embedded' (a 1 M parameter Llama that ships with the app), a local folder, or a Hugging Face hub "
            "id.",
        },
    )
    revision: str = field(
        default="",
        metadata={"key": "model.revision", "help": "Hub revision (branch, tag or commit); empty: main."},
    )
    dtype: str = field(
        default=AUTO,
        metadata={
            "key": "model.dtype",
            "help": "Precision of the frozen weights; auto: bfloat16 on GPUs, and for larger models on CPUs, that are "
            "fast at it, else float32.",
            "choices": (AUTO, FLOAT32, BFLOAT16, FLOAT16),
            "hospital": True,
        },
    )
    quantization: str = field(
        default=NO_QUANTIZATION,
        metadata={
            "key": "model.quantization",
            "help": "Quantise the frozen weights with bitsandbytes; 4bit is NF4 with double quantisation.",
            "choices": (NO_QUANTIZATION, EIGHT_BIT, FOUR_BIT),
            "hospital": True,
        },
    )
    device: str = field(
        default=AUTO,
        metadata={
            "key": "model.device",
            "help": "'auto' (cuda where available, else cpu) or a torch device.",
            "hospital": True,
        },
    )
    attention: str = field(
        default="sdpa",
        metadata={
            "key": "model.attention",
            "help": "Attention implementation of transformers; the flash ones need their package and a GPU.",
            "choices": ("sdpa", "eager", "flash_attention_2", "flash_attention_3", "flex_attention"),
            "hospital": True,
        },
    )

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise SettingsError("model.name is empty: give 'embedded', a local folder or a hub id.")
        if not re.fullmatch(r"auto|cpu|mps|(cuda|xpu)(:\d+)?", self.device):
            raise SettingsError(
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
        metadata={"key": "lora.dropout", "help": "Dropout on the input of A in training.", "min": 0.0, "max": 0.9},
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
        default=BOTH,
        metadata={
            "key": "lora.factors",
            "help": "both: A and B are trained and sent (FedIT); b: A stays as initialised, only B is trained "
            "(FFA-LoRA); core: both are frozen from the weight's SVD, only an r x r core between them is trained "
            "(LoRA-XS).",
            "choices": (BOTH, B_ONLY, CORE),
        },
    )
    bases: str = field(
        default="",
        metadata={
            "key": "lora.bases",
            "path": PATH,
            "help": "For lora.factors 'core': a file made by `crossward bases`, the same on every node; "
            "empty: computed on each node and cached.",
        },
    )

    ranks: str = field(
        default="",
        metadata={
            "key": "lora.ranks",
            "help": "Where some hospitals train fewer components: every hospital's rank, as '8,8,8,8,2,2', the highest "
            "being lora.rank. Empty: all train lora.rank.",
        },
    )
    divided: bool = field(
        default=False,
        metadata={
            "key": "lora.divided",
            "help": "With lora.ranks: divide a component's sum by the share of hospitals that train it, instead of "
            "counting the others' zeros.",
        },
    )

    def __post_init__(self) -> None:
        if self.factors not in (BOTH, B_ONLY, CORE):
            raise SettingsError(f"lora.factors = {self.factors!r}: expected 'both', 'b' or 'core'.")
        if self.bases and self.factors != CORE:
            raise SettingsError(
                f"lora.bases = {self.bases!r}: only lora.factors = 'core' has bases, and it is {self.factors!r}. "
                "Leave lora.bases empty or set lora.factors to 'core'."
            )
        try:
            checked(self.bases, "lora.bases")
        except PathError as error:
            raise SettingsError(str(error)) from error
        if self.rank < 1:
            raise SettingsError(f"lora.rank = {self.rank}: expected at least 1.")
        if self.ranks and max(self.hospital_ranks) != self.rank:
            raise SettingsError(
                f"lora.ranks = {self.ranks!r}: its highest rank is {max(self.hospital_ranks)}, expected lora.rank = "
                f"{self.rank}. Set lora.rank to that, or the highest of lora.ranks to {self.rank}."
            )
        if not (math.isfinite(self.alpha) and self.alpha > 0):
            raise SettingsError(f"lora.alpha = {self.alpha}: expected a finite number above 0.")
        if not 0 <= self.dropout < 1:
            raise SettingsError(f"lora.dropout = {self.dropout}: expected at least 0 and below 1.")
        if self.divided and not self.ranks:
            raise SettingsError("lora.divided is for hospitals of several ranks: set lora.ranks, or leave it false.")
        if not self.targets:
            raise SettingsError(
                f"lora.target-modules = {self.target_modules!r} names no module: "
                "give 'all-linear' or a comma list such as 'q_proj,v_proj'."
            )

    @property
    def hospital_ranks(self) -> tuple[int, ...]:
        """The rank of each hospital in ``ranks``; none where all train ``rank``."""
        if not self.ranks:
            return ()
        texts = [text.strip() for text in self.ranks.split(",")]
        if (wrong := next((text for text in texts if not re.fullmatch(r"[1-9][0-9]{0,4}", text)), None)) is not None:
            raise SettingsError(
                f"lora.ranks = {self.ranks!r}: {wrong!r} is no rank. Give one whole number from 1 for each hospital, "
                "with commas between, such as '8,8,8,8,2,2'."
            )
        return tuple(map(int, texts))

    @property
    def targets(self) -> tuple[str, ...]:
        """The names in ``target_modules``, in order, without duplicates."""
        names = (name.strip() for name in self.target_modules.split(","))
        return tuple(dict.fromkeys(name for name in names if name))
