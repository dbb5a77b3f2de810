"""Run-config overrides as people type them -> one TOML file for ``flwr run``.

Flower drops words it cannot parse, answers an unknown key with "Invalid run configuration" and does not mix a TOML
file with ``key=value`` pairs. Here every word counts, an unknown key is named, both forms mix, and text needs no
quotes where the app's default is text.

Not for: ranges and meaning of values; the app checks them (`crossward.config.settings`).
"""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from crossward.config.old_keys import OLD_RUN_KEYS
from crossward.config.run_config import unknown_key
from crossward.launcher.errors import LauncherError
from crossward.machine.paths import PathError, absolute, looks_like_path
from crossward.machine.text import TextError, read_toml

Value = bool | int | float | str

_PAIR = re.compile(r"""\s*([A-Za-z0-9_.\-]+)=("[^"]*"|'[^']*'|[^\s"']+)(?=\s|$)""")


def flatten(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """``{"a": {"b": 1}}`` -> ``{"a.b": 1}``."""
    flat: dict[str, Any] = {}
    for key, value in table.items():
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat


def app_defaults(app: Path) -> dict[str, Any]:
    """The app's own run config: every key it knows, with its default."""
    file = app / "pyproject.toml"
    if not file.is_file():
        raise LauncherError(f"no Flower app in {app} ({file.name} is missing); name its folder with --app")
    try:
        return flatten(read_toml(file)["tool"]["flwr"]["app"].get("config", {}))
    except TextError as error:
        raise LauncherError(str(error)) from error
    except KeyError as error:
        raise LauncherError(f"{file} has no [tool.flwr.app] table: it is not a Flower app") from error


def _value(key: str, text: str, defaults: Mapping[str, Any]) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError as error:
        # The caller reports an unknown key.
        if key not in defaults or (isinstance(defaults[key], str) and text[0] not in "\"'"):
            return text
        raise LauncherError(
            f"run config: {key}={text} is neither a number, nor true or false, nor quoted text ({error})"
        ) from error


def _pairs(text: str, defaults: Mapping[str, Any]) -> dict[str, Any]:
    given: dict[str, Any] = {}
    at = 0
    while text[at:].strip():
        if not (found := _PAIR.match(text, at)):
            raise LauncherError(
                f"run config: cannot read {text[at:].strip()!r}; expected key=value pairs separated by spaces, "
                "text with spaces in quotes, or one file that ends in .toml"
            )
        given[found[1]] = _value(found[1], found[2], defaults)
        at = found.end()
    return given


def read_overrides(texts: Iterable[str], defaults: Mapping[str, Any]) -> dict[str, Value]:
    """Overrides from ``--run-config`` values, each key=value pairs or a TOML file; later ones win.

    Raises
    ------
    LauncherError
        something cannot be read, or is no key of the app.
    """
    given: dict[str, Any] = {}
    for text in texts:
        if text.strip().endswith(".toml") and "=" not in text:
            try:
                given |= flatten(read_toml(absolute(text.strip(), "--run-config")))
            except (TextError, PathError) as error:
                raise LauncherError(f"run config: {error}") from error
        else:
            given |= _pairs(text, defaults)
    for key, value in given.items():
        if key not in defaults:
            if key in OLD_RUN_KEYS:
                raise LauncherError(f"run config: {unknown_key(key)}")
            near = difflib.get_close_matches(key, defaults, n=3)
            hint = f"did you mean {' or '.join(near)}?" if near else "see [tool.flwr.app.config] in its pyproject.toml"
            raise LauncherError(f"run config: the app has no key {key!r}; {hint}")
        if not isinstance(value, bool | int | float | str):
            raise LauncherError(f"run config: {key} = {value!r} is a {type(value).__name__}; expected one plain value")
    return given


def absolute_texts(given: Mapping[str, Value]) -> dict[str, Value]:
    """``given`` with every text that begins with ``./``, ``../`` or ``~`` made an absolute path.

    For an app whose settings are not known here; it runs in another directory than the caller's.
    """
    return {
        key: str(absolute(value, key)) if isinstance(value, str) and looks_like_path(value) else value
        for key, value in given.items()
    }


def to_toml(overrides: Mapping[str, Value]) -> str:
    """TOML that reads back as ``overrides``."""
    return "".join(
        f"{key} = {json.dumps(value, ensure_ascii=False) if isinstance(value, bool | str) else repr(value)}\n"
        for key, value in overrides.items()
    )
