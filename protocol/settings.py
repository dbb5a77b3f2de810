"""Reading run-config and node-config values into frozen dataclasses, once, at the door.

Flower refuses unknown run-config keys but checks no types or ranges. A settings class is a frozen
dataclass whose every field carries ``metadata`` with ``key`` (the run-config key), ``help`` (one
line) and, where they apply, ``min``/``max`` (inclusive), ``above`` (exclusive lower bound) or ``choices``. The README's
configuration table is generated from the same metadata.

Not for: what the values mean. Each package defines its own settings class.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, TypeVar, get_type_hints

S = TypeVar("S")


class SettingsError(ValueError):
    """A configuration value is missing, of the wrong type or out of range."""

    tellable = True  # see client_app.refusals


def _describe(meta: Mapping[str, Any], kind: type) -> str:
    name = {int: "an integer", float: "a number", bool: "true or false", str: "a text"}[kind]
    if "choices" in meta:
        return "one of " + ", ".join(repr(c) for c in meta["choices"])
    if "above" in meta:
        name += f" above {meta['above']}"
    elif "min" in meta:
        name += f" of at least {meta['min']}"
    if "max" in meta:
        name += f" and at most {meta['max']}"
    return name


def _checked(value: Any, kind: type[Any], meta: Mapping[str, Any], where: str) -> Any:
    expected = _describe(meta, kind)
    wrong = SettingsError(
        f"{where}: {meta['key']} = {value!r} is not {expected}. {meta['help']} "
        + (
            f"Set it with --node-config '{meta['key']}=...' or in the [node-config] table of hospital.toml."
            if where == "node config"
            else f'Set it with --run-config "{meta["key"]}=..." or in [tool.flwr.app.config] of pyproject.toml.'
        )
    )
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not kind:
        raise wrong
    if kind is float and not math.isfinite(value):
        raise wrong
    if "choices" in meta and value not in meta["choices"]:
        raise wrong
    if "above" in meta and not value > meta["above"]:
        raise wrong
    if "min" in meta and value < meta["min"]:
        raise wrong
    if "max" in meta and value > meta["max"]:
        raise wrong
    return value


def read_settings(cls: type[S], values: Mapping[str, Any], where: str = "run config") -> S:
    """Make a ``cls`` from the keys of ``values`` that its fields name; absent keys keep their default.

    Raises
    ------
    SettingsError
        names the key, the value, what was expected and how to set it.
    """
    hints = get_type_hints(cls)
    given: dict[str, Any] = {}
    for field in dataclasses.fields(cls):  # type: ignore[arg-type]
        key = field.metadata["key"]
        if key in values:
            given[field.name] = _checked(values[key], hints[field.name], field.metadata, where)
    try:
        return cls(**given)
    except ValueError as error:
        raise SettingsError(f"{where}: {error}") from error


def settings_rows(cls: type[Any]) -> list[tuple[str, Any, str, str]]:
    """(key, default, allowed values, help) of every field of a settings class, in order."""
    hints = get_type_hints(cls)
    return [
        (f.metadata["key"], f.default, _describe(f.metadata, hints[f.name]), f.metadata["help"])
        for f in dataclasses.fields(cls)
    ]
