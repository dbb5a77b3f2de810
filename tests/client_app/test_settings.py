"""A hospital's own settings in place of the run's."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from client_app.settings import EngineSettings, NodeSettings, TrainSettings
from crossward.config.settings import SettingsError, read_settings

RUN = {
    "data.path": "/run/notes",
    "data.patient-column": "",
    "lora.bases": "/run/bases",
    "lora.factors": "core",
    "node.engine": "auto",
    "node.num-processes": 4,
    "node.sharding": "none",
    "node.idle-timeout": 60.0,
    "node.stall-timeout": 50.0,
    "node.threads": 3,
    "train.local-seconds": 9.0,
    "train.batch-size": 16,
    "train.loss-grid": 1.25,
    "train.accumulation": 2,
    "train.gradient-checkpointing": False,
    "train.precision": "bf16",
    "model.quantization": "none",
    "model.dtype": "bfloat16",
    "model.device": "cuda",
    "model.attention": "sdpa",
    "model.name": "embedded",
    "train.learning-rate": 0.01,
}
OWN: list[tuple[str, Any, str, Any]] = [
    ("data-path", "/own/notes", "data.path", "/own/notes"),
    ("patient-column", "subject", "data.patient-column", "subject"),
    ("bases-path", "/own/bases", "lora.bases", "/own/bases"),
    ("engine", "worker-group", "node.engine", "worker-group"),
    ("num-processes", 0, "node.num-processes", 0),
    ("num-processes", 2, "node.num-processes", 2),
    ("sharding", "fsdp", "node.sharding", "fsdp"),
    ("idle-timeout", 5.0, "node.idle-timeout", 5.0),
    ("stall-timeout", 6.0, "node.stall-timeout", 6.0),
    ("threads", 0, "node.threads", 0),
    ("local-seconds", 0.0, "train.local-seconds", 0.0),
    ("loss-grid", 2.0, "train.loss-grid", 2.0),
    ("batch-size", 1, "train.batch-size", 1),
    ("accumulation", 8, "train.accumulation", 8),
    ("gradient-checkpointing", "true", "train.gradient-checkpointing", True),
    ("precision", "no", "train.precision", "no"),
    ("quantization", "4bit", "model.quantization", "4bit"),
    ("dtype", "float16", "model.dtype", "float16"),
    ("device", "cpu", "model.device", "cpu"),
    ("attention", "eager", "model.attention", "eager"),
]


def node(**given: Any) -> NodeSettings:
    return read_settings(NodeSettings, {k.replace("_", "-"): v for k, v in given.items()}, "node config")


@pytest.mark.parametrize(("key", "value", "replaced", "becomes"), OWN)
def test_each_replaces_exactly_its_own_key(key: str, value: Any, replaced: str, becomes: Any) -> None:
    own = read_settings(NodeSettings, {key: value}, "node config")
    got = own.over(RUN)
    assert got == RUN | {replaced: becomes} and got != RUN
    assert type(got[replaced]) is type(RUN[replaced])


def test_a_flag_can_be_turned_off() -> None:
    run = RUN | {"train.gradient-checkpointing": True}
    assert node(gradient_checkpointing="false").over(run)["train.gradient-checkpointing"] is False


def test_unset_ones_replace_nothing() -> None:
    before = dict(RUN)
    assert NodeSettings().over(RUN) == node().over(RUN) == before and before == RUN
    assert node(state_dir="/state", key_path="/key", policy="none", site="North").over(RUN) == RUN


def test_every_setting_of_the_machine_is_tried_here() -> None:
    tried = {key for key, *_ in OWN}
    assert {f.metadata["key"] for f in fields(NodeSettings) if "instead" in f.metadata} <= tried


def test_bases_are_replaced_only_where_they_are_used() -> None:
    assert node(bases_path="/own").over(RUN | {"lora.factors": "both"})["lora.bases"] == "/run/bases"


@pytest.mark.parametrize(
    ("key", "value"),
    [("engine", "magic"), ("num-processes", -2), ("sharding", "ddp"), ("threads", -5), ("precision", "fp8"),
     ("gradient-checkpointing", "yes"), ("quantization", "2bit"), ("batch-size", 1.5), ("idle-timeout", "soon")],
)  # fmt: skip
def test_what_is_no_value_of_a_key_is_refused_by_name(key: str, value: Any) -> None:
    with pytest.raises(SettingsError, match=f"node config.*{key}"):
        read_settings(NodeSettings, {key: value}, "node config")


@pytest.mark.parametrize(
    ("given", "kind", "key"),
    [({"batch_size": 0}, TrainSettings, "train.batch-size"), ({"idle_timeout": 0.0}, EngineSettings, "node.idle-time")],
)
def test_what_the_run_could_not_set_the_node_cannot_either(given: dict[str, Any], kind: type, key: str) -> None:
    with pytest.raises(SettingsError, match=key):
        read_settings(kind, node(**given).over(RUN))


def test_whole_seconds_are_seconds() -> None:
    got = node(idle_timeout=5, local_seconds=3).over(RUN)
    assert (got["node.idle-timeout"], got["train.local-seconds"]) == (5.0, 3.0)


def test_sharding_needs_several_processes() -> None:
    with pytest.raises(SettingsError, match=r"set node.engine to 'worker-group'"):
        read_settings(EngineSettings, node(engine="in-process", sharding="fsdp").over(RUN))
