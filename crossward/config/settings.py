"""Reads one section of a configuration into a frozen dataclass with checked types and ranges.

A section is a frozen dataclass. A field that a user can set carries ``metadata`` with ``key`` (the configuration key),
``help`` (one line) and, where they apply, ``min``/``max`` (inclusive), ``above`` (exclusive lower bound), ``choices``,
``path`` (``PATH``, or ``NAME_OR_PATH``) or ``hospital`` (a hospital may override the key in its node config). A field
without a key is a constant of the product that tests and benchmarks pass to the constructor. Paths come out expanded
and absolute. The reference of the configuration is generated from the same metadata.

Not for: the configuration as a whole (``crossward.config.run_config``).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from crossward.machine.paths import PathError, absolute, checked, looks_like_path

S = TypeVar("S")
AUTO = "auto"  # the value of a choice that is made where the run is
_TYPES: dict[type[Any], Mapping[str, Any]] = {}
PATH, NAME_OR_PATH = "path", "name or path"  # what a setting's metadata says under "path"


class SettingsError(ValueError):
    """A configuration value is missing, of the wrong type or out of range."""

    tellable = True  # see client_app.guard.refusals


def _describe(meta: Mapping[str, Any], kind: type) -> str:
    if "path" in meta:
        return "an absolute path" if meta["path"] == PATH else "a name or an absolute path"
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
    if meta.get("path") == PATH or ("path" in meta and looks_like_path(value)):
        return checked(value, meta["key"])
    return value


def keyed(cls: type[Any]) -> list[dataclasses.Field[Any]]:
    """The fields of a section that a user can set."""
    return [field for field in dataclasses.fields(cls) if "key" in field.metadata]


def path_keys(cls: type[Any], kinds: Collection[str] = (PATH, NAME_OR_PATH)) -> list[str]:
    """The keys of a section whose values are paths of one of ``kinds``."""
    return [field.metadata["key"] for field in keyed(cls) if field.metadata.get("path") in kinds]


def resolve_paths(classes: Iterable[type[Any]], values: Mapping[str, Any], base: Path | None = None) -> dict[str, Any]:
    """``values`` with the paths among the keys of ``classes`` made absolute, relative ones from ``base``.

    For commands: their caller's directory (the default) is not that of the processes that read the settings. A value
    that may be a name is a path if it is written as one, or if there is such a directory.

    Raises
    ------
    SettingsError
        a path cannot be expanded.
    """
    out = dict(values)
    for field in (field for cls in classes for field in dataclasses.fields(cls) if "path" in field.metadata):
        key = field.metadata["key"]
        value = out.get(key, field.default)
        if not isinstance(value, str) or value == field.default:
            continue
        try:
            path = absolute(value, key, base)
        except PathError as error:
            raise SettingsError(str(error)) from error
        if field.metadata["path"] == PATH or looks_like_path(value) or path.is_dir():
            out[key] = str(path)
    return out


def _types(cls: type[Any]) -> Mapping[str, Any]:
    """The types of a section's fields; to find them takes longer than to read the section."""
    if cls not in _TYPES:
        _TYPES[cls] = get_type_hints(cls)
    return _TYPES[cls]


def read_settings(cls: type[S], values: Mapping[str, Any], where: str = "run config") -> S:
    """Make a ``cls`` from the keys of ``values`` that its fields name; absent keys keep their default.

    Raises
    ------
    SettingsError
        names the key, the value, what was expected and how to set it.
    """
    types = _types(cls)
    given: dict[str, Any] = {}
    for field in keyed(cls):
        key = field.metadata["key"]
        if key in values:
            try:
                given[field.name] = _checked(values[key], types[field.name], field.metadata, where)
            except PathError as error:
                raise SettingsError(f"{where}: {error}") from error
    try:
        return cls(**given)
    except ValueError as error:
        raise SettingsError(f"{where}: {error}") from error


def settings_rows(cls: type[Any]) -> list[tuple[str, Any, str, str]]:
    """(key, default, allowed values, help) of every key of a section, in order."""
    types = _types(cls)
    return [
        (f.metadata["key"], f.default, _describe(f.metadata, types[f.name]), f.metadata["help"]) for f in keyed(cls)
    ]
