"""A hospital's own settings in place of the run's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from crossward.config.node_config import NodeConfig
from crossward.config.run_config import DEFAULTS, HOSPITAL_KEYS, RunConfig
from crossward.config.settings import SettingsError

RUN: dict[str, Any] = {
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
    "train.evaluation-batch-tokens": 8192,
    "model.quantization": "none",
    "model.dtype": "bfloat16",
    "model.device": "cuda",
    "model.attention": "sdpa",
    "model.name": "embedded",
    "train.learning-rate": 0.01,
    "encryption.workers": 0,
}
OWN: list[tuple[str, Any, str]] = [
    ("data-path", "/own/notes", "data.path"),
    ("patient-column", "subject", "data.patient-column"),
    ("bases-path", "/own/bases", "lora.bases"),
    *(
        (key, value, key)
        for key, value in (
            ("node.engine", "worker-group"),
            ("node.num-processes", 0),
            ("node.num-processes", 2),
            ("node.sharding", "fsdp"),
            ("node.idle-timeout", 5.0),
            ("node.stall-timeout", 6.0),
            ("node.threads", 0),
            ("train.local-seconds", 0.0),
            ("train.loss-grid", 2.0),
            ("train.report-held-out", False),
            ("train.batch-size", 1),
            ("train.accumulation", 8),
            ("train.gradient-checkpointing", True),
            ("train.precision", "no"),
            ("train.evaluation-batch-tokens", 512),
            ("model.quantization", "4bit"),
            ("model.dtype", "float16"),
            ("model.device", "cpu"),
            ("model.attention", "eager"),
            ("encryption.workers", 1),
            ("personal.method", "none"),
            ("personal.steps", 7),
            ("personal.learning-rate", 0.001),
        )
    ),
]


@pytest.mark.parametrize(("key", "value", "replaced"), OWN)
def test_each_replaces_exactly_its_own_key(key: str, value: Any, replaced: str) -> None:
    got = NodeConfig.read({key: value}).over(RUN)
    assert got == RUN | {replaced: value} and got != RUN
    assert RunConfig.read(got).by_key() == DEFAULTS | RUN | {replaced: value}


def test_a_flag_can_be_turned_off() -> None:
    run = RUN | {"train.gradient-checkpointing": True}
    assert NodeConfig.read({"train.gradient-checkpointing": False}).over(run)["train.gradient-checkpointing"] is False


def test_unset_ones_replace_nothing() -> None:
    before = dict(RUN)
    assert NodeConfig().over(RUN) == NodeConfig.read({}).over(RUN) == before and before == RUN
    given = {"state-dir": "/state", "key-path": "/key", "roster-path": "/roster", "policy": "none", "site": "North"}
    assert NodeConfig.read(given).over(RUN) == RUN


def test_every_key_of_the_machine_is_tried_here() -> None:
    assert set(HOSPITAL_KEYS) <= {key for key, *_ in OWN}


def test_bases_are_replaced_only_where_they_are_used() -> None:
    run = RUN | {"lora.factors": "both"}
    assert NodeConfig.read({"bases-path": "/own"}).over(run)["lora.bases"] == "/run/bases"


def test_a_notes_toml_replaces_all_that_a_run_says_of_notes(tmp_path: Path) -> None:
    file = tmp_path / "notes.toml"
    file.write_text('source = "csv"\npath = "a.csv"\n[columns]\ntext = "t"\n')
    own = NodeConfig.read({"notes-path": str(file)})
    run = {"data.source": "jsonl", "data.path": "/run", "data.site-column": "x", "data.task": "label"}
    assert own.over(run) == {"data.source": "own", "data.path": str(file), "data.task": "label"}
    assert own.notes is not None and own.notes.path == str(tmp_path / "a.csv")
    assert own.over({"data.source": "synthetic"}) == {"data.source": "synthetic"} and own.over({}) == {}
    for key in ("data-path", "patient-column"):
        with pytest.raises(SettingsError, match=f"notes-path and {key} both say .*: keep notes-path, remove {key}"):
            NodeConfig.read({"notes-path": str(file), key: "/x"})
    file.write_text("source = 3")
    with pytest.raises(SettingsError, match=r"notes.toml: source is a number"):
        NodeConfig.read({"notes-path": str(file)})


@pytest.mark.parametrize(
    ("key", "value"),
    [("node.engine", "magic"), ("node.num-processes", -2), ("node.sharding", "ddp"), ("node.threads", -5),
     ("train.precision", "fp8"), ("train.gradient-checkpointing", "yes"), ("model.quantization", "2bit"),
     ("train.batch-size", 1.5), ("train.batch-size", 0), ("node.idle-timeout", "soon"), ("node.idle-timeout", 0.0),
     ("privacy-delta", 0.5)],
)  # fmt: skip
def test_what_is_no_value_of_a_key_is_refused_by_name(key: str, value: Any) -> None:
    with pytest.raises(SettingsError, match=f"node config.*{key}.*hospital.toml"):
        NodeConfig.read({key: value})


@pytest.mark.parametrize("key", HOSPITAL_KEYS)
def test_the_short_name_of_an_earlier_version_is_refused_with_the_new_one(key: str) -> None:
    short = key.split(".")[1]
    with pytest.raises(SettingsError, match=f"node config: {short} is now {key}, as in the run config: rename it"):
        NodeConfig.read({short: 1})


@pytest.mark.parametrize("key", ["train.learning-rate", "run.seed", "privacy.unit"])
def test_what_the_run_decides_a_hospital_cannot_set(key: str) -> None:
    with pytest.raises(SettingsError, match=f"node config: there is no key {key}"):
        NodeConfig.read({key: DEFAULTS[key]})


def test_whole_seconds_are_seconds() -> None:
    got = RunConfig.read(NodeConfig.read({"node.idle-timeout": 5, "train.local-seconds": 3}).over(RUN))
    assert (got.node.idle_timeout, got.train.local_seconds) == (5.0, 3.0)


def test_sharding_needs_several_processes() -> None:
    with pytest.raises(SettingsError, match=r"set node.engine to 'worker-group'"):
        NodeConfig.read({"node.engine": "in-process", "node.sharding": "fsdp"})
    with pytest.raises(SettingsError, match=r"set node.engine to 'worker-group'"):
        RunConfig.read(NodeConfig.read({"node.sharding": "fsdp"}).over(RUN | {"node.engine": "in-process"}))
