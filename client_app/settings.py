"""Settings of a node: run-config keys under ``train.`` and ``node.``, and the node-config of a deployment.

Not for: keys that the server needs too (``crossward.config.schedule``).
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from crossward.config.privacy_settings import LOCAL_UNITS, NO_UNIT
from crossward.config.settings import PATH, SettingsError, read_settings

IN_PROCESS, WORKER_GROUP, FSDP = "in-process", "worker-group", "fsdp"


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
            "help": "Forward passes an optimiser step; a step's loss is the mean over all their tokens. "
            "Without meaning in DP-SGD, where privacy.batch says what a step holds.",
            "min": 1,
            "max": 65536,
        },
    )
    weight_decay: float = field(
        default=0.0,
        metadata={"key": "train.weight-decay", "help": "AdamW's decoupled weight decay.", "min": 0.0, "max": 1.0},
    )
    epsilon: float = field(
        default=1e-7,
        metadata={
            "key": "train.adam-epsilon",
            "help": "AdamW's epsilon. Where gradients are near zero, a smaller one turns the rounding of float32 into "
            "steps of full size, which differ with the number of processes.",
            "min": 0.0,
            "max": 1.0,
        },
    )
    clip: float = field(
        default=1.0,
        metadata={
            "key": "train.clip",
            "help": "Largest L2 norm of a step's gradient; 0 = no clipping. DP-SGD has privacy.clip instead.",
            "min": 0.0,
        },
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
    error_feedback: bool = field(
        default=True,
        metadata={
            "key": "train.error-feedback",
            "help": "A node adds what rounding and clipping cut off its last accepted update to the next one; false "
            "drops it (to measure what it is worth).",
        },
    )
    loss_grid: float = field(
        default=1.5,
        metadata={
            "key": "train.loss-grid",
            "help": "A node tells its training loss rounded to a power of this: the exact one tells a little of "
            "single patients of a small hospital; 1.0 = exactly. Weights by loss are made of what is told.",
            "min": 1.0,
            "max": 16.0,
        },
    )
    gradient_checkpointing: bool = field(
        default=False,
        metadata={
            "key": "train.gradient-checkpointing",
            "help": "Compute activations again in the backward pass: less memory, about a third more time.",
        },
    )
    local_seconds: float = field(
        default=0.0,
        metadata={
            "key": "train.local-seconds",
            "help": "Time budget of one local training, which may end it before train.local-steps (after one step at "
            "least), so that a slow node contributes less instead of late; 0 = none.",
            "min": 0.0,
        },
    )


@dataclass(frozen=True)
class EngineSettings:
    """Keys under ``node.``: the processes that a node computes with."""

    engine: str = field(
        default="auto",
        metadata={
            "key": "node.engine",
            "help": "in-process: the process that has the message trains; worker-group: resident processes, one a GPU, "
            "that keep the model between messages; auto: in-process in simulation, worker-group in a deployment.",
            "choices": ("auto", IN_PROCESS, WORKER_GROUP),
        },
    )
    processes: int = field(
        default=0,
        metadata={
            "key": "node.num-processes",
            "help": "Processes of the worker group; 0 = one for each GPU, or one without.",
            "min": 0,
            "max": 1024,
        },
    )
    sharding: str = field(
        default="none",
        metadata={
            "key": "node.sharding",
            "help": "none: every process holds the whole base model; fsdp: they hold a part each (for models larger "
            "than one GPU).",
            "choices": ("none", FSDP),
        },
    )
    idle_timeout: float = field(
        default=1800.0,
        metadata={
            "key": "node.idle-timeout",
            "help": "Seconds without a message after which the worker group goes away.",
            "above": 0.0,
        },
    )
    stall_timeout: float = field(
        default=900.0,
        metadata={
            "key": "node.stall-timeout",
            "help": "Seconds without a step, or without a sign of life of one of its processes, after which the worker "
            "group counts as hung.",
            "above": 0.0,
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

    def __post_init__(self) -> None:
        if self.sharding == FSDP and self.engine == IN_PROCESS:
            raise ValueError(
                "node.sharding = 'fsdp' needs several processes, but node.engine is 'in-process': "
                "set node.engine to 'worker-group'"
            )


def _own(key: str, unset: object, *choices: str) -> dict[str, Any]:
    """Metadata of a node-config key with which a hospital replaces a run-config key, for its own machine."""
    limits: dict[str, Any] = {"choices": ("", *choices)} if choices else {"min": unset} if unset != "" else {}
    help_line = f"This hospital's own {key}; {unset!r}: as the run has it."
    return {"key": key.split(".")[1], "instead": key, "help": help_line, **limits}


@dataclass(frozen=True)
class NodeSettings:
    """What a SuperNode is given with ``--node-config``; a simulation sets ``partition-id`` instead."""

    data_path: str = field(
        default="",
        metadata={"key": "data-path", "path": PATH, "help": "This hospital's notes, in place of data.path."},
    )
    state_dir: str = field(
        default="",
        metadata={"key": "state-dir", "path": PATH, "help": "Folder for this node's state and identity."},
    )
    key_path: str = field(
        default="",
        metadata={
            "key": "key-path",
            "path": PATH,
            "help": "The consortium's key file, from `crossward keys`.",
        },
    )
    passphrase_path: str = field(
        default="",
        metadata={
            "key": "passphrase-path",
            "path": PATH,
            "help": "File (0600) with the key file's passphrase, if it has one.",
        },
    )
    bases_path: str = field(
        default="",
        metadata={
            "key": "bases-path",
            "path": PATH,
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
    min_contributors: int = field(
        default=3,
        metadata={
            "key": "min-contributors",
            "help": "The smallest strategy.min-contributors this hospital takes part under: of two in a version each "
            "sees the other's update.",
            "min": 1,
        },
    )
    privacy_unit: str = field(
        default=NO_UNIT,
        metadata={
            "key": "privacy-unit",
            "help": "The privacy.unit this hospital demands; it refuses a run under any other. 'none': takes any. "
            "Needs privacy-epsilon, privacy-total-epsilon or both.",
            "choices": (NO_UNIT, *LOCAL_UNITS),
        },
    )
    privacy_epsilon: float = field(
        default=0.0,
        metadata={
            "key": "privacy-epsilon",
            "help": "The largest privacy.epsilon of a run this hospital takes part in; 0.0 = any, and none.",
            "min": 0.0,
        },
    )
    privacy_total_epsilon: float = field(
        default=0.0,
        metadata={
            "key": "privacy-total-epsilon",
            "help": "The most epsilon, at privacy-delta, that all runs together may spend here; its record is in "
            "state-dir. 0.0 = each run by itself.",
            "min": 0.0,
        },
    )
    privacy_delta: float = field(
        default=1e-5,
        metadata={
            "key": "privacy-delta",
            "help": "The largest privacy.delta where privacy-epsilon is set; that of privacy-total-epsilon.",
            "above": 0.0,
            "max": 0.1,
        },
    )
    patient_column: str = field(
        default="",
        metadata={
            "key": "patient-column",
            "instead": "data.patient-column",
            "help": "The column of this hospital's csv or jsonl that names the patient, in place of "
            "data.patient-column; with privacy-unit 'patient' it has to be given.",
        },
    )
    site: str = field(default="", metadata={"key": "site", "help": "Name under which this hospital appears."})
    engine: str = field(default="", metadata=_own("node.engine", "", "auto", IN_PROCESS, WORKER_GROUP))
    processes: int = field(default=-1, metadata=_own("node.num-processes", -1))
    sharding: str = field(default="", metadata=_own("node.sharding", "", "none", FSDP))
    idle_timeout: float = field(default=-1.0, metadata=_own("node.idle-timeout", -1.0))
    stall_timeout: float = field(default=-1.0, metadata=_own("node.stall-timeout", -1.0))
    threads: int = field(default=-1, metadata=_own("node.threads", -1))
    local_seconds: float = field(default=-1.0, metadata=_own("train.local-seconds", -1.0))
    loss_grid: float = field(default=-1.0, metadata=_own("train.loss-grid", -1.0))
    batch_size: int = field(default=-1, metadata=_own("train.batch-size", -1))
    accumulation: int = field(default=-1, metadata=_own("train.accumulation", -1))
    gradient_checkpointing: str = field(default="", metadata=_own("train.gradient-checkpointing", "", "true", "false"))
    precision: str = field(default="", metadata=_own("train.precision", "", "auto", "no", "bf16", "fp16"))
    quantization: str = field(default="", metadata=_own("model.quantization", "", "none", "8bit", "4bit"))
    dtype: str = field(default="", metadata=_own("model.dtype", "", "auto", "float32", "bfloat16", "float16"))
    device: str = field(default="", metadata=_own("model.device", ""))
    attention: str = field(default="", metadata=_own("model.attention", ""))

    def __post_init__(self) -> None:
        if self.privacy_epsilon and self.privacy_unit == NO_UNIT:
            raise ValueError(
                f"privacy-epsilon = {self.privacy_epsilon:g} bounds nothing while privacy-unit = 'none': say whom it "
                "is for, 'example' or 'patient'"
            )
        if self.privacy_total_epsilon and self.privacy_unit == NO_UNIT:
            raise ValueError(
                f"privacy-total-epsilon = {self.privacy_total_epsilon:g} counts nothing while privacy-unit = 'none': "
                "say whom it is for, 'example' or 'patient'"
            )
        if self.privacy_unit != NO_UNIT and not (self.privacy_epsilon or self.privacy_total_epsilon):
            raise ValueError(
                f"privacy-unit = {self.privacy_unit!r} bounds nothing by itself, since a run's noise may be next to "
                "none: set privacy-epsilon (for each run), privacy-total-epsilon (for all together), or both"
            )

    def over(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """The run config as this node follows it: what the hospital set itself takes the place of the run's value."""
        out = dict(config)
        for entry in fields(self):
            key, value = entry.metadata.get("instead"), getattr(self, entry.name)
            if key is not None and value != entry.default:
                out[key] = value == "true" if key == "train.gradient-checkpointing" else value
        if self.data_path:
            out["data.path"] = self.data_path
        if self.bases_path and config.get("lora.factors") == "core":
            out["lora.bases"] = self.bases_path
        return out


def read_node_settings(given: Mapping[str, Any]) -> NodeSettings:
    """The settings of a SuperNode's node config.

    Raises
    ------
    SettingsError
        a value is not what is expected, or a key is unknown: a demand that is misspelt would demand nothing.
    """
    node, where = dict(given), "node config"
    known = [entry.metadata["key"] for entry in fields(NodeSettings)]
    for key in node:
        if key not in known:
            near = difflib.get_close_matches(key.replace("_", "-"), known, 1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
            raise SettingsError(f"{where}: there is no key {key}; {hint}")
    if isinstance(flag := node.get("gradient-checkpointing"), bool):
        node["gradient-checkpointing"] = str(flag).lower()
    return read_settings(NodeSettings, node, where)
