"""pyproject.toml holds what the settings classes say, and every key is read by somebody."""

from __future__ import annotations

import dataclasses
import importlib
import tomllib
import warnings
from pathlib import Path
from typing import Any

import pytest

from crossward.config.run_config import SECTIONS
from crossward.config.settings import keyed, read_settings
from crossward.launcher import settings_table

ROOT = Path(__file__).resolve().parents[3]
PACKAGES = ("data", "client_app", "crossward", "server_app", "strategies")


def run_config() -> dict[str, Any]:
    tables = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["flwr"]["app"]["config"]
    return {f"{table}.{key}": value for table, rows in tables.items() for key, value in rows.items()}


def settings_classes() -> dict[str, type[Any]]:
    """Every dataclass of the app whose fields name keys, found by looking into every module that has one."""
    found: dict[str, type[Any]] = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if "metadata=" not in path.read_text() or "deploy" in path.parts:  # read from files of their own
                continue
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
            for name, thing in vars(module).items():
                own = (
                    isinstance(thing, type)
                    and dataclasses.is_dataclass(thing)
                    and getattr(thing, "__module__", "") == module.__name__
                )
                if own and any("key" in f.metadata for f in dataclasses.fields(thing)):
                    found[name] = thing  # type: ignore[assignment]
    return found


def keys(cls: type[Any]) -> list[str]:
    return [field.metadata["key"] for field in keyed(cls)]


def test_pyproject_is_up_to_date() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    assert text == settings_table.up_to_date(), "run `python -m crossward.launcher.settings_table`"


def test_every_key_is_read_by_one_class_and_every_class_has_its_keys_in_pyproject() -> None:
    classes = settings_classes()
    assert "NodeConfig" in classes and len(classes) > 5
    named = [key for name, cls in classes.items() if name != "NodeConfig" for key in keys(cls)]
    assert len(named) == len(set(named)), "two settings classes read one key"
    assert set(named) == set(run_config())
    assert {cls.__name__ for cls in SECTIONS.values()} == set(classes) - {"NodeConfig"}


def test_defaults_in_pyproject_are_the_classes_own_with_their_types() -> None:
    config = run_config()
    for cls in SECTIONS.values():
        for field in keyed(cls):
            value = config[field.metadata["key"]]
            assert value == field.default and type(value) is type(field.default), field.metadata["key"]
        assert read_settings(cls, config) == cls()


def test_no_default_is_a_path_of_somebodys_machine() -> None:
    assert not [key for key, value in run_config().items() if isinstance(value, str) and value.startswith(("/", "~"))]


def test_the_rows_explain_every_key() -> None:
    rows = [*settings_table.run_config_rows(), *settings_table.node_config_rows()]
    meanings = {key: meaning for key, _, _, meaning in rows}
    for cls in (*SECTIONS.values(), settings_classes()["NodeConfig"]):
        for key in keys(cls):
            assert len(meanings[key]) > 10 and "\n" not in meanings[key], key


def test_text_that_toml_would_misread_is_escaped() -> None:
    assert tomllib.loads(f"x = {settings_table._toml('a' + chr(92) + 'b' + chr(34))}")["x"] == 'a\\b"'
    assert settings_table._toml(True) == "true" and settings_table._toml(0.5) == "0.5"


def test_what_stands_outside_the_markers_is_left_alone() -> None:
    text = "before\n# settings: begin\nold\n# settings: end\nafter | \\1\n"
    comment = ("# ", "")
    assert settings_table.replaced(text, "new \\1\n", comment) == (
        "before\n# settings: begin\nnew \\1\n# settings: end\nafter | \\1\n"
    )
    with pytest.raises(ValueError, match="are missing"):
        settings_table.replaced("no markers", "new\n", comment)
