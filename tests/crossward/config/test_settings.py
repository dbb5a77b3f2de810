"""The door for settings: types, ranges and choices are checked, and the message names key and remedy."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from crossward.adapters import LoraSettings, ModelConfig
from crossward.config.node_config import NodeConfig
from crossward.config.run_config import SECTIONS
from crossward.config.run_settings import RunSettings, SimulationSettings
from crossward.config.settings import PATH, SettingsError, keyed, path_keys, read_settings, settings_rows
from data import DataConfig


@dataclass(frozen=True)
class Some:
    count: int = field(default=3, metadata={"key": "some.count", "help": "How many.", "min": 1, "max": 9})
    share: float = field(default=0.5, metadata={"key": "some.share", "help": "How much.", "above": 0.0, "max": 1.0})
    on: bool = field(default=False, metadata={"key": "some.on", "help": "Whether."})
    name: str = field(default="a", metadata={"key": "some.name", "help": "Which.", "choices": ("a", "b")})
    free: str = field(default="", metadata={"key": "some.free", "help": "Anything."})


def test_absent_keys_keep_their_default_and_foreign_keys_are_left_alone() -> None:
    assert read_settings(Some, {"other.key": object()}) == Some()


def test_values_of_the_right_type_are_taken() -> None:
    given = {"some.count": 9, "some.share": 1, "some.on": True, "some.name": "b", "some.free": "x"}
    got = read_settings(Some, given)
    assert got == Some(9, 1.0, True, "b", "x")
    assert type(got.share) is float


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("some.count", 0, "an integer of at least 1 and at most 9"),
        ("some.count", 10, "an integer of at least 1 and at most 9"),
        ("some.count", True, "an integer of at least 1"),
        ("some.count", 2.0, "an integer of at least 1"),
        ("some.count", "2", "an integer of at least 1"),
        ("some.share", 0.0, "a number above 0.0 and at most 1.0"),
        ("some.share", 1.5, "a number above 0.0 and at most 1.0"),
        ("some.share", True, "a number above 0.0"),
        ("some.share", "0.5", "a number above 0.0"),
        ("some.share", float("nan"), "a number above 0.0"),
        ("some.share", float("inf"), "a number above 0.0"),
        ("some.on", 1, "true or false"),
        ("some.on", "true", "true or false"),
        ("some.name", "c", "one of 'a', 'b'"),
        ("some.name", 1, "one of 'a', 'b'"),
        ("some.free", 1, "a text"),
    ],
)
def test_a_wrong_value_is_refused_with_key_value_expectation_and_remedy(key: str, value: object, expected: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings(Some, {key: value})
    text = str(caught.value)
    assert f"{key} = {value!r} is not {expected}" in text
    assert f'--run-config "{key}=..."' in text
    assert "pyproject.toml" in text


def test_a_clash_of_values_is_a_settings_error_too() -> None:
    with pytest.raises(SettingsError, match=r"run config: run.folder and run.resume cannot be combined"):
        read_settings(RunSettings, {"run.folder": "/a", "run.resume": "/b"})


PATHS = (
    (RunSettings, "run.folder"),
    (RunSettings, "run.resume"),
    (RunSettings, "run.state-dir"),
    (DataConfig, "data.path"),
    (LoraSettings, "lora.bases"),
    (ModelConfig, "model.name"),
    (NodeConfig, "data-path"),
    (NodeConfig, "notes-path"),
    (NodeConfig, "state-dir"),
    (NodeConfig, "key-path"),
    (NodeConfig, "passphrase-path"),
    (NodeConfig, "roster-path"),
    (NodeConfig, "bases-path"),
    (NodeConfig, "party-path"),
)


@pytest.mark.parametrize(("cls", "key"), PATHS)
def test_a_path_comes_out_absolute_or_is_refused(cls: type[Any], key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    more = {"lora.factors": "core"}
    (name,) = (f.name for f in keyed(cls) if f.metadata["key"] == key)
    assert getattr(read_settings(cls, more | {key: "~/x"}), name) == "/home/ada/x"
    assert getattr(read_settings(cls, more | {key: "/a/b"}), name) == "/a/b"
    with pytest.raises(SettingsError, match=rf"{key} = '\./x' is a relative path.*give an absolute one"):
        read_settings(cls, more | {key: "./x"})
    with pytest.raises(SettingsError, match=rf"{key} = '~root/x': .*write the path out"):  # whether there is a root
        read_settings(cls, more | {key: "~root/x"})
    with pytest.raises(SettingsError, match=rf"{key} = '~nobody-there/x': .*write the path out"):  # or not
        read_settings(cls, more | {key: "~nobody-there/x"})


def test_the_list_above_has_every_setting_whose_name_says_that_it_is_a_path() -> None:
    listed = {key for _, key in PATHS}
    assert listed == {key for cls in (*SECTIONS.values(), NodeConfig) for key in path_keys(cls)}
    every = {row[0] for cls in (*SECTIONS.values(), NodeConfig) for row in settings_rows(cls)}
    assert {key for key in every if re.search(r"(path|dir|folder|bases|resume|(?<![a-z])file)$", key)} <= listed


def test_a_name_that_is_no_path_stays_a_name() -> None:
    assert read_settings(ModelConfig, {"model.name": "org/model"}).name == "org/model"
    assert path_keys(RunSettings) == ["run.folder", "run.resume", "run.state-dir"]
    assert path_keys(ModelConfig, [PATH]) == []


def test_state_and_home_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSWARD_HOME", "/somewhere")
    assert RunSettings().state_root == Path("/somewhere/state")
    assert RunSettings(state="/elsewhere").state_root == Path("/elsewhere")


def test_every_field_shows_in_the_table() -> None:
    rows = settings_rows(Some)
    assert [row[0] for row in rows] == ["some.count", "some.share", "some.on", "some.name", "some.free"]
    assert rows[3] == ("some.name", "a", "one of 'a', 'b'", "Which.")


def test_links_and_slowdowns_repeat() -> None:
    s = SimulationSettings(links="10,20", slowdowns="1,3")
    assert [s.link(i) for i in range(4)] == [10, 20, 10, 20]
    assert [s.slowdown(i) for i in range(3)] == [1, 3, 1]
    nothing = SimulationSettings(links="", slowdowns="")
    assert (nothing.link(3), nothing.slowdown(3)) == (0.0, 1.0)


@pytest.mark.parametrize("text", ["fast", "1,x", "0", "1,-2", "inf", "nan"])
@pytest.mark.parametrize("key", ["simulation.links-mbit", "simulation.slowdowns"])
def test_a_link_that_is_no_number_above_0_is_refused(key: str, text: str) -> None:
    with pytest.raises(SettingsError, match=key):
        read_settings(SimulationSettings, {key: text})
