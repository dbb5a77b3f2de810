"""Settings of a node: run-config keys under ``train.`` and the node-config of a deployment.

Not for: keys that the server needs too (``protocol.schedule``).
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class TrainSettings:
    """Keys under ``train.`` beside the schedule."""

    batch_size: int = field(
        default=4,
        metadata={"key": "train.batch-size", "help": "Sequences a forward pass.", "min": 1, "max": 65536},
    )
    accumulation: int = field(
        default=1,
        metadata={
            "key": "train.accumulation",
            "help": "Forward passes an optimiser step; a step's loss is the mean over all their tokens.",
            "min": 1,
            "max": 65536,
        },
    )
    weight_decay: float = field(
        default=0.0,
        metadata={"key": "train.weight-decay", "help": "AdamW's decoupled weight decay.", "min": 0.0, "max": 1.0},
    )
    clip: float = field(
        default=1.0,
        metadata={"key": "train.clip", "help": "Largest L2 norm of a step's gradient; 0 = no clipping.", "min": 0.0},
    )
    proximal_mu: float = field(
        default=0.0,
        metadata={
            "key": "train.proximal-mu",
            "help": "FedProx's mu: adds mu/2 |x - x_start|^2 to the local objective; 0 = off.",
            "min": 0.0,
        },
    )
    precision: str = field(
        default="auto",
        metadata={
            "key": "train.precision",
            "help": "Mixed precision of the computation; auto: bf16 on GPUs that are fast at it, else none.",
            "choices": ("auto", "no", "bf16", "fp16"),
        },
    )
    evaluation_tokens: int = field(
        default=8192,
        metadata={
            "key": "train.evaluation-batch-tokens",
            "help": "Tokens a forward pass when measuring on held-out notes.",
            "min": 1,
        },
    )
    threads: int = field(
        default=0,
        metadata={
            "key": "node.threads",
            "help": "Threads of a training process; 0 = the machine's cores shared among the clients that run at once.",
            "min": 0,
            "max": 4096,
        },
    )


@dataclass(frozen=True)
class NodeSettings:
    """What a SuperNode is given with ``--node-config``; a simulation sets ``partition-id`` instead."""

    data_path: str = field(
        default="", metadata={"key": "data-path", "help": "This hospital's notes, in place of data.path."}
    )
    state_dir: str = field(
        default="", metadata={"key": "state-dir", "help": "Folder for this node's state and identity (absolute)."}
    )
    key_path: str = field(
        default="",
        metadata={
            "key": "key-path",
            "help": "The consortium's key file (absolute), from `python -m encryption.keys`.",
        },
    )
    passphrase_path: str = field(
        default="",
        metadata={"key": "passphrase-path", "help": "File (0600) with the key file's passphrase, if it has one."},
    )
    bases_path: str = field(
        default="",
        metadata={
            "key": "bases-path",
            "help": "File of frozen bases handed out for lora.factors core, in place of lora.bases.",
        },
    )
    policy: str = field(
        default="all",
        metadata={
            "key": "policy",
            "help": "The weakest encryption.policy this hospital takes part under; it refuses any run with less.",
            "choices": ("all", "sensitive", "none"),
        },
    )
    site: str = field(default="", metadata={"key": "site", "help": "Name under which this hospital appears."})
