"""Run-config keys under ``train.`` and ``node.``: how a node trains, and with which processes.

Not for: keys that the server needs too (``crossward.config.schedule``).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from crossward.config.settings import AUTO

IN_PROCESS, WORKER_GROUP = "in-process", "worker-group"
NO_SHARDING, FSDP = "none", "fsdp"
FULL, BF16, FP16 = "no", "bf16", "fp16"

ADAM_EPSILON = 1e-7
"""AdamW's epsilon. Where gradients are near zero, a smaller one turns the rounding of float32 into steps of full size,
which differ with the number of processes."""


@dataclass(frozen=True)
class TrainSettings:
    """Keys under ``train.`` beside the schedule."""

    batch_size: int = field(
        default=4,
        metadata={
            "key": "train.batch-size",
            "help": "Sequences per forward pass.",
            "min": 1,
            "max": 65536,
            "hospital": True,
        },
    )
    accumulation: int = field(
        default=1,
        metadata={
            "key": "train.accumulation",
            "help": "Forward passes per optimiser step; a step's loss is the mean over all their tokens. "
            "Unused in DP-SGD, where privacy.batch sets the size of a step.",
            "min": 1,
            "max": 65536,
            "hospital": True,
        },
    )
    weight_decay: float = field(
        default=0.0,
        metadata={"key": "train.weight-decay", "help": "AdamW's decoupled weight decay.", "min": 0.0, "max": 1.0},
    )
    clip: float = field(
        default=1.0,
        metadata={
            "key": "train.clip",
            "help": "Maximum L2 norm of a step's gradient (0: no clipping). DP-SGD uses privacy.clip instead.",
            "min": 0.0,
        },
    )
    proximal_mu: float = field(
        default=0.0,
        metadata={
            "key": "train.proximal-mu",
            "help": "FedProx's mu: adds mu/2 |x - x_start|^2 to the local objective (0: off).",
            "min": 0.0,
        },
    )
    precision: str = field(
        default=AUTO,
        metadata={
            "key": "train.precision",
            "help": "Mixed precision of the computation; auto: bf16 on GPUs that are fast at it, else none.",
            "choices": (AUTO, FULL, BF16, FP16),
            "hospital": True,
        },
    )
    error_feedback: bool = field(
        default=True,
        metadata={
            "key": "train.error-feedback",
            "help": "A node adds what rounding and clipping cut off its last accepted update to the next one; false "
            "drops it.",
        },
    )
    loss_grid: float = field(
        default=1.5,
        metadata={
            "key": "train.loss-grid",
            "help": "Nodes that report no held-out loss report the training loss rounded to the nearest power of this "
            "value (1.0: exactly): the exact loss reveals a little about single patients of a small hospital. "
            "Weighting by loss uses the reported one.",
            "min": 1.0,
            "max": 16.0,
            "hospital": True,
        },
    )
    report_held_out: bool = field(
        default=True,
        metadata={
            "key": "train.report-held-out",
            "help": "Nodes with ten held-out patients or more report, instead of the training loss, the loss of the "
            "global model on a sample of these patients' notes, with noise of epsilon 1 a run; false: none does.",
            "hospital": True,
        },
    )
    gradient_checkpointing: bool = field(
        default=False,
        metadata={
            "key": "train.gradient-checkpointing",
            "help": "Recompute activations in the backward pass: less memory, about a third more time.",
            "hospital": True,
        },
    )
    local_seconds: float = field(
        default=0.0,
        metadata={
            "key": "train.local-seconds",
            "help": "Time limit of one local training in seconds (0: none). It may end a training before "
            "train.local-steps, though not before one step, so that a slow node contributes less instead of late.",
            "min": 0.0,
            "hospital": True,
        },
    )
    evaluation_tokens: int = field(
        default=0,
        metadata={
            "key": "train.evaluation-batch-tokens",
            "help": "Tokens per forward pass when measuring on held-out notes (0: 1024 on CPUs, 8192 on GPUs, fewer "
            "where a model's logits cannot be computed in parts).",
            "min": 0,
            "hospital": True,
        },
    )
    epsilon: float = ADAM_EPSILON


@dataclass(frozen=True)
class EngineSettings:
    """Keys under ``node.``: the processes that a node trains with."""

    engine: str = field(
        default=AUTO,
        metadata={
            "key": "node.engine",
            "help": "in-process: train in the process that handles the message; worker-group: resident processes, one "
            "per GPU, that keep the model between messages; auto: in-process in simulation, worker-group in a "
            "deployment.",
            "choices": (AUTO, IN_PROCESS, WORKER_GROUP),
            "hospital": True,
        },
    )
    processes: int = field(
        default=0,
        metadata={
            "key": "node.num-processes",
            "help": "Processes of the worker group (0: one per GPU, or one without a GPU).",
            "min": 0,
            "max": 1024,
            "hospital": True,
        },
    )
    sharding: str = field(
        default=NO_SHARDING,
        metadata={
            "key": "node.sharding",
            "help": "none: every process holds the whole base model; fsdp: each holds a shard (for models larger than "
            "one GPU).",
            "choices": (NO_SHARDING, FSDP),
            "hospital": True,
        },
    )
    idle_timeout: float = field(
        default=1800.0,
        metadata={
            "key": "node.idle-timeout",
            "help": "Seconds without a message after which the worker group exits.",
            "above": 0.0,
            "hospital": True,
        },
    )
    stall_timeout: float = field(
        default=900.0,
        metadata={
            "key": "node.stall-timeout",
            "help": "Seconds without a step, or without a sign of life from one of its processes, after which the "
            "worker group counts as hung.",
            "above": 0.0,
            "hospital": True,
        },
    )
    threads: int = field(
        default=0,
        metadata={
            "key": "node.threads",
            "help": "Threads per training process (0: the machine's cores, shared among the clients that run at once).",
            "min": 0,
            "max": 4096,
            "hospital": True,
        },
    )

    def __post_init__(self) -> None:
        if self.sharding == FSDP and self.engine == IN_PROCESS:
            raise ValueError(
                "node.sharding = 'fsdp' needs several processes, but node.engine is 'in-process': "
                "set node.engine to 'worker-group'"
            )
